//! What the judging page knows: the comparison on the screen, those fetched ahead, the draft, and what to undo.
//! `saying` has what is done with them.

use std::time::Duration;

use domain::{
    comparison::ComparisonKind,
    task::{Progress, Submission, Task, Written},
};
use leptos::{ev, html, prelude::*, task::spawn_local};
use uuid::Uuid;
use wasm_bindgen::JsCast;

use super::{
    DeskStart, clock::ActiveClock, draft::Draft, gate::Gate, hold, keys, outbox::Outbox, saying, screen,
};
use crate::server_fns::judge::{load_progress, next_tasks};

/// Fewer than these fetched ahead, and more are asked for.
const AHEAD: usize = 2;

/// When to ask again where nothing is left: soon if others have some in hand.
const ASK_AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// All of it; copies share everything.
#[derive(Clone, Copy)]
pub struct Desk {
    pub project: Uuid,
    pub kind: ComparisonKind,
    /// This page, as the server knows it.
    pub seat: Uuid,
    pub task: RwSignal<Option<Task>>,
    pub progress: RwSignal<Progress>,
    pub outbox: Outbox,
    pub announcement: RwSignal<String>,
    /// What the person should know at once, beside the grades; empty if nothing.
    pub hint: RwSignal<String>,
    /// The server has no more for this person.
    pub exhausted: RwSignal<bool>,
    pub can_undo: RwSignal<bool>,
    /// In the browser, and awake.
    pub awake: RwSignal<bool>,
    pub draft: Draft,
    /// Open once what is on the screen can have been seen.
    pub gate: Gate,
    /// The next letter shares the last one's place.
    pub tie_next: RwSignal<bool>,
    /// Where to go after one judgement that was to be changed.
    pub back: StoredValue<Option<String>>,
    /// The comparison that was changed, while the way back waits for the server to have it.
    pub leaving: RwSignal<Option<Uuid>>,
    // Folds that keys open.
    pub skip_menu: NodeRef<html::Details>,
    pub reason_menu: NodeRef<html::Details>,
    pub help: NodeRef<html::Details>,
    pub reason_text: NodeRef<html::Textarea>,
    pub(super) root: NodeRef<html::Section>,
    pub(super) ahead: StoredValue<Vec<Task>>,
    pub(super) undoable: StoredValue<Vec<(Task, Submission)>>,
    pub(super) last: StoredValue<Option<(Uuid, Uuid)>>,
    /// The comparison that the address names.
    named: Option<Uuid>,
    /// What is shown was brought back by an undo.
    pub(super) undone: StoredValue<bool>,
    pub(super) clock: StoredValue<ActiveClock>,
    fetching: StoredValue<bool>,
    asking_again: StoredValue<bool>,
}

impl Desk {
    /// As the server rendered it.
    pub fn new(start: &DeskStart) -> Desk {
        let from = start.from.as_ref();
        let back = from.map(|query| format!("/projects/{}/judgements?{query}", start.project));
        Desk {
            project: start.project,
            kind: start.kind,
            seat: start.seat,
            task: RwSignal::new(start.task.clone()),
            progress: RwSignal::new(start.progress),
            outbox: Outbox::new(start.project, start.user),
            announcement: RwSignal::new(String::new()),
            hint: RwSignal::new(String::new()),
            exhausted: RwSignal::new(start.task.is_none()),
            can_undo: RwSignal::new(start.last.is_some()),
            awake: RwSignal::new(false),
            draft: Draft::new(start.user, start.task.as_ref()),
            gate: Gate::new(),
            tie_next: RwSignal::new(false),
            back: StoredValue::new(back),
            leaving: RwSignal::new(None),
            skip_menu: NodeRef::new(),
            reason_menu: NodeRef::new(),
            help: NodeRef::new(),
            reason_text: NodeRef::new(),
            root: NodeRef::new(),
            ahead: StoredValue::new(Vec::new()),
            undoable: StoredValue::new(Vec::new()),
            last: StoredValue::new(start.last),
            named: start
                .task
                .as_ref()
                .filter(|_| start.named)
                .map(|task| task.comparison_id),
            undone: StoredValue::new(false),
            asking_again: StoredValue::new(false),
            clock: StoredValue::new(ActiveClock::start(0.0)),
            fetching: StoredValue::new(false),
        }
    }

    /// In the browser: keys, the clock, what waits to be sent, and the next comparisons.
    pub fn wake(self) {
        self.awake.set(true);
        self.outbox.open();
        hold::keep_holding(self);
        drop(window_event_listener(ev::keydown, move |event| {
            keys::pressed(self, &event)
        }));
        drop(window_event_listener(ev::online, move |_| {
            self.outbox.pump();
            self.fetch();
        }));
        let alive = move || self.clock.update_value(|clock| clock.touch(js_sys::Date::now()));
        drop(window_event_listener(ev::pointermove, move |_| alive()));
        drop(window_event_listener(ev::wheel, move |_| alive()));
        drop(window_event_listener(ev::touchstart, move |_| alive()));
        drop(window_event_listener_untyped("visibilitychange", move |_| {
            let now = js_sys::Date::now();
            self.clock
                .update_value(|clock| clock.set_in_view(!document().hidden(), now));
        }));
        drop(window_event_listener(ev::pointerdown, move |event| {
            let pressed = event.target().and_then(|target| target.dyn_into().ok());
            screen::close_unless_inside(self.skip_menu, pressed);
        }));
        self.draft.forget_old();
        let shown = self.task.get_untracked();
        let unsent = shown
            .as_ref()
            .and_then(|task| self.outbox.last_about(task.comparison_id));
        match (shown, unsent) {
            // What stands there was judged already, and only the server does not know yet.
            (Some(_), Some(_)) if self.back.with_value(Option::is_none) => self.show_next(),
            // It is to be changed: what is unsent is what the change replaces.
            (Some(mut task), Some(unsent)) => {
                task.supersedes = Some(unsent.id);
                task.written = saying::written_in(&unsent);
                self.show(Some(task));
            }
            (shown, _) => self.begin(shown.as_ref(), false),
        }
        self.fetch();
    }

    /// Keeps the draft at every change, and goes back once a change has been sent.
    pub fn follow(self) {
        Effect::new(move |_| self.draft.keep());
        Effect::new(move |_| {
            let sent = self.outbox.waiting() == 0 && self.outbox.refused().is_empty();
            if let (Some(comparison), true) = (self.leaving.get(), sent)
                && let Some(back) = self.back.get_value()
            {
                drop(
                    window()
                        .location()
                        .set_href(&format!("{back}&changed={comparison}")),
                );
            }
        });
    }

    pub(super) fn show_next(self) {
        let mut next = None;
        self.ahead.update_value(|ahead| {
            if !ahead.is_empty() {
                next = Some(ahead.remove(0));
            }
        });
        self.show(next);
        self.fetch();
    }

    /// Puts a comparison on the screen, with what was begun about it.
    pub(super) fn show(self, task: Option<Task>) {
        let focus = screen::leave_controls(self);
        for fold in [self.skip_menu, self.reason_menu] {
            screen::set_open(fold, false);
        }
        self.begin(task.as_ref(), focus);
        self.task.set(task);
    }

    /// What is on the screen is new: its draft, its clock, and nothing counts for it before it has been seen.
    fn begin(self, task: Option<&Task>, focus: bool) {
        let restored = self.draft.begin(task);
        self.hint.set(match restored {
            true => "What you had begun here is back, from this browser.".into(),
            false => String::new(),
        });
        // The next keys of whoever was writing are letters, not grades.
        if restored && self.draft.writing.get_untracked() {
            screen::write_on(self);
        }
        self.tie_next.set(false);
        self.undone.set_value(false);
        self.clock.set_value(ActiveClock::start(js_sys::Date::now()));
        self.gate.shut();
        screen::to_the_beginning(self, focus);
    }

    /// Fetches ahead, so that the next comparison is there when its time comes.
    fn fetch(self) {
        if self.fetching.get_value()
            || self.back.with_value(Option::is_some)
            || self.ahead.with_value(Vec::len) >= AHEAD
        {
            return;
        }
        self.fetching.set_value(true);
        let mut without = self.outbox.comparisons();
        without.extend(
            self.task
                .with_untracked(|task| task.as_ref().map(|task| task.comparison_id)),
        );
        self.ahead
            .with_value(|ahead| without.extend(ahead.iter().map(|task| task.comparison_id)));
        self.undoable
            .with_value(|undoable| without.extend(undoable.iter().map(|(_, said)| said.comparison_id)));
        without.sort_unstable();
        without.dedup();
        without.truncate(500);
        spawn_local(async move {
            let answer = next_tasks(self.project, self.kind, without, self.seat).await;
            self.fetching.set_value(false);
            match answer {
                Ok(tasks) if tasks.is_empty() => self.ask_again_later().await,
                Ok(tasks) => {
                    self.exhausted.set(false);
                    self.ahead.update_value(|ahead| ahead.extend(tasks));
                    if self.task.with_untracked(Option::is_none) {
                        self.show_next();
                    }
                }
                Err(error) if error.may_retry() => set_timeout(move || self.fetch(), Duration::from_secs(3)),
                Err(error) => self.outbox.trouble.set(Some(error.to_string())),
            }
        });
    }

    /// Nothing came. If nothing is on the screen either, asks again: others give back, a lead may want more.
    async fn ask_again_later(self) {
        if self.task.with_untracked(Option::is_some) || self.asking_again.get_value() {
            return;
        }
        self.exhausted.set(true);
        self.asking_again.set_value(true);
        if let Ok(progress) = load_progress(self.project, self.kind).await {
            self.progress.set(progress);
        }
        let soon = self
            .progress
            .with_untracked(|progress| progress.elsewhere + progress.remaining > 0);
        let wait = if soon { ASK_AGAIN[0] } else { ASK_AGAIN[1] };
        set_timeout(
            move || {
                self.asking_again.set_value(false);
                self.fetch();
            },
            wait,
        );
    }

    /// What this page has in hand: what it shows or has yet to send, and what it fetched ahead.
    pub fn in_hand(self) -> (Vec<Uuid>, Vec<Uuid>) {
        let mut shown = self.outbox.comparisons();
        shown.extend(self.task.with_untracked(|task| {
            let fresh = task.as_ref().filter(|task| task.said.is_none());
            fresh.map(|task| task.comparison_id)
        }));
        let ahead = self
            .ahead
            .with_value(|ahead| ahead.iter().map(|task| task.comparison_id).collect());
        (shown, ahead)
    }

    /// Others have these now: they go from what was fetched ahead, and from the screen if nothing was written there. What
    /// the person went for, by its address or by an undo, stays whoever has it.
    pub fn let_go(self, lost: &[Uuid]) {
        self.ahead
            .update_value(|ahead| ahead.retain(|task| !lost.contains(&task.comparison_id)));
        let on_screen = self.task.with_untracked(|task| {
            let fresh = task.as_ref().filter(|task| task.said.is_none());
            fresh.map(|task| task.comparison_id)
        });
        if let Some(comparison) = on_screen
            && lost.contains(&comparison)
            && self.named != Some(comparison)
            && !self.undone.get_value()
            && !self.has_draft()
        {
            self.show_next();
            self.hint
                .set("Somebody else has judged the one that stood here.".into());
        } else {
            self.fetch();
        }
    }

    /// Whether anything was said of the comparison on the screen that is not sent.
    pub fn has_draft(self) -> bool {
        untrack(|| self.draft.read()) != Written::default()
    }
}

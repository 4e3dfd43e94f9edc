//! What the judging page knows: the comparison on the screen, those fetched ahead, the draft, and what to undo.

use std::time::Duration;

use domain::{
    comparison::ComparisonKind,
    judgement::{Grade, SkipReason, Verdict},
    task::{Progress, Submission, Task, describe, groups_by_place},
};
use leptos::{ev, html, prelude::*, task::spawn_local};
use uuid::Uuid;

use super::{DeskStart, clock::ActiveClock, hold, keys, outbox::Outbox};
use crate::server_fns::judge::{load_progress, load_task, next_tasks};

/// Fewer than these fetched ahead, and more are asked for.
const AHEAD: usize = 2;

/// When to ask again where nothing is left: soon if others have some in hand.
const ASK_AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// How many judgements can be undone without asking the server.
const REMEMBERED: usize = 50;

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
    /// The server has no more for this person.
    pub exhausted: RwSignal<bool>,
    pub can_undo: RwSignal<bool>,
    // The draft.
    pub flagged: RwSignal<bool>,
    pub justification: RwSignal<String>,
    pub confidence: RwSignal<Option<i32>>,
    /// The place of each response, for rankings.
    pub places: RwSignal<[Option<u8>; 4]>,
    /// The next letter shares the last one's place.
    pub tie_next: RwSignal<bool>,
    // Folds that keys open.
    pub skip_menu: NodeRef<html::Details>,
    pub reason_menu: NodeRef<html::Details>,
    pub help: NodeRef<html::Details>,
    pub reason_text: NodeRef<html::Textarea>,
    ahead: StoredValue<Vec<Task>>,
    undoable: StoredValue<Vec<(Task, Uuid)>>,
    last: StoredValue<Option<(Uuid, Uuid)>>,
    fetching: StoredValue<bool>,
    asking_again: StoredValue<bool>,
    clock: StoredValue<ActiveClock>,
    root: StoredValue<Option<NodeRef<html::Section>>>,
}

impl Desk {
    /// As the server rendered it.
    pub fn new(start: &DeskStart) -> Desk {
        Desk {
            project: start.project,
            kind: start.kind,
            seat: start.seat,
            task: RwSignal::new(start.task.clone()),
            progress: RwSignal::new(start.progress),
            outbox: Outbox::new(start.project, start.user),
            announcement: RwSignal::new(String::new()),
            exhausted: RwSignal::new(start.task.is_none()),
            can_undo: RwSignal::new(start.last.is_some()),
            flagged: RwSignal::new(false),
            justification: RwSignal::new(String::new()),
            confidence: RwSignal::new(None),
            places: RwSignal::new([None; 4]),
            tie_next: RwSignal::new(false),
            skip_menu: NodeRef::new(),
            reason_menu: NodeRef::new(),
            help: NodeRef::new(),
            reason_text: NodeRef::new(),
            ahead: StoredValue::new(Vec::new()),
            undoable: StoredValue::new(Vec::new()),
            last: StoredValue::new(start.last),
            fetching: StoredValue::new(false),
            asking_again: StoredValue::new(false),
            clock: StoredValue::new(ActiveClock::start(0.0)),
            root: StoredValue::new(None),
        }
    }

    /// In the browser: keys, the clock, what waits to be sent, and the next comparisons.
    pub fn wake(self, root: NodeRef<html::Section>) {
        self.root.set_value(Some(root));
        self.clock.set_value(ActiveClock::start(js_sys::Date::now()));
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
        // What stands there was judged already, and only the server does not know yet.
        let unsent = self.outbox.comparisons();
        if self.task.with_untracked(|task| {
            task.as_ref()
                .is_some_and(|task| unsent.contains(&task.comparison_id))
        }) {
            self.show_next();
        } else {
            self.scroll_to_start();
        }
        self.fetch();
    }

    /// What a button's value or a key says: a grade's key, `skip:REASON`, `rank`.
    pub fn say(self, say: &str) {
        let Some(shown) = self.task.with_untracked(|task| task.as_ref().map(responses)) else {
            return;
        };
        if let Some(reason) = say.strip_prefix("skip:") {
            if let Some(reason) = SkipReason::ALL.into_iter().find(|known| known.as_str() == reason) {
                self.send(Verdict::Skipped { reason }, Vec::new());
            }
        } else if say == "rank" {
            let places = self.places.get_untracked();
            match groups_by_place(&shown, &places[..shown.len().min(places.len())]) {
                Some(groups) => self.send(Verdict::Ranked, groups),
                None => self.announcement.set("Give every response a place first.".into()),
            }
        } else if let &[left, right] = shown.as_slice()
            && let Some(grade) = Grade::ALL
                .into_iter()
                .find(|grade| grade.key().to_string() == say)
        {
            let (verdict, ranking) = grade.decide([left, right]);
            self.send(verdict, ranking);
        }
    }

    fn send(self, verdict: Verdict, ranking: Vec<Vec<Uuid>>) {
        let Some(task) = self.task.get_untracked() else {
            return;
        };
        let mut active = 0;
        self.clock
            .update_value(|clock| active = clock.read(js_sys::Date::now()));
        let submission = Submission {
            id: Uuid::new_v4(),
            comparison_id: task.comparison_id,
            verdict,
            ranking,
            presented: responses(&task),
            flagged: self.flagged.get_untracked(),
            justification: Some(self.justification.get_untracked()).filter(|text| !text.trim().is_empty()),
            confidence: self.confidence.get_untracked(),
            active_ms: Some(active),
            supersedes: task.supersedes,
        };
        let said = describe(verdict, &submission.ranking, &submission.presented);
        self.announcement.set(format!("{said}. Next comparison."));
        if task.said.is_none() {
            self.count(1);
            if !matches!(verdict, Verdict::Skipped { .. }) {
                self.progress.update(|progress| progress.judged += 1);
            }
        }
        self.undoable.update_value(|undoable| {
            undoable.push((task, submission.id));
            if undoable.len() > REMEMBERED {
                undoable.remove(0);
            }
        });
        self.can_undo.set(true);
        self.outbox.push(submission);
        self.show_next();
    }

    /// Takes the last judgement back and shows its comparison again.
    pub fn undo(self) {
        let mut last = None;
        self.undoable.update_value(|undoable| last = undoable.pop());
        if let Some((task, judgement)) = last {
            self.take_back(task, judgement);
        } else if let Some((judgement, comparison)) = self.last.get_value() {
            spawn_local(async move {
                match load_task(self.project, comparison).await {
                    Ok(task) => {
                        self.last.set_value(None);
                        self.take_back(task, judgement);
                    }
                    Err(error) => self.announcement.set(error.to_string()),
                }
            });
        }
    }

    fn take_back(self, mut task: Task, judgement: Uuid) {
        let withdrawal = Submission {
            id: Uuid::new_v4(),
            comparison_id: task.comparison_id,
            verdict: Verdict::Withdrawn,
            ranking: Vec::new(),
            presented: responses(&task),
            flagged: false,
            justification: None,
            confidence: None,
            active_ms: None,
            supersedes: Some(judgement),
        };
        task.supersedes = Some(withdrawal.id);
        task.said = None;
        self.outbox.push(withdrawal);
        self.count(-1);
        if let Some(current) = self.task.get_untracked() {
            self.ahead.update_value(|ahead| ahead.insert(0, current));
        }
        self.can_undo.set(
            self.undoable.with_value(|undoable| !undoable.is_empty()) || self.last.get_value().is_some(),
        );
        self.announcement.set("Taken back: judge it anew.".into());
        self.show(Some(task));
    }

    fn count(self, by: i64) {
        self.progress.update(|progress| {
            progress.done = progress.done.saturating_add_signed(by);
            progress.remaining = progress.remaining.saturating_add_signed(-by);
        });
    }

    fn show_next(self) {
        let mut next = None;
        self.ahead.update_value(|ahead| {
            if !ahead.is_empty() {
                next = Some(ahead.remove(0));
            }
        });
        self.show(next);
        self.fetch();
    }

    fn show(self, task: Option<Task>) {
        self.flagged.set(false);
        self.justification.set(String::new());
        self.confidence.set(None);
        self.places.set([None; 4]);
        self.tie_next.set(false);
        for fold in [self.skip_menu, self.reason_menu] {
            if let Some(fold) = fold.get_untracked() {
                fold.set_open(false);
            }
        }
        self.clock.set_value(ActiveClock::start(js_sys::Date::now()));
        self.task.set(task);
        self.scroll_to_start();
    }

    /// Fetches ahead, so that the next comparison is there when its time comes.
    fn fetch(self) {
        if self.fetching.get_value() || self.ahead.with_value(Vec::len) >= AHEAD {
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
            .with_value(|undoable| without.extend(undoable.iter().map(|(task, _)| task.comparison_id)));
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

    /// Others have these now: they go from what was fetched ahead, and from the screen if nothing was written there.
    pub fn let_go(self, lost: &[Uuid]) {
        self.ahead
            .update_value(|ahead| ahead.retain(|task| !lost.contains(&task.comparison_id)));
        let on_screen = self.task.with_untracked(|task| {
            let fresh = task.as_ref().filter(|task| task.said.is_none());
            fresh.map(|task| task.comparison_id)
        });
        if let Some(comparison) = on_screen
            && lost.contains(&comparison)
            && !self.outbox.comparisons().contains(&comparison)
            && !self.has_draft()
        {
            self.announcement
                .set("Somebody else has judged that one. Next comparison.".into());
            self.show_next();
        } else {
            self.fetch();
        }
    }

    /// Whether anything was said of the comparison on the screen that is not sent.
    pub fn has_draft(self) -> bool {
        self.flagged.get_untracked()
            || self.confidence.with_untracked(Option::is_some)
            || self.justification.with_untracked(|text| !text.trim().is_empty())
            || self
                .places
                .with_untracked(|places| places.iter().any(Option::is_some))
    }

    /// Responses from their beginning, the prompt so that its last turn is in view.
    fn scroll_to_start(self) {
        request_animation_frame(move || {
            let Some(root) = self.root.get_value().and_then(|root| root.get_untracked()) else {
                return;
            };
            for place in 1..=4 {
                let text = format!(".response:nth-child({place}) .response-text");
                if let Ok(Some(text)) = root.query_selector(&text) {
                    text.set_scroll_top(0);
                }
            }
            let prompt = root.query_selector(".judge-prompt").ok().flatten();
            let turn = root
                .query_selector(".judge-prompt .turn:last-child")
                .ok()
                .flatten();
            if let (Some(prompt), Some(turn)) = (prompt, turn) {
                // The box is laid out from its end: 0 is the end, less than that is above it.
                prompt.set_scroll_top((prompt.client_height() - turn.client_height() - 24).min(0));
            }
            let scrolled = window().page_y_offset().unwrap_or(0.0);
            if scrolled > f64::from(root.offset_top()) {
                root.scroll_into_view();
            }
        });
    }
}

fn responses(task: &Task) -> Vec<Uuid> {
    task.responses.iter().map(|response| response.id).collect()
}

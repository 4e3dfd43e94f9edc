//! What is said of the comparison on the screen, and taking it back.

use domain::{
    comparison::ComparisonKind,
    judgement::{Grade, SkipReason, Verdict},
    task::{Submission, Task, Written, describe, groups_by_place, places_by_group},
};
use leptos::{prelude::*, task::spawn_local};
use uuid::Uuid;

use super::{order, state::Desk};
use crate::server_fns::judge::load_task;

/// How many judgements can be undone without asking the server.
const REMEMBERED: usize = 50;

impl Desk {
    /// Whether what is on the screen can have been seen; if not, the person is told.
    pub fn has_been_seen(self) -> bool {
        let open = self.gate.is_open();
        if !open && self.task.with_untracked(Option::is_some) {
            self.hint.set(too_soon(self.kind).into());
        }
        open
    }

    /// What a button's value or a key says: a grade's key, `skip:REASON`, `rank`. Nothing is taken for what has only
    /// just appeared.
    pub fn say(self, say: &str) {
        let Some(shown) = self.task.with_untracked(|task| task.as_ref().map(responses)) else {
            return;
        };
        if !self.has_been_seen() {
            return;
        }
        if let Some(reason) = say.strip_prefix("skip:") {
            if let Some(reason) = SkipReason::ALL.into_iter().find(|known| known.as_str() == reason) {
                self.send(Verdict::Skipped { reason }, Vec::new());
            }
        } else if say == "rank" {
            order::place_the_last(self);
            match groups_by_place(&shown, &self.draft.places.get_untracked()) {
                Some(groups) => self.send(Verdict::Ranked, groups),
                None => self.hint.set(format!(
                    "{}: give each a place, the best first.",
                    untrack(|| order::button_text(self))
                )),
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
        let written = untrack(|| self.draft.read());
        let submission = Submission {
            id: Uuid::new_v4(),
            comparison_id: task.comparison_id,
            verdict,
            ranking,
            presented: responses(&task),
            flagged: written.flagged,
            justification: Some(written.justification).filter(|text| !text.trim().is_empty()),
            confidence: written.confidence,
            active_ms: Some(active),
            supersedes: task.supersedes,
        };
        let said = describe(verdict, &submission.ranking, &submission.presented);
        if task.said.is_none() {
            self.count(1);
            if !matches!(verdict, Verdict::Skipped { .. }) {
                self.progress.update(|progress| progress.judged += 1);
            }
        }
        self.draft.forget();
        self.undoable.update_value(|undoable| {
            undoable.push((task, submission.clone()));
            if undoable.len() > REMEMBERED {
                undoable.remove(0);
            }
        });
        self.can_undo.set(true);
        let comparison = submission.comparison_id;
        self.outbox.push(submission);
        if self.back.with_value(Option::is_some) {
            self.announcement.set(format!("{said}. Back to your judgements."));
            self.leaving.set(Some(comparison));
            self.show(None);
        } else {
            self.announcement.set(format!("{said}. Next comparison."));
            self.show_next();
        }
    }

    /// Takes the last judgement back and shows its comparison again, with what was written. Twice in a row only once
    /// what the first one brought back has been seen.
    pub fn undo(self) {
        if self.undone.get_value() && !self.has_been_seen() {
            return;
        }
        let mut last = None;
        self.undoable.update_value(|undoable| last = undoable.pop());
        if let Some((mut task, said)) = last {
            task.written = written_in(&said);
            if matches!(said.verdict, Verdict::Skipped { .. }) {
                self.progress.update(|progress| progress.judged += 1);
            }
            self.take_back(task, said.id);
        } else if let Some((judgement, comparison)) = self.last.get_value() {
            // Not twice while the server is asked.
            self.last.set_value(None);
            spawn_local(async move {
                match load_task(self.project, comparison).await {
                    Ok(task) => self.take_back(task, judgement),
                    Err(error) => {
                        self.last.set_value(Some((judgement, comparison)));
                        self.hint.set(error.to_string());
                    }
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
        self.progress
            .update(|progress| progress.judged = progress.judged.saturating_sub(1));
        if let Some(current) = self.task.get_untracked() {
            self.ahead.update_value(|ahead| ahead.insert(0, current));
        }
        self.can_undo.set(
            self.undoable.with_value(|undoable| !undoable.is_empty()) || self.last.get_value().is_some(),
        );
        self.announcement.set("Taken back: judge it anew.".into());
        self.show(Some(task));
        self.undone.set_value(true);
    }

    fn count(self, by: i64) {
        self.progress.update(|progress| {
            progress.done = progress.done.saturating_add_signed(by);
            progress.remaining = progress.remaining.saturating_add_signed(-by);
        });
    }
}

fn responses(task: &Task) -> Vec<Uuid> {
    task.responses.iter().map(|response| response.id).collect()
}

/// What a judgement that is taken back had beside its verdict.
pub fn written_in(said: &Submission) -> Written {
    Written {
        flagged: said.flagged,
        justification: said.justification.clone().unwrap_or_default(),
        confidence: said.confidence,
        places: match said.verdict {
            Verdict::Ranked => places_by_group(&said.ranking, &said.presented),
            _ => Vec::new(),
        },
    }
}

fn too_soon(kind: ComparisonKind) -> &'static str {
    match kind {
        ComparisonKind::Pair => "This pair has only just appeared: read it, then grade it.",
        ComparisonKind::Ranking => "These have only just appeared: read them, then put them into order.",
    }
}

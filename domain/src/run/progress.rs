//! Where a run stands, folded from its events: by the server when it draws the page, by the browser as more arrive.

use serde::{Deserialize, Serialize};

use super::{
    Cut, State,
    event::{Evaluation, RunEvent, SeqEvent, StepPoint},
};

/// What the page of a run shows of its course.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The newest event in here; 0 before the first.
    pub seq: i64,
    pub state: Option<State>,
    pub error: Option<String>,
    pub note: Option<String>,
    pub stage: Stage,
    /// Steps done, of [`Progress::steps`].
    pub step: u64,
    pub steps: u64,
    pub train: u64,
    pub held_out: u64,
    pub cut: Cut,
    pub pairs_per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    pub checkpoint: Option<u64>,
    /// How often training went on from a checkpoint.
    pub resumed: u32,
    /// The training curves.
    pub points: Vec<StepPoint>,
    pub evaluations: Vec<Evaluation>,
}

/// What a running run is busy with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    #[default]
    Waiting,
    Embedding {
        done: u64,
        of: u64,
    },
    Training,
    Scoring {
        done: u64,
        of: u64,
    },
}

impl Progress {
    /// Folds stored events, oldest first.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a SeqEvent>) -> Progress {
        let mut progress = Progress::default();
        for event in events {
            progress.apply(event);
        }
        progress
    }

    /// Takes in one more event; one that was already seen changes nothing.
    pub fn apply(&mut self, SeqEvent { seq, event }: &SeqEvent) {
        if *seq <= self.seq {
            return;
        }
        self.seq = *seq;
        match event {
            RunEvent::State { state, error } => {
                self.state = Some(*state);
                self.error.clone_from(error);
                if state.is_final() || *state == State::Queued {
                    self.stage = Stage::Waiting;
                    self.seconds_left = None;
                }
            }
            RunEvent::Note { text } => self.note = Some(text.clone()),
            RunEvent::Started {
                step,
                steps,
                train,
                held_out,
                cut,
            } => {
                self.go_on_from(*step);
                self.stage = Stage::Training;
                (self.steps, self.train, self.held_out, self.cut) = (*steps, *train, *held_out, *cut);
            }
            RunEvent::Embedding { done, of } => self.stage = Stage::Embedding { done: *done, of: *of },
            RunEvent::Steps {
                points,
                pairs_per_second,
                seconds_left,
            } => {
                self.stage = Stage::Training;
                self.points.extend(points);
                self.step = points.last().map_or(self.step, |point| point.step);
                self.pairs_per_second = pairs_per_second.or(self.pairs_per_second);
                self.seconds_left = *seconds_left;
            }
            RunEvent::Evaluated(evaluation) => {
                self.evaluations.retain(|earlier| earlier.step < evaluation.step);
                self.evaluations.push(*evaluation);
            }
            RunEvent::Checkpointed { step } => self.checkpoint = Some(*step),
            RunEvent::Scoring { done, of } => {
                self.stage = Stage::Scoring { done: *done, of: *of };
                self.seconds_left = None;
            }
        }
    }

    /// The share of the present stage that is done, if it can be told.
    pub fn share(&self) -> Option<f64> {
        let (done, of) = match self.stage {
            Stage::Waiting => return None,
            Stage::Embedding { done, of } | Stage::Scoring { done, of } => (done, of),
            Stage::Training => (self.step, self.steps),
        };
        (of > 0).then(|| done as f64 / of as f64)
    }

    /// A resumed run repeats what came after its checkpoint, so that part of the curve is drawn anew.
    fn go_on_from(&mut self, step: u64) {
        if step > 0 {
            self.resumed += 1;
        }
        self.step = step;
        self.points.retain(|point| point.step <= step);
        self.evaluations.retain(|evaluation| evaluation.step <= step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Proportion;

    fn steps(range: std::ops::RangeInclusive<u64>) -> RunEvent {
        RunEvent::Steps {
            points: range
                .map(|step| StepPoint {
                    step,
                    loss: 1.0 / step as f64,
                    learning_rate: Some(0.1),
                    ..StepPoint::default()
                })
                .collect(),
            pairs_per_second: Some(10.0),
            seconds_left: Some(1.0),
        }
    }

    fn started(step: u64) -> RunEvent {
        RunEvent::Started {
            step,
            steps: 10,
            train: 40,
            held_out: 4,
            cut: Cut::default(),
        }
    }

    fn evaluated(step: u64) -> RunEvent {
        RunEvent::Evaluated(Evaluation {
            step,
            loss: 0.6,
            correct: Proportion { hits: 3.0, of: 4 },
            rewards: None,
        })
    }

    fn fold(events: Vec<RunEvent>) -> Progress {
        let events: Vec<_> = events
            .into_iter()
            .zip(1..)
            .map(|(event, seq)| SeqEvent { seq, event })
            .collect();
        Progress::from_events(&events)
    }

    #[test]
    fn a_resumed_run_draws_each_step_once() {
        let progress = fold(vec![
            started(0),
            steps(1..=4),
            evaluated(5),
            steps(5..=7),
            started(4),
            steps(5..=10),
            evaluated(5),
            evaluated(10),
        ]);
        let seen: Vec<u64> = progress.points.iter().map(|point| point.step).collect();
        assert_eq!(seen, (1..=10).collect::<Vec<_>>());
        assert_eq!(progress.evaluations.len(), 2);
        assert_eq!(progress.resumed, 1);
        assert_eq!(progress.share(), Some(1.0));
    }

    #[test]
    fn an_event_seen_twice_counts_once() {
        let event = SeqEvent {
            seq: 1,
            event: steps(1..=3),
        };
        let mut progress = Progress::default();
        progress.apply(&event);
        progress.apply(&event);
        assert_eq!(progress.points.len(), 3);
    }

    #[test]
    fn events_survive_json() {
        for event in [started(0), steps(1..=2), evaluated(2)] {
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<RunEvent>(&json).unwrap(), event);
        }
    }
}

//! From the engine's events to the few that are kept: losses become points of a curve, of which there are some
//! [`POINTS`] at most, and of a progress only the newest counts.

mod means;

use std::time::{Duration, Instant};

use domain::run::{
    Metrics,
    event::{Evaluation, RunEvent, StepPoint},
    progress::Progress,
};
use reward_model::{About, Event};

use self::means::Means;
use crate::{model, standalone::progress::alike_words};

/// The most points of a run's curve. They lie at fixed steps, so the same run draws the same curve.
const POINTS: u64 = 400;

/// A speed is told of a stretch that took at least this long.
const SHORTEST: Duration = Duration::from_secs(1);

/// What has happened since it was last written down.
#[derive(Debug, Default)]
pub struct Recorder {
    pending: Vec<RunEvent>,
    points: Vec<StepPoint>,
    /// What was told since the last point.
    means: Means,
    /// When the engine began with its steps.
    began: Option<Instant>,
    pairs_per_second: Option<f64>,
    seconds_left: Option<f64>,
}

impl Recorder {
    /// Takes in what the engine tells.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Embedding { done, total, .. } => self.replace(RunEvent::Embedding {
                done: done as u64,
                of: total as u64,
            }),
            Event::Note { text } => self.pending.push(RunEvent::Note { text }),
            Event::Started {
                train_pairs,
                held_out_pairs,
                steps,
                first_step,
                train_cut,
                held_out_cut,
                alike,
            } => {
                self.began = Some(Instant::now());
                let note = alike_words(alike).filter(|_| first_step == 0);
                self.pending.extend(note.map(|text| RunEvent::Note { text }));
                self.pending.push(RunEvent::Started {
                    step: first_step,
                    steps,
                    train: train_pairs as u64,
                    held_out: held_out_pairs as u64,
                    cut: model::cut(&[train_cut, held_out_cut]),
                });
            }
            Event::Step {
                step,
                steps,
                loss,
                learning_rate,
                grad_norm,
                accuracy,
                margin,
                reward_mean,
                reward_spread,
                pairs_per_second,
                seconds_left,
                ..
            } => {
                self.means.add(&StepPoint {
                    step,
                    loss,
                    learning_rate: Some(learning_rate),
                    grad_norm: Some(grad_norm),
                    accuracy: Some(accuracy),
                    margin: Some(margin),
                    reward_mean: Some(reward_mean),
                    reward_spread: Some(reward_spread),
                });
                // A head is through in a blink, and pairs by next to no time are no speed.
                let is_told = self.began.is_some_and(|began| began.elapsed() >= SHORTEST);
                self.pairs_per_second = is_told.then_some(pairs_per_second);
                self.seconds_left = Some(seconds_left);
                if step.is_multiple_of(steps.div_ceil(POINTS)) || step == steps || step == 1 {
                    self.points.push(self.means.take());
                }
            }
            Event::Evaluated { step, metrics, .. } => {
                self.close_points();
                self.pending.push(RunEvent::Evaluated(Evaluation {
                    step,
                    loss: metrics.log_loss,
                    correct: model::correct(&metrics),
                    rewards: Some(model::rewards(&metrics)),
                }));
            }
            Event::Checkpointed { step } => {
                self.close_points();
                self.replace(RunEvent::Checkpointed { step });
            }
            Event::Finished { .. } => {}
        }
    }

    /// What to write down now.
    pub fn drain(&mut self) -> Vec<RunEvent> {
        self.close_points();
        std::mem::take(&mut self.pending)
    }

    /// One event for the points gathered so far.
    fn close_points(&mut self) {
        if !self.points.is_empty() {
            self.pending.push(RunEvent::Steps {
                points: std::mem::take(&mut self.points),
                pairs_per_second: self.pairs_per_second,
                seconds_left: self.seconds_left,
            });
        }
    }

    /// Of two of a kind in a row, the newer stays.
    fn replace(&mut self, event: RunEvent) {
        match self.pending.last_mut() {
            Some(last) if std::mem::discriminant(last) == std::mem::discriminant(&event) => *last = event,
            _ => self.pending.push(event),
        }
    }
}

/// What came out, from what the engine says of the model and from the run's course.
pub fn metrics(about: &About, course: &Progress) -> Metrics {
    let tail = course.points.len().div_ceil(10);
    let last = &course.points[course.points.len() - tail..];
    let train_loss = last.iter().map(|point| point.loss).sum::<f64>() / tail as f64;
    Metrics {
        held_out: about.metrics.as_ref().map(model::correct),
        held_out_loss: about.metrics.as_ref().map(|metrics| metrics.log_loss),
        longest: about.metrics.as_ref().map(model::longest),
        train_loss: train_loss.is_finite().then_some(train_loss),
        steps: course.steps,
        seconds: about.seconds,
        pairs_per_second: course.pairs_per_second.unwrap_or_default(),
        cut: course.cut,
        scored: 0,
        measures: about.metrics.as_ref().map(model::measures),
        alike: about.alike.map(|pairs| pairs as u64),
        better: about.better.as_ref().map(model::better),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, steps: u64) -> Event {
        Event::Step {
            step,
            steps,
            epoch: 0.0,
            loss: step as f64,
            learning_rate: 0.1,
            grad_norm: 2.0 * step as f64,
            accuracy: 0.75,
            margin: 0.5,
            reward_mean: 0.25,
            reward_spread: 1.0,
            pairs_per_second: 5.0,
            tokens_per_second: 0.0,
            seconds_left: 1.0,
        }
    }

    #[test]
    fn a_run_too_short_for_a_speed_tells_none() {
        let mut recorder = Recorder {
            began: Some(Instant::now()),
            ..Recorder::default()
        };
        recorder.take(step(1, 1));
        let told = recorder.drain();
        assert!(
            matches!(
                told[..],
                [RunEvent::Steps {
                    pairs_per_second: None,
                    ..
                }]
            ),
            "{told:?}"
        );
    }

    #[test]
    fn a_long_run_has_few_points_at_fixed_steps() {
        let mut recorder = Recorder::default();
        let mut seen = Vec::new();
        for n in 1..=10_000 {
            recorder.take(step(n, 10_000));
            if n % 777 == 0 {
                seen.extend(recorder.drain());
            }
        }
        seen.extend(recorder.drain());
        let points: Vec<StepPoint> = seen
            .into_iter()
            .flat_map(|event| match event {
                RunEvent::Steps { points, .. } => points,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(points.len() as u64 <= POINTS + 2, "{}", points.len());
        assert_eq!((points[0].step, points[1].step), (1, 25));
        assert_eq!(points[1].loss, (2..=25).sum::<u64>() as f64 / 24.0);
        assert_eq!(points[1].grad_norm, Some(2.0 * points[1].loss));
        assert_eq!(
            (points[1].learning_rate, points[1].accuracy),
            (Some(0.1), Some(0.75))
        );
        assert_eq!(points.last().unwrap().step, 10_000);
    }

    /// What `evaluate` prints of a model, a project's run shows too.
    #[test]
    fn a_run_shows_no_less_than_evaluate() {
        let pair = |n: u8| reward_model::ScoredPair {
            rewards: [f32::from(n % 5), f32::from(n % 3)],
            spreads: Some([0.25, 0.75]),
            lengths: [usize::from(n % 4), 2],
        };
        let scored: Vec<_> = (0..30).map(pair).collect();
        let metrics = reward_model::evaluate(&scored).unwrap();
        let better = reward_model::Best {
            step: 3,
            metrics: reward_model::Metrics {
                log_loss: 0.125,
                ..metrics
            },
        };
        let about = About {
            config: recipe::Recipe::of(recipe::Method::Head),
            code_version: String::new(),
            fingerprint: String::new(),
            data_hash: String::new(),
            train_pairs: 10,
            held_out_pairs: 30,
            alike: [2, 1],
            train_cut: reward_model::Cut::default(),
            step: 9,
            metrics: Some(metrics),
            better: Some(better),
            seconds: 1.0,
        };
        let kept = super::metrics(&about, &Progress::default());
        let again: Metrics = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(again, kept, "as it is stored");
        assert_eq!(
            kept.held_out.map(|share| Some(share.hits)),
            Some(metrics.accuracy.hits)
        );
        let rows = app::measures::measure_rows(&kept);
        let shown = |what: &str| {
            let row = rows.iter().find(|(name, _)| name.eq_ignore_ascii_case(what));
            row.unwrap_or_else(|| panic!("{what} is not shown: {rows:?}"))
                .1
                .clone()
        };
        for (what, value) in crate::standalone::summary::of_metrics(&metrics) {
            match what {
                // With their intervals, in the table above these rows.
                "accuracy" | "longest wins" => {}
                "accuracy where chosen is" => {
                    for kind in ["shorter", "as long", "longer"] {
                        let part = shown(&format!("chosen is {kind}"));
                        assert!(value.contains(&part), "{kind}: {part} {value}");
                    }
                }
                what => assert_eq!(shown(what), value),
            }
        }
        assert_eq!(shown("spread of the ensemble"), "mean 0.5000");
        let sentence = app::measures::better_sentence(&kept, &recipe::Recipe::of(recipe::Method::Head));
        assert!(sentence.is_some_and(|said| said.contains("step 3") && said.contains("0.1250")));
        assert!(app::measures::alike_sentence(&kept).is_some_and(|said| said.starts_with("2 pairs")));
    }

    #[test]
    fn only_the_newest_progress_is_kept() {
        let mut recorder = Recorder::default();
        for done in 1..=5 {
            recorder.take(Event::Embedding {
                done,
                total: 9,
                tokens_per_second: 1.0,
            });
        }
        assert_eq!(recorder.drain(), [RunEvent::Embedding { done: 5, of: 9 }]);
        assert!(recorder.drain().is_empty());
    }
}

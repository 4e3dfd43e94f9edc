//! What a run told, as lines of text: on its page and for download.

use std::time::Duration;

use domain::{
    Millis,
    run::{State, event::RunEvent},
};

use crate::text;

/// Steps are told at most so often.
const STEPS_EVERY: Duration = Duration::from_secs(5);

/// One line for each event, each with its time; of steps and of progress only some.
pub fn lines(events: &[(Millis, RunEvent)]) -> Vec<String> {
    let mut told = Millis::MIN;
    let mut lines = Vec::new();
    for (index, (at, event)) in events.iter().enumerate() {
        if is_progress(event) {
            let next = events.get(index + 1).map(|(_, next)| next);
            let last_of_stage = next.is_none_or(|next| {
                std::mem::discriminant(next) != std::mem::discriminant(event) && !is_aside(next)
            });
            let pause = Millis::try_from(STEPS_EVERY.as_millis()).unwrap_or(Millis::MAX);
            if !last_of_stage && *at < told.saturating_add(pause) {
                continue;
            }
            told = *at;
        }
        lines.push(format!("{}  {}", text::time(*at), sentence(event)));
    }
    lines
}

/// Told so often that most of it is left out.
fn is_progress(event: &RunEvent) -> bool {
    matches!(
        event,
        RunEvent::Steps { .. } | RunEvent::Embedding { .. } | RunEvent::Scoring { .. }
    )
}

/// Told between steps without ending them.
fn is_aside(event: &RunEvent) -> bool {
    matches!(
        event,
        RunEvent::Evaluated(_) | RunEvent::Checkpointed { .. } | RunEvent::Note { .. }
    )
}

fn sentence(event: &RunEvent) -> String {
    match event {
        RunEvent::State { state, error } => state_sentence(*state, error.as_deref()),
        // What comes from elsewhere stays on its line.
        RunEvent::Note { text } => on_one_line(text),
        RunEvent::Started {
            step,
            steps,
            train,
            held_out,
            cut,
        } => {
            let begins = match step {
                0 => "Begins".to_owned(),
                step => format!("Resumes after step {step}"),
            };
            format!(
                "{begins}: {steps} steps on {train} pairs, {held_out} held out; {} of {} texts cut",
                cut.cut_texts, cut.texts
            )
        }
        RunEvent::Embedding { done, of } => format!("Texts read: {done} of {of}"),
        RunEvent::Steps {
            points,
            pairs_per_second,
            seconds_left,
        } => {
            let Some(point) = points.last() else {
                return "Steps".to_owned();
            };
            let mut line = format!("Step {}: loss {:.4}", point.step, point.loss);
            let more = [
                ("learning rate", point.learning_rate),
                ("gradient norm", point.grad_norm),
                ("accuracy", point.accuracy),
                ("lead", point.margin),
                ("mean reward", point.reward_mean),
            ];
            for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                line.push_str(&match name {
                    "learning rate" => format!(", {name} {value:.2e}"),
                    _ => format!(", {name} {value:.3}"),
                });
            }
            if let Some(speed) = pairs_per_second {
                line.push_str(&format!(", {speed:.1} pairs a second"));
            }
            if let Some(left) = seconds_left {
                line.push_str(&format!(", {} left", text::duration(*left)));
            }
            line
        }
        RunEvent::Evaluated(now) => {
            let rewards = now.rewards.map_or_else(String::new, |rewards| {
                format!(
                    ", rewards {:.3} ({:.3} to {:.3})",
                    rewards.mean, rewards.lowest, rewards.highest
                )
            });
            format!(
                "Evaluation at step {}: accuracy {}, loss {:.4}{rewards}",
                now.step, now.correct, now.loss
            )
        }
        RunEvent::Checkpointed { step } => format!("Checkpoint at step {step}"),
        RunEvent::Scoring { done, of } => format!("Responses scored: {done} of {of}"),
    }
}

fn state_sentence(state: State, error: Option<&str>) -> String {
    let word = match state {
        State::Queued => "Waits for a worker",
        State::Running => "A worker begins",
        State::Done => "Done",
        State::Failed => "Failed",
        State::Cancelled => "Cancelled",
    };
    match error {
        Some(error) => format!("{word}: {}", on_one_line(error)),
        None => word.to_owned(),
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use domain::{
        run::{
            Cut,
            event::{Evaluation, StepPoint},
        },
        stats::Proportion,
    };

    use super::*;

    fn steps(step: u64) -> RunEvent {
        RunEvent::Steps {
            points: vec![StepPoint {
                step,
                loss: 0.5,
                learning_rate: Some(2e-5),
                ..StepPoint::default()
            }],
            pairs_per_second: Some(10.0),
            seconds_left: Some(70.0),
        }
    }

    #[test]
    fn lines_have_times_and_steps_are_thinned() {
        let started = RunEvent::Started {
            step: 40,
            steps: 100,
            train: 30,
            held_out: 3,
            cut: Cut::default(),
        };
        let evaluated = RunEvent::Evaluated(Evaluation {
            step: 100,
            loss: 0.6,
            correct: Proportion { hits: 2.0, of: 3 },
            rewards: None,
        });
        let failed = RunEvent::State {
            state: State::Failed,
            error: Some("It broke.\nBadly.".into()),
        };
        let mut events = vec![(0, started)];
        events.extend((1..=60_u32).map(|n| (250 * Millis::from(n), steps(40 + u64::from(n)))));
        events.extend([(16_000, evaluated), (17_000, failed)]);
        let lines = lines(&events);
        assert_eq!(
            lines[0],
            "1970-01-01 00:00:00 UTC  Resumes after step 40: 100 steps on 30 pairs, 3 held out; 0 of 0 texts cut"
        );
        assert_eq!(
            lines[1],
            "1970-01-01 00:00:00 UTC  Step 41: loss 0.5000, learning rate 2.00e-5, 10.0 pairs a second, 1 min 10 s left"
        );
        assert!(lines[lines.len() - 2].contains("Evaluation at step 100: accuracy"));
        assert_eq!(
            lines[lines.len() - 1],
            "1970-01-01 00:00:17 UTC  Failed: It broke. Badly."
        );
        assert!((6..=8).contains(&lines.len()), "{lines:#?}");
    }
}

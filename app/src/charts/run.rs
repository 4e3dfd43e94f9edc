//! What is charted of a run, and what of several side by side.

use domain::run::{
    event::{Evaluation, Rewards, StepPoint},
    progress::Progress,
};

use super::{Band, Chart, Line, Point, Unit, smoothed};

/// The charts of a run's page, in their order.
pub const OF_A_RUN: [fn(&Progress) -> Chart; 6] = [loss, accuracy, learning_rate, grad_norm, rewards, margin];

/// What a model loses that knows nothing: ln 2 and its surroundings.
const AROUND_CHANCE: (f64, f64) = (0.6, 0.75);

/// A measure by which runs are held side by side.
pub struct Measure {
    pub title: &'static str,
    unit: Unit,
    in_view: Option<(f64, f64)>,
    level: Option<(f64, &'static str)>,
    line: fn(&Progress) -> Vec<Point>,
    dots: bool,
}

/// How many runs can be told apart in one chart.
pub const MAX_COMPARED: usize = RUN_LOOKS.len();

const RUN_LOOKS: [&str; 8] = [
    "run-1", "run-2", "run-3", "run-4", "run-5", "run-6", "run-7", "run-8",
];

/// One chart for each measure that any of the runs has, with a line for each run.
pub fn compared(runs: &[(String, Progress)]) -> Vec<Chart> {
    let measures = MEASURES.iter().map(|measure| measure.chart(runs));
    measures.filter(|chart| !chart.is_empty()).collect()
}

impl Measure {
    fn chart(&self, runs: &[(String, Progress)]) -> Chart {
        let lines = runs.iter().zip(RUN_LOOKS).map(|((name, progress), look)| Line {
            dots: self.dots,
            reached: Some(reached(progress)),
            ..Line::new(name.clone(), look, (self.line)(progress))
        });
        Chart {
            title: self.title,
            unit: self.unit,
            steps: runs
                .iter()
                .map(|(_, progress)| steps(progress))
                .max()
                .unwrap_or(1),
            in_view: self.in_view,
            level: self.level,
            lines: lines.collect(),
            bands: Vec::new(),
        }
    }
}

const fn measure(title: &'static str, line: fn(&Progress) -> Vec<Point>) -> Measure {
    Measure {
        title,
        unit: Unit::Number,
        in_view: None,
        level: None,
        line,
        dots: false,
    }
}

const MEASURES: [Measure; 8] = [
    Measure {
        in_view: Some(AROUND_CHANCE),
        dots: true,
        ..measure("Held-out loss", |p| evaluated(p, |e| Some(e.loss)))
    },
    Measure {
        unit: Unit::Share,
        level: Some((0.5, "chance")),
        dots: true,
        ..measure("Held-out accuracy", |p| evaluated(p, |e| e.correct.share()))
    },
    Measure {
        in_view: Some(AROUND_CHANCE),
        ..measure("Training loss", |p| smoothed(&stepped(p, |s| Some(s.loss))))
    },
    Measure {
        unit: Unit::Share,
        level: Some((0.5, "chance")),
        ..measure("Training accuracy", |p| smoothed(&stepped(p, |s| s.accuracy)))
    },
    measure("Learning rate", |p| stepped(p, |s| s.learning_rate)),
    measure("Gradient norm", |p| smoothed(&stepped(p, |s| s.grad_norm))),
    measure("Mean reward of held-out responses", |p| rewarded(p, |r| r.mean)),
    measure("Lead of the chosen response, held out", |p| {
        rewarded(p, |r| r.margin)
    }),
];

fn loss(progress: &Progress) -> Chart {
    Chart {
        in_view: Some(AROUND_CHANCE),
        lines: vec![
            Line::smoothed("training", "train", stepped(progress, |s| Some(s.loss))),
            Line::new("held out", "held-out", evaluated(progress, |e| Some(e.loss))),
        ],
        ..chart("Loss", progress)
    }
}

/// On the held-out pairs with its interval, above the line of mere chance.
fn accuracy(progress: &Progress) -> Chart {
    let reach = |e: &Evaluation| {
        let interval = e.correct.interval()?;
        Some((e.step, interval.low, interval.high))
    };
    Chart {
        unit: Unit::Share,
        in_view: Some((0.45, 0.75)),
        level: Some((0.5, "chance")),
        lines: vec![
            Line::smoothed("training", "train", stepped(progress, |s| s.accuracy)),
            Line {
                dots: true,
                ..Line::new("held out", "held-out", evaluated(progress, |e| e.correct.share()))
            },
        ],
        bands: vec![Band {
            label: "95 % interval",
            look: "held-out",
            points: progress.evaluations.iter().filter_map(reach).collect(),
        }],
        ..chart("Accuracy", progress)
    }
}

fn learning_rate(progress: &Progress) -> Chart {
    Chart {
        lines: vec![Line::new(
            "learning rate",
            "train",
            stepped(progress, |s| s.learning_rate),
        )],
        ..chart("Learning rate", progress)
    }
}

fn grad_norm(progress: &Progress) -> Chart {
    Chart {
        lines: vec![Line::smoothed(
            "before it is limited",
            "train",
            stepped(progress, |s| s.grad_norm),
        )],
        ..chart("Gradient norm", progress)
    }
}

fn rewards(progress: &Progress) -> Chart {
    let spread = |s: &StepPoint| {
        let (mean, spread) = s.reward_mean.zip(s.reward_spread)?;
        Some((s.step, mean - spread, mean + spread))
    };
    let range = |e: &Evaluation| e.rewards.map(|r| (e.step, r.lowest, r.highest));
    Chart {
        lines: vec![
            Line::smoothed("mean, training", "train", stepped(progress, |s| s.reward_mean)),
            Line {
                dots: true,
                ..Line::new("mean, held out", "held-out", rewarded(progress, |r| r.mean))
            },
        ],
        bands: vec![
            Band {
                label: "standard deviation",
                look: "train",
                points: progress.points.iter().filter_map(spread).collect(),
            },
            Band {
                label: "lowest to highest",
                look: "held-out",
                points: progress.evaluations.iter().filter_map(range).collect(),
            },
        ],
        ..chart("Rewards", progress)
    }
}

fn margin(progress: &Progress) -> Chart {
    Chart {
        level: Some((0.0, "none")),
        lines: vec![
            Line::smoothed("training", "train", stepped(progress, |s| s.margin)),
            Line {
                dots: true,
                ..Line::new("held out", "held-out", rewarded(progress, |r| r.margin))
            },
        ],
        ..chart("Lead of the chosen response", progress)
    }
}

fn chart(title: &'static str, progress: &Progress) -> Chart {
    Chart {
        title,
        unit: Unit::Number,
        steps: steps(progress),
        in_view: None,
        level: None,
        lines: Vec::new(),
        bands: Vec::new(),
    }
}

fn steps(progress: &Progress) -> u64 {
    progress.steps.max(reached(progress)).max(1)
}

fn reached(progress: &Progress) -> u64 {
    let seen = progress.points.last().map_or(0, |point| point.step);
    let measured = progress
        .evaluations
        .last()
        .map_or(0, |evaluation| evaluation.step);
    progress.step.max(seen).max(measured)
}

fn stepped(progress: &Progress, value: fn(&StepPoint) -> Option<f64>) -> Vec<Point> {
    let points = progress.points.iter();
    points
        .filter_map(|point| Some((point.step, value(point)?)))
        .collect()
}

fn evaluated(progress: &Progress, value: fn(&Evaluation) -> Option<f64>) -> Vec<Point> {
    let evaluations = progress.evaluations.iter();
    evaluations.filter_map(|e| Some((e.step, value(e)?))).collect()
}

fn rewarded(progress: &Progress, value: fn(&Rewards) -> f64) -> Vec<Point> {
    let evaluations = progress.evaluations.iter();
    evaluations
        .filter_map(|e| Some((e.step, value(&e.rewards?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::stats::Proportion;

    use super::*;

    fn progress(accuracy: Option<f64>) -> Progress {
        let point = |step| StepPoint {
            step,
            loss: 0.7,
            learning_rate: Some(0.1),
            grad_norm: Some(1.0),
            accuracy,
            ..StepPoint::default()
        };
        Progress {
            steps: 20,
            points: (1..=10).map(point).collect(),
            evaluations: vec![Evaluation {
                step: 10,
                loss: 0.6,
                correct: Proportion { hits: 3.0, of: 4 },
                rewards: None,
            }],
            ..Progress::default()
        }
    }

    #[test]
    fn what_a_run_did_not_tell_is_not_charted() {
        let shown = |progress: &Progress| -> Vec<&str> {
            let charts = OF_A_RUN.map(|make| make(progress));
            let charts = charts.iter().filter(|chart| !chart.is_empty());
            charts.map(|chart| chart.title).collect()
        };
        assert_eq!(shown(&Progress::default()), Vec::<&str>::new());
        assert_eq!(
            shown(&progress(None)),
            ["Loss", "Accuracy", "Learning rate", "Gradient norm"]
        );
        assert_eq!(accuracy(&progress(Some(0.5))).lines[0].points.len(), 10);
    }

    #[test]
    fn runs_side_by_side_have_a_line_each() {
        let runs = [
            ("one".to_owned(), progress(None)),
            ("two".to_owned(), Progress::default()),
        ];
        let charts = compared(&runs);
        let titles: Vec<&str> = charts.iter().map(|chart| chart.title).collect();
        let expected = [
            "Held-out loss",
            "Held-out accuracy",
            "Training loss",
            "Learning rate",
            "Gradient norm",
        ];
        assert_eq!(titles, expected);
        assert!(
            charts
                .iter()
                .all(|chart| chart.lines.len() == 2 && chart.steps == 20)
        );
    }
}

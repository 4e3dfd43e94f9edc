//! Curves over steps: what a chart shows, drawn as SVG and told as a table. The server draws them, and the browser
//! again while a run is watched.

mod drawing;
mod figures;
mod frame;
pub mod run;

pub use drawing::{drawing, keys};
pub use figures::figures;

/// A value at a step.
pub type Point = (u64, f64);

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: &'static str,
    pub unit: Unit,
    /// The last step of the axis.
    pub steps: u64,
    /// What is in view whatever the values are.
    pub in_view: Option<(f64, f64)>,
    /// A value to hold the lines against, with its name.
    pub level: Option<(f64, &'static str)>,
    pub lines: Vec<Line>,
    pub bands: Vec<Band>,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub label: String,
    /// Its class in the styles.
    pub look: &'static str,
    pub points: Vec<Point>,
    /// What was measured, where the points are smoothed.
    pub raw: Vec<Point>,
    /// Each point is marked: they are few.
    pub dots: bool,
    /// The last step that its run came to, where the chart goes on beyond it.
    pub reached: Option<u64>,
}

/// What lies between two values at each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    pub label: &'static str,
    pub look: &'static str,
    /// Step, lower and upper value.
    pub points: Vec<(u64, f64, f64)>,
}

/// How values read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Number,
    Share,
}

impl Chart {
    /// Nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.is_empty())
    }

    /// What the chart shows, for who does not see it.
    pub fn told(&self) -> String {
        let ends = |line: &Line| {
            let ((_, first), (step, last)) = (line.points.first()?, line.points.last()?);
            let (first, last) = (self.unit.exact(*first), self.unit.exact(*last));
            Some(format!("{} from {first} to {last} at step {step}", line.label))
        };
        let lines: Vec<String> = self.lines.iter().filter_map(ends).collect();
        match lines.is_empty() {
            true => format!("{} by step: nothing yet.", self.title),
            false => format!("{} by step: {}.", self.title, lines.join("; ")),
        }
    }
}

impl Line {
    /// A line as measured.
    pub fn new(label: impl Into<String>, look: &'static str, points: Vec<Point>) -> Line {
        Line {
            label: label.into(),
            look,
            points,
            raw: Vec::new(),
            dots: false,
            reached: None,
        }
    }

    /// A line through noise: smoothed, with what was measured behind it.
    pub fn smoothed(label: impl Into<String>, look: &'static str, raw: Vec<Point>) -> Line {
        Line {
            points: smoothed(&raw),
            raw,
            ..Line::new(label, look, Vec::new())
        }
    }
}

impl Unit {
    /// At an axis.
    fn rough(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{:.0} %", 100.0 * value),
            Unit::Number => trimmed(value, 1),
        }
    }

    /// In a table.
    fn exact(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{:.1} %", 100.0 * value),
            Unit::Number => trimmed(value, 2),
        }
    }
}

/// Some digits after the point, more where the number is small, and no needless zeros.
fn trimmed(value: f64, digits: usize) -> String {
    let size = value.abs();
    if size > 0.0 && size < 1e-3 {
        return format!("{value:.*e}", digits);
    }
    let digits = if size < 10.0 { digits + 2 } else { digits };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// An exponential mean that starts unbiased.
pub fn smoothed(raw: &[Point]) -> Vec<Point> {
    const KEEP: f64 = 0.9;
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = |&(step, value): &Point| {
        sum = KEEP * sum + (1.0 - KEEP) * value;
        weight = KEEP * weight + (1.0 - KEEP);
        (step, sum / weight)
    };
    raw.iter().map(smooth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_short() {
        let exact = [0.0, 0.612_34, 12.3456, 2e-5, -0.5].map(|value| Unit::Number.exact(value));
        assert_eq!(exact, ["0", "0.6123", "12.35", "2.00e-5", "-0.5"]);
        assert_eq!(Unit::Share.exact(0.6541), "65.4 %");
    }

    #[test]
    fn a_chart_is_told_in_words() {
        let chart = Chart {
            title: "Loss",
            unit: Unit::Number,
            steps: 10,
            in_view: None,
            level: None,
            lines: vec![
                Line::new("training", "train", vec![(1, 0.75), (10, 0.5)]),
                Line::new("held out", "held-out", Vec::new()),
            ],
            bands: Vec::new(),
        };
        assert_eq!(
            chart.told(),
            "Loss by step: training from 0.75 to 0.5 at step 10."
        );
        let empty = Chart {
            lines: Vec::new(),
            ..chart
        };
        assert_eq!(empty.told(), "Loss by step: nothing yet.");
    }

    #[test]
    fn a_smoothed_line_starts_where_the_raw_one_does() {
        let smooth = smoothed(&[(1, 2.0), (2, 2.0), (3, 2.0)]);
        assert!(smooth.iter().all(|(_, value)| (value - 2.0).abs() < 1e-12));
    }
}

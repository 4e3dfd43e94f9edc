//! From steps and values to places in the drawing.

use super::{Chart, Point};

pub const WIDTH: f64 = 480.0;
pub const HEIGHT: f64 = 200.0;
pub const LEFT: f64 = 46.0;
pub const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// The values at the lower and upper edge, and the step at the right one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub steps: f64,
    pub low: f64,
    pub high: f64,
}

impl Frame {
    /// Around all that the chart shows, with a little room.
    pub fn of(chart: &Chart) -> Frame {
        let lines = chart
            .lines
            .iter()
            .flat_map(|line| line.points.iter().chain(&line.raw))
            .map(|(_, value)| *value);
        let bands = chart.bands.iter().flat_map(|band| &band.points);
        let ends = bands.flat_map(|(_, low, high)| [*low, *high]);
        let kept = chart.in_view.into_iter().flat_map(|(low, high)| [low, high]);
        let level = chart.level.map(|(value, _)| value);
        let values = lines
            .chain(ends)
            .chain(kept)
            .chain(level)
            .filter(|value| value.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if high > low {
            let room = 0.05 * (high - low);
            (low - room, high + room)
        } else if high == low {
            let room = (0.5 * high.abs()).max(1e-6);
            (low - room, high + room)
        } else {
            (0.0, 1.0)
        };
        Frame {
            steps: chart.steps.max(1) as f64,
            low,
            high,
        }
    }

    pub fn x(&self, step: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * step as f64 / self.steps.max(1.0)
    }

    pub fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    /// A path through the points; what is no number is passed over.
    pub fn path(&self, points: impl IntoIterator<Item = Point>) -> String {
        let mut path = String::new();
        for (step, value) in points.into_iter().filter(|(_, value)| value.is_finite()) {
            let command = if path.is_empty() { 'M' } else { 'L' };
            path.push_str(&format!("{command}{:.1} {:.1}", self.x(step), self.y(value)));
        }
        path
    }

    /// A path around what lies between two values at each step.
    pub fn outline(&self, points: &[(u64, f64, f64)]) -> String {
        if points.len() < 2 {
            return String::new();
        }
        let upper = self.path(points.iter().map(|&(step, _, high)| (step, high)));
        let lower = self.path(points.iter().rev().map(|&(step, low, _)| (step, low)));
        format!("{upper}{}Z", lower.replacen('M', "L", 1))
    }

    /// Round values from edge to edge, three to six of them.
    pub fn ticks(&self) -> Vec<f64> {
        let raw = (self.high - self.low) / 4.0;
        let power = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= raw);
        let step = step.unwrap_or(raw);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::{Band, Line, Unit};

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = |low, high| {
            Frame {
                steps: 1.0,
                low,
                high,
            }
            .ticks()
        };
        let close = |got: Vec<f64>, want: &[f64]| {
            assert!(
                got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-9) && got.len() == want.len(),
                "{got:?}"
            );
        };
        close(ticks(0.45, 0.75), &[0.5, 0.6, 0.7]);
        close(ticks(0.0, 1.0), &[0.0, 0.5, 1.0]);
        close(ticks(0.0, 5e-5), &[0.0, 2e-5, 4e-5]);
    }

    #[test]
    fn a_path_runs_from_edge_to_edge() {
        let frame = Frame {
            steps: 10.0,
            low: 0.0,
            high: 1.0,
        };
        let path = frame.path([(0, 0.0), (5, f64::NAN), (10, 1.0)]);
        assert_eq!(path, "M46.0 176.0L472.0 10.0");
    }

    #[test]
    fn nothing_that_is_drawn_is_clipped() {
        let raw = vec![(1, 9.0), (2, -3.0), (3, 0.5)];
        let frame = Frame::of(&Chart {
            title: "",
            unit: Unit::Number,
            steps: 3,
            in_view: None,
            level: Some((12.0, "level")),
            lines: vec![Line::smoothed("", "", raw)],
            bands: vec![Band {
                label: "",
                look: "",
                points: vec![(1, 0.0, 1.0), (3, -5.0, 1.0)],
            }],
        });
        assert!(frame.low < -5.0 && frame.high > 12.0, "{frame:?}");
    }

    #[test]
    fn a_frame_is_never_empty() {
        let of = |points: Vec<Point>| {
            Frame::of(&Chart {
                title: "",
                unit: Unit::Number,
                steps: 0,
                in_view: None,
                level: None,
                lines: vec![Line::new("", "", points)],
                bands: Vec::new(),
            })
        };
        for points in [
            vec![],
            vec![(1, 0.0)],
            vec![(1, 5e-5), (2, 5e-5)],
            vec![(1, f64::NAN)],
        ] {
            let frame = of(points.clone());
            assert!(
                frame.high > frame.low && frame.ticks().len() > 1,
                "{points:?} {frame:?}"
            );
        }
    }
}

//! A run's curves as one SVG: loss, learning rate, length of the gradient, held-out accuracy.

use std::fmt::Write;

use super::history::History;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 240.0;
/// Room around a plot: left, top, right, bottom.
const ROOM: [f64; 4] = [64.0, 34.0, 16.0, 30.0];
/// Points of a line; more are averaged.
const POINTS: usize = 400;

/// One plot.
struct Plot {
    title: &'static str,
    colour: &'static str,
    points: Vec<(f64, f64)>,
    /// Lower and upper ends around points that are few, each with its step.
    intervals: Vec<(f64, f64, f64)>,
}

/// The picture.
pub fn svg(history: &History) -> String {
    let steps = history.steps();
    let line = |title, colour, value: fn(&super::history::Step) -> f64| Plot {
        title,
        colour,
        points: thinned(steps.iter().map(|step| (step.step as f64, value(step))).collect()),
        intervals: Vec::new(),
    };
    let evaluations = history.evaluations();
    let accuracy = evaluations
        .iter()
        .map(|(step, metrics)| (*step as f64, metrics.accuracy));
    let plots = [
        line("loss of the step's pairs, in nats", "#c0392b", |step| step.loss),
        line("learning rate", "#2c6fbb", |step| step.learning_rate),
        line(
            "length of the gradient, before it is limited",
            "#8e5ea2",
            |step| step.grad_norm,
        ),
        Plot {
            title: "held-out accuracy, with its 95 % interval",
            colour: "#1e8449",
            points: accuracy
                .clone()
                .map(|(step, share)| (step, share.value))
                .collect(),
            intervals: accuracy
                .map(|(step, share)| (step, share.low, share.high))
                .collect(),
        },
    ];
    let last = steps.last().map_or(1.0, |step| step.step as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        2.0 * WIDTH,
        2.0 * HEIGHT
    );
    for (index, plot) in plots.iter().enumerate() {
        let corner = ((index % 2) as f64 * WIDTH, (index / 2) as f64 * HEIGHT);
        plot.draw(&mut svg, corner, last.max(1.0));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Neighbours averaged until there are few enough.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let some = points.len().div_ceil(POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        (
            part.iter().map(|point| point.0).sum::<f64>() / n,
            part.iter().map(|point| point.1).sum::<f64>() / n,
        )
    };
    points.chunks(some).map(mean).collect()
}

impl Plot {
    fn draw(&self, svg: &mut String, (x, y): (f64, f64), last: f64) {
        let [left, top, right, bottom] = ROOM;
        let (x0, x1, y0, y1) = (x + left, x + WIDTH - right, y + HEIGHT - bottom, y + top);
        let (low, high) = self.bounds();
        let at = |step: f64, value: f64| {
            let (along, up) = (step / last, (value - low) / (high - low));
            (x0 + along * (x1 - x0), y0 + up * (y1 - y0))
        };
        // Writing to a String cannot fail.
        let mut put = |text: std::fmt::Arguments| {
            let _ = svg.write_fmt(text);
        };
        put(format_args!(
            "<text x=\"{x0:.1}\" y=\"{:.1}\" font-weight=\"600\">{}</text>\n",
            y + 20.0,
            self.title
        ));
        put(format_args!(
            "<path d=\"M{x0:.1} {y1:.1}V{y0:.1}H{x1:.1}\" fill=\"none\" stroke=\"#888\"/>\n"
        ));
        for value in [low, (low + high) / 2.0, high] {
            let (_, height) = at(0.0, value);
            put(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                x0 - 6.0,
                height + 4.0,
                label(value)
            ));
        }
        put(format_args!(
            "<text x=\"{x0:.1}\" y=\"{0:.1}\">0</text><text x=\"{x1:.1}\" y=\"{0:.1}\" text-anchor=\"end\">step {last}</text>\n",
            y0 + 18.0
        ));
        if self.points.is_empty() {
            put(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">nothing measured</text>\n",
                (x0 + x1) / 2.0,
                (y0 + y1) / 2.0
            ));
        }
        for &(step, low, high) in &self.intervals {
            let ((x, from), (_, to)) = (at(step, low), at(step, high));
            put(format_args!(
                "<path d=\"M{x:.1} {from:.1}V{to:.1}\" stroke=\"{}\" stroke-opacity=\".4\" stroke-width=\"3\"/>\n",
                self.colour
            ));
            let (cx, cy) = at(step, self.value_at(step));
            put(format_args!(
                "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{}\"/>\n",
                self.colour
            ));
        }
        let line: Vec<String> = self
            .points
            .iter()
            .map(|&(step, value)| at(step, value))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        put(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n",
            line.join(" "),
            self.colour
        ));
    }

    fn value_at(&self, step: f64) -> f64 {
        self.points
            .iter()
            .find(|point| point.0 == step)
            .map_or(0.0, |point| point.1)
    }

    /// What the plot reaches over: never empty.
    fn bounds(&self) -> (f64, f64) {
        let ends = self.intervals.iter().flat_map(|&(_, low, high)| [low, high]);
        let values = self.points.iter().map(|point| point.1).chain(ends);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if high > low {
            (low, high)
        } else if high == low {
            let reach = high.abs().max(1e-3) / 2.0;
            (low - reach, high + reach)
        } else {
            (0.0, 1.0)
        }
    }
}

/// Three digits, small numbers as powers of ten.
fn label(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1e-3 => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_told_is_still_a_picture() {
        let svg = svg(&History::default());
        assert_eq!(svg.matches("nothing measured").count(), 4);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn many_points_become_few_and_constant_ones_have_room() {
        let many: Vec<(f64, f64)> = (0..10_001).map(|n| (f64::from(n), 2.0)).collect();
        let few = thinned(many);
        assert!(few.len() <= POINTS && few.iter().all(|point| point.1 == 2.0));
        let plot = Plot {
            title: "",
            colour: "",
            points: few,
            intervals: Vec::new(),
        };
        assert_eq!(plot.bounds(), (1.0, 3.0));
    }
}

//! The curves of a run as SVG: drawn by the server, redrawn by the browser.

use domain::run::progress::Progress;
use leptos::prelude::*;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// The values at the lower and upper edge, and the steps at the left and right one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    steps: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn x(&self, step: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * step as f64 / self.steps.max(1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    /// A path through the points.
    fn path(&self, points: impl Iterator<Item = (u64, f64)>) -> String {
        let mut path = String::new();
        for (step, value) in points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            path.push_str(&format!("{command}{:.1} {:.1}", self.x(step), self.y(value)));
        }
        path
    }

    /// Round values from edge to edge, three to six of them.
    fn ticks(&self) -> Vec<f64> {
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

/// Training loss by step, as it is and smoothed, with the held-out loss.
#[component]
pub fn LossChart(progress: ReadSignal<Progress>) -> impl IntoView {
    let frame = move || progress.with(loss_frame);
    let raw = move || progress.with(|p| frame().path(p.losses.iter().map(|point| (point.step, point.loss))));
    let smooth = move || progress.with(|p| frame().path(smoothed(p).into_iter()));
    let held_out = move || progress.with(|p| frame().path(p.evaluations.iter().map(|e| (e.step, e.loss))));
    let label = move || {
        progress.with(|p| match (p.losses.first(), p.losses.last()) {
            (Some(first), Some(last)) => format!(
                "Loss by step: training from {:.3} to {:.3} at step {}.",
                first.loss, last.loss, last.step
            ),
            _ => "Loss by step: nothing yet.".to_owned(),
        })
    };
    view! {
        <figure class="curve">
            <figcaption>
                "Loss"
                <span class="key key-train">"training"</span>
                <span class="key key-held-out">"held out"</span>
            </figcaption>
            <svg viewBox=view_box() role="img" aria-label=label>
                {move || axes(frame(), |value| format!("{value:.2}"))}
                <path class="line faint" d=raw />
                <path class="line" d=smooth />
                <path class="line held-out" d=held_out />
            </svg>
        </figure>
    }
}

/// Accuracy on the held-out pairs by step, with its interval, above the line of mere chance.
#[component]
pub fn AccuracyChart(progress: ReadSignal<Progress>) -> impl IntoView {
    let frame = move || progress.with(accuracy_frame);
    let line =
        move || progress.with(|p| frame().path(shares(p).into_iter().map(|(step, share, ..)| (step, share))));
    let band = move || {
        progress.with(|p| {
            let (shares, frame) = (shares(p), frame());
            let upper = frame.path(shares.iter().map(|&(step, _, _, high)| (step, high)));
            let lower = frame.path(shares.iter().rev().map(|&(step, _, low, _)| (step, low)));
            if shares.len() < 2 {
                String::new()
            } else {
                format!("{upper}{}Z", lower.replacen('M', "L", 1))
            }
        })
    };
    let dots = move || {
        let frame = frame();
        let shares = progress.with(shares);
        shares
            .into_iter()
            .map(|(step, share, ..)| view! { <circle class="dot" cx=round(frame.x(step)) cy=round(frame.y(share)) r="2.5" /> })
            .collect_view()
    };
    let chance = move || frame().path([(0, 0.5), (frame().steps as u64, 0.5)].into_iter());
    let label = move || {
        progress.with(|p| match p.evaluations.last() {
            Some(last) => format!(
                "Held-out accuracy by step: {} at step {}.",
                last.correct, last.step
            ),
            None => "Held-out accuracy by step: nothing yet.".to_owned(),
        })
    };
    view! {
        <figure class="curve">
            <figcaption>
                "Held-out accuracy" <span class="key key-band">"95 % interval"</span>
                <span class="key key-chance">"chance"</span>
            </figcaption>
            <svg viewBox=view_box() role="img" aria-label=label>
                {move || axes(frame(), |value| format!("{:.0} %", 100.0 * value))}
                <path class="line chance" d=chance />
                <path class="band" d=band />
                <path class="line held-out" d=line />
                {dots}
            </svg>
        </figure>
    }
}

fn view_box() -> String {
    format!("0 0 {WIDTH} {HEIGHT}")
}

fn round(value: f64) -> String {
    format!("{value:.1}")
}

fn axes(frame: Frame, label: fn(f64) -> String) -> impl IntoView {
    let lines: Vec<_> = frame
        .ticks()
        .into_iter()
        .map(|value| {
            let y = round(frame.y(value));
            view! {
                <line class="grid" x1=round(LEFT) x2=round(WIDTH - RIGHT) y1=y.clone() y2=y.clone() />
                <text class="tick" x=round(LEFT - 5.0) y=y text-anchor="end" dominant-baseline="middle">
                    {label(value)}
                </text>
            }
        })
        .collect();
    let bottom = round(HEIGHT - 8.0);
    view! {
        {lines}
        <text class="tick" x=round(LEFT) y=bottom.clone()>"0"</text>
        <text class="tick" x=round(WIDTH - RIGHT) y=bottom text-anchor="end">
            {format!("step {}", crate::text::number(frame.steps as u64))}
        </text>
    }
}

fn steps(progress: &Progress) -> f64 {
    let seen = progress.losses.last().map_or(0, |point| point.step);
    progress.steps.max(seen).max(1) as f64
}

fn loss_frame(progress: &Progress) -> Frame {
    let held_out = progress.evaluations.iter().map(|e| e.loss);
    let values = smoothed(progress)
        .into_iter()
        .map(|(_, loss)| loss)
        .chain(held_out);
    // ln 2, what a model loses that knows nothing, is always in view.
    let (low, high) = values.fold((0.6_f64, 0.75_f64), |(low, high), v| (low.min(v), high.max(v)));
    let room = 0.05 * (high - low);
    Frame {
        steps: steps(progress),
        low: (low - room).max(0.0),
        high: high + room,
    }
}

fn accuracy_frame(progress: &Progress) -> Frame {
    let (low, high) = shares(progress)
        .into_iter()
        .fold((0.45_f64, 0.75_f64), |(low, high), (_, _, l, h)| {
            (low.min(l), high.max(h))
        });
    Frame {
        steps: steps(progress),
        low,
        high,
    }
}

/// Step, share and the ends of its interval.
fn shares(progress: &Progress) -> Vec<(u64, f64, f64, f64)> {
    let point = |e: &domain::run::event::Evaluation| {
        let interval = e.correct.interval()?;
        Some((e.step, e.correct.share()?, interval.low, interval.high))
    };
    progress.evaluations.iter().filter_map(point).collect()
}

/// An exponential mean that starts unbiased.
fn smoothed(progress: &Progress) -> Vec<(u64, f64)> {
    const KEEP: f64 = 0.9;
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = |point: &domain::run::event::LossPoint| {
        sum = KEEP * sum + (1.0 - KEEP) * point.loss;
        weight = KEEP * weight + (1.0 - KEEP);
        (point.step, sum / weight)
    };
    progress.losses.iter().map(smooth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn a_path_runs_from_edge_to_edge() {
        let frame = Frame {
            steps: 10.0,
            low: 0.0,
            high: 1.0,
        };
        let path = frame.path([(0, 0.0), (10, 1.0)].into_iter());
        assert_eq!(path, "M40.0 176.0L472.0 10.0");
    }
}

//! A chart as SVG, and the key to its lines.

use leptos::prelude::*;

use super::{
    Chart, Line,
    frame::{Frame, HEIGHT, LEFT, RIGHT, WIDTH},
};

/// The names of the chart's lines beside their looks.
pub fn keys(chart: &Chart) -> impl IntoView + use<> {
    let lines = chart.lines.iter().filter(|line| !line.points.is_empty());
    let lines: Vec<_> = lines
        .map(|line| (format!("key look-{}", line.look), line.label.clone()))
        .collect();
    let bands = chart.bands.iter().filter(|band| !band.points.is_empty());
    let bands: Vec<_> = bands
        .map(|band| (format!("key key-band look-{}", band.look), band.label.to_owned()))
        .collect();
    let level = chart
        .level
        .map(|(_, name)| ("key key-level".to_owned(), name.to_owned()));
    lines
        .into_iter()
        .chain(bands)
        .chain(level)
        .map(|(class, label)| view! { <span class=class dir="auto">{label}</span> })
        .collect_view()
}

/// The curves. What they show is their label too.
pub fn drawing(chart: &Chart) -> impl IntoView + use<> {
    let frame = Frame::of(chart);
    let bands: Vec<_> = chart
        .bands
        .iter()
        .map(|band| view! { <path class=format!("band look-{}", band.look) d=frame.outline(&band.points) /> })
        .collect();
    let level = chart.level.map(|(value, _)| {
        let across = frame.path([(0, value), (chart.steps.max(1), value)]);
        view! { <path class="line level" d=across /> }
    });
    let lines: Vec<_> = chart.lines.iter().map(|line| line_view(line, frame)).collect();
    view! {
        <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=chart.told()>
            {axes(chart, frame)} {bands} {level} {lines}
        </svg>
    }
}

fn line_view(line: &Line, frame: Frame) -> impl IntoView + use<> {
    let look = line.look;
    let path = |points: &[super::Point]| frame.path(points.iter().copied());
    let raw = (!line.raw.is_empty())
        .then(|| view! { <path class=format!("line faint look-{look}") d=path(&line.raw) /> });
    let marked: &[super::Point] = if line.dots || line.points.len() == 1 {
        &line.points
    } else {
        &[]
    };
    let dots: Vec<_> = marked
        .iter()
        .filter(|(_, value)| value.is_finite())
        .map(|&(step, value)| {
            let (x, y) = (round(frame.x(step)), round(frame.y(value)));
            view! { <circle class=format!("dot look-{look}") cx=x cy=y r="2.5" /> }
        })
        .collect();
    view! {
        {raw}
        <path class=format!("line look-{look}") d=path(&line.points) />
        {dots}
    }
}

fn axes(chart: &Chart, frame: Frame) -> impl IntoView + use<> {
    let unit = chart.unit;
    let lines: Vec<_> = frame
        .ticks()
        .into_iter()
        .map(|value| {
            let y = round(frame.y(value));
            view! {
                <line class="grid" x1=round(LEFT) x2=round(WIDTH - RIGHT) y1=y.clone() y2=y.clone() />
                <text class="tick" x=round(LEFT - 5.0) y=y text-anchor="end" dominant-baseline="middle">
                    {unit.rough(value)}
                </text>
            }
        })
        .collect();
    let bottom = round(HEIGHT - 8.0);
    view! {
        {lines}
        <text class="tick" x=round(LEFT) y=bottom.clone()>"0"</text>
        <text class="tick" x=round(WIDTH - RIGHT) y=bottom text-anchor="end">
            {format!("step {}", crate::text::number(chart.steps))}
        </text>
    }
}

fn round(value: f64) -> String {
    format!("{value:.1}")
}

//! A chart as a table of figures.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::{Chart, Line};
use crate::scrolling::Scrolling;

/// The most rows of a table.
const ROWS: usize = 20;

/// Some twenty steps from first to last, each with every line's newest value up to there; none where its run never came
/// to.
pub fn figures(chart: &Chart) -> impl IntoView + use<> {
    let lines: Vec<&Line> = chart
        .lines
        .iter()
        .filter(|line| !line.points.is_empty())
        .collect();
    let heads: Vec<_> = lines
        .iter()
        .map(|line| view! { <th scope="col" class="num" dir="auto">{line.label.clone()}</th> })
        .collect();
    let rows: Vec<_> = some_steps(&lines)
        .into_iter()
        .map(|step| {
            let cells: Vec<_> = lines
                .iter()
                .map(|line| {
                    let value = value_at(line, step).map(|value| chart.unit.exact(value));
                    view! { <td class="num">{value.unwrap_or_else(|| "–".to_owned())}</td> }
                })
                .collect();
            view! {
                <tr>
                    <th scope="row" class="num">{crate::text::number(step)}</th>
                    {cells}
                </tr>
            }
        })
        .collect();
    view! {
        <Scrolling label=format!("{}, figures", chart.title) class="table-scroll">
            <table class="table plain">
                <thead>
                    <tr>
                        <th scope="col" class="num">"Step"</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Scrolling>
    }
}

fn some_steps(lines: &[&Line]) -> Vec<u64> {
    let all: BTreeSet<u64> = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(step, _)| *step))
        .collect();
    let all: Vec<u64> = all.into_iter().collect();
    if all.len() <= ROWS {
        return all;
    }
    (0..ROWS)
        .map(|row| all[row * (all.len() - 1) / (ROWS - 1)])
        .collect()
}

fn value_at(line: &Line, step: u64) -> Option<f64> {
    if line.reached.is_some_and(|reached| step > reached) {
        return None;
    }
    let newest = line.points.iter().rev().find(|(at, _)| *at <= step);
    newest.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_steps_become_few_from_first_to_last() {
        let many = Line::new("", "", (1..=400).map(|step| (step, 0.0)).collect());
        let few = Line::new("", "", vec![(10, 1.0), (20, 2.0)]);
        let steps = some_steps(&[&many, &few]);
        assert_eq!((steps.len(), steps[0], steps[ROWS - 1]), (ROWS, 1, 400));
        assert_eq!(some_steps(&[&few]), [10, 20]);
        let values = [9, 10, 15, 99].map(|step| value_at(&few, step));
        assert_eq!(values, [None, Some(1.0), Some(1.0), Some(2.0)]);
    }

    #[test]
    fn a_run_has_no_figure_for_steps_that_it_never_reached() {
        let short = Line {
            reached: Some(25),
            ..Line::new("", "", vec![(10, 1.0), (20, 2.0)])
        };
        let values = [20, 25, 26, 400].map(|step| value_at(&short, step));
        assert_eq!(values, [Some(2.0), Some(2.0), None, None]);
    }
}

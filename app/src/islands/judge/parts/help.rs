//! All keys.

use domain::comparison::ComparisonKind;
use leptos::prelude::*;

use crate::islands::judge::{keys, state::Desk};

/// A fold; also what there is to know without scripts, where only the buttons work.
pub fn keys_help(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let grading: &[(&str, &str)] = match kind {
        ComparisonKind::Pair => &[
            ("1 – 3", "A is better: much, clearly, slightly"),
            ("4", "Equal"),
            ("5 – 7", "B is better: slightly, clearly, much"),
            ("0", "Both bad"),
        ],
        ComparisonKind::Ranking => &[
            (
                "a b c …",
                "Best first, then the next best; one left over comes last",
            ),
            ("=", "The next letter ties"),
            ("Backspace", "Take the last place back"),
            ("Enter", "Keep this order"),
        ],
    };
    let others = [
        ("s", "Skip, then 1 – 5 for the reason"),
        ("f", "Flag for a reviewer"),
        ("j", "Justify"),
        ("h", "How sure you are"),
        ("w", "Texts as they were written, and back"),
        ("e", "Correct a response"),
        ("u", "Undo the last"),
        ("?", "These keys"),
    ];
    let grading = grading
        .iter()
        .map(|&(key, what)| row(move || key.to_owned(), what))
        .collect_view();
    let others = others
        .into_iter()
        .map(|(key, what)| row(move || keys::written(desk, key), what))
        .collect_view();
    view! {
        <details class="menu judge-keys" node_ref=desk.help>
            <summary>
                <kbd>"?"</kbd>
                "Keys"
            </summary>
            <dl class="menu-box">{grading} {others}</dl>
        </details>
    }
}

fn row(key: impl Fn() -> String + Send + Sync + 'static, what: &'static str) -> impl IntoView {
    view! {
        <div>
            <dt>
                <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
        </div>
    }
}

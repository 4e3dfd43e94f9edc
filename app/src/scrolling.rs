//! What may be wider than the screen.

use leptos::prelude::*;

/// Scrolls sideways where its contents do not fit, with the keyboard too; `label` says what it is.
#[component]
pub fn Scrolling(
    #[prop(into)] label: String,
    /// `table-wrap` for a table that stands for itself, `table-scroll` for one within a card.
    #[prop(default = "table-wrap")]
    class: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <div class=class tabindex="0" role="group" aria-label=label>
            {children()}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    fn offenders(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                offenders(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let wraps = ["wrap", "scroll"].map(|kind| format!("<div class=\"table-{kind}\""));
            if wraps.iter().any(|wrap| text.contains(wrap)) {
                found.push(path.display().to_string());
            }
        }
    }

    /// axe-core finds such a region only where a page is narrow enough for it to scroll.
    #[test]
    fn whatever_scrolls_sideways_does_so_by_keyboard() {
        let mut found = Vec::new();
        offenders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.is_empty(), "use Scrolling in {found:?}");
    }
}

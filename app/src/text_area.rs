//! A box for text of several lines: the only place where a `<textarea>` is written, because Leptos does not escape
//! what stands in one.

use leptos::{html, prelude::*};

use crate::escape::escape;

/// A `<textarea>` that holds `text` at first. With `value` it follows a signal in the browser, with `on_input` it
/// tells what is typed.
#[component]
pub fn TextArea(
    #[prop(into)] id: String,
    #[prop(into)] name: String,
    #[prop(optional, into)] text: String,
    #[prop(optional)] rows: Option<u32>,
    /// Characters.
    #[prop(optional)]
    maxlength: Option<u32>,
    #[prop(optional)] required: bool,
    /// BCP 47 tag.
    #[prop(optional_no_strip)]
    lang: Option<String>,
    #[prop(optional)] value: Option<RwSignal<String>>,
    #[prop(optional)] node_ref: NodeRef<html::Textarea>,
    #[prop(optional, into)] on_input: Option<Callback<String>>,
) -> impl IntoView {
    if let Some(value) = value {
        Effect::new(move |_| {
            let value = value.get();
            if let Some(area) = node_ref.get()
                && area.value() != value
            {
                area.set_value(&value);
            }
        });
    }
    view! {
        <textarea
            id=id
            name=name
            rows=rows
            maxlength=maxlength
            required=required
            lang=lang
            dir="auto"
            node_ref=node_ref
            on:input=move |event| {
                if let Some(on_input) = on_input {
                    on_input.run(event_target_value(&event));
                }
            }
            inner_html=content(&text)
        ></textarea>
    }
}

/// The text as HTML. A parser of pages drops the first line break in a textarea, so there is one more on the server.
fn content(text: &str) -> String {
    let escaped = escape(text);
    if cfg!(feature = "ssr") && escaped.starts_with(['\n', '\r']) {
        format!("\n{escaped}")
    } else {
        escaped
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use leptos::prelude::*;

    use super::{TextArea, TextAreaProps};

    #[test]
    fn a_text_cannot_leave_its_box() {
        let payload = "</textarea><form action=/fn/team/role method=post><button>Go on</button></form>";
        // The properties hold signals too.
        let html = Owner::new_root(None).with(|| {
            let props = TextAreaProps::builder()
                .id("x")
                .name("\"><b>")
                .text(payload)
                .build();
            TextArea(props).into_view().to_html()
        });
        assert!(!html.contains("<form") && !html.contains("<b>"), "{html}");
        assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
        assert!(html.contains("&lt;/textarea&gt;&lt;form"), "{html}");
    }
}

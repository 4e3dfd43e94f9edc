//! The shapes of lines that are read, with an example each.

use domain::formats::Format;
use leptos::prelude::*;

pub(super) fn shapes() -> impl IntoView {
    let shape = |format: Format, example: &'static str| {
        view! {
            <div>
                <h3>{format.label()}</h3>
                <pre tabindex="0" aria-label=format!("Example: {}", format.label())>
                    {example}
                </pre>
            </div>
        }
    };
    view! {
        <details class="card" open>
            <summary>"Shapes that are read"</summary>
            {shape(
                Format::Unjudged,
                "{\"prompt\": \"…\",\n \"responses\": [\n   \"…\",\n   {\"text\": \"…\", \"model\": \"…\"}]}",
            )}
            {shape(
                Format::Trl,
                "{\"prompt\": [{\"role\": \"user\",\n   \"content\": \"…\"}],\n \"chosen\": [{\"role\":\n   \"assistant\", …}],\n \"rejected\": [{…}]}",
            )}
            {shape(
                Format::TrlImplicit,
                "{\"chosen\": [\n   {\"role\": \"user\", …},\n   {\"role\": \"assistant\", …}],\n \"rejected\": […]}",
            )}
            {shape(
                Format::Hh,
                "{\"chosen\": \"\\n\\nHuman: …\n   \\n\\nAssistant: …\",\n \"rejected\": \"\\n\\nHuman: …\"}",
            )}
            {shape(
                Format::Columns,
                "{\"system\": \"…\",\n \"question\": \"…\",\n \"chosen\": \"…\",\n \"rejected\": \"…\"}",
            )}
            <p class="small soft">
                "Each line is read by its own shape; lines of different shapes may be mixed. Texts may be plain strings or messages. Also read: "
                <code>"margin"</code> ", " <code>"category"</code> ", " <code>"language"</code> ", " <code>"chosen_model"</code>
                ", " <code>"rejected_model"</code> ", on the line or in its " <code>"metadata"</code>
                ". Other columns are kept and exported again."
            </p>
        </details>
    }
}

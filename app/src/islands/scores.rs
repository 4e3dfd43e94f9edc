//! A box to score anything with a run's model.

use leptos::{html, prelude::*, server_fn::ServerFn};
use uuid::Uuid;

use super::mark_hydrated;
use crate::{
    server_fns::scores::{Tried, TryScores, try_scores},
    text_area::TextArea,
};

/// Responses that the box takes.
const BOXES: usize = 3;

/// Scores a prompt's responses in place. Without scripts it is a form, and `start` the result of the last one.
#[island]
pub fn TryBox(run: Uuid, start: Tried) -> impl IntoView {
    let node = NodeRef::<html::Form>::new();
    mark_hydrated(node);
    let (result, set_result) = signal(start.clone());
    let (error, set_error) = signal(None::<String>);
    let (busy, set_busy) = signal(false);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some((prompt, responses)) = node.get_untracked().and_then(|form| typed(&form)) else {
            return;
        };
        set_busy.set(true);
        leptos::task::spawn_local(async move {
            match try_scores(run, prompt, responses).await {
                Ok(tried) => {
                    set_error.set(None);
                    set_result.set(tried);
                }
                Err(error) => set_error.set(Some(error.to_string())),
            }
            set_busy.set(false);
        });
    };
    let boxes: Vec<_> = (0..BOXES)
        .map(|index| {
            let id = format!("try-response-{index}");
            let text = start.responses.get(index).cloned().unwrap_or_default();
            view! {
                <div class="field">
                    <label for=id.clone()>{format!("Response {}", index + 1)}</label>
                    <TextArea id=id name=format!("responses[{index}]") rows=3 text=text />
                </div>
            }
        })
        .collect();
    view! {
        <form class="stack tight" method="post" action=TryScores::url() node_ref=node on:submit=submit>
            <input type="hidden" name="run" value=run.to_string() />
            <div class="field">
                <label for="try-prompt">"Prompt"</label>
                <TextArea id="try-prompt" name="prompt" rows=2 text=start.prompt />
            </div>
            <div class="try-responses">{boxes}</div>
            <div class="cluster">
                <button class="primary" disabled=busy>
                    "Score"
                </button>
                <span role="status" class="soft small">
                    {move || busy.get().then_some("The model reads …")}
                </span>
            </div>
            {move || error.get().map(|error| view! { <p class="alert bad" role="alert">{error}</p> })}
            {move || result.with(results)}
        </form>
    }
}

fn typed(form: &web_sys::HtmlFormElement) -> Option<(String, Vec<String>)> {
    let data = web_sys::FormData::new_with_form(form).ok()?;
    let text = |name: &str| data.get(name).as_string().unwrap_or_default();
    let responses = (0..BOXES)
        .map(|index| text(&format!("responses[{index}]")))
        .collect();
    Some((text("prompt"), responses))
}

/// Best first, each with a bar from the middle: rewards have no scale of their own, only their order and distances.
fn results(tried: &Tried) -> impl IntoView + use<> {
    let mut ranked: Vec<_> = tried
        .responses
        .iter()
        .cloned()
        .zip(tried.scores.iter().copied())
        .collect();
    ranked.sort_by(|a, b| b.1.reward.total_cmp(&a.1.reward));
    let reach = ranked
        .iter()
        .map(|(_, scored)| scored.reward.abs())
        .fold(1.0, f64::max);
    let rows: Vec<_> = ranked
        .into_iter()
        .map(|(text, scored)| {
            let width = 50.0 * scored.reward.abs() / reach;
            let start = if scored.reward < 0.0 { 50.0 - width } else { 50.0 };
            let cut = (scored.cut_tokens > 0)
                .then(|| format!(" · {} tokens at the beginning were cut", scored.cut_tokens));
            view! {
                <li>
                    <span class="cluster">
                        <strong class="mono">{format!("{:+.3}", scored.reward)}</strong>
                        {scored
                            .spread
                            .map(|spread| view! { <span class="soft small" title="How far the members of the ensemble lie apart">{format!(" ± {spread:.3}")}</span> })}
                        <span class="soft small">{format!("{} tokens", scored.tokens)} {cut}</span>
                    </span>
                    <svg class="reward-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                        <rect class="well" width="100" height="8" />
                        <rect class="fill" x=format!("{start:.1}") width=format!("{width:.1}") height="8" />
                        <line class="middle" x1="50" x2="50" y1="0" y2="8" />
                    </svg>
                    <p class="told" dir="auto">{text}</p>
                </li>
            }
        })
        .collect();
    (!rows.is_empty()).then(|| view! { <ol class="try-results">{rows}</ol> })
}

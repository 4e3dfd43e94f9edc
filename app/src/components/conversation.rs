//! A conversation, turn by turn, as people read it.

use domain::{prompt::Message, task::ShownTurn};
use leptos::prelude::*;

use crate::prose::Prose;

/// What was said, with who said it.
#[component]
pub fn Conversation(turns: Vec<ShownTurn>) -> impl IntoView {
    let turns = turns
        .into_iter()
        .map(|turn| {
            view! {
                <div class=format!("turn {}", turn.role.as_str())>
                    <p class="speaker">{turn.role.name()}</p>
                    <Prose html=turn.html />
                </div>
            }
        })
        .collect_view();
    view! { <div class="turns">{turns}</div> }
}

/// Messages with their HTML, which comes in the same order.
pub fn shown_turns(messages: &[Message], html: impl IntoIterator<Item = String>) -> Vec<ShownTurn> {
    let turns = messages.iter().zip(html);
    turns
        .map(|(message, html)| ShownTurn {
            role: message.role,
            html,
        })
        .collect()
}

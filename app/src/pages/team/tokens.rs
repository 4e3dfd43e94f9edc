//! Everyone's keys to the API, for owners.

use domain::user::User;
use leptos::prelude::*;
use store::api_token::ApiToken;

use crate::{components::Scrolling, pages::account::tokens::cells};

/// All tokens in force, each with its holder; nothing if there are none.
#[component]
pub fn TeamTokens(tokens: Vec<ApiToken>, people: Vec<User>) -> impl IntoView {
    let any = !tokens.is_empty();
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let holder = people.iter().find(|person| person.id == token.user_id);
            let revoke = format!("/team/tokens/{}/revoke", token.id);
            view! {
                <tr>
                    <th scope="row" dir="auto">
                        {holder.map(|person| person.name.clone())}
                    </th>
                    <td dir="auto">{token.name.clone()}</td>
                    {cells(&token)}
                    <td>
                        <form method="post" action=revoke>
                            <button class="small danger">"Revoke"</button>
                        </form>
                    </td>
                </tr>
            }
        })
        .collect();
    any.then(|| {
        view! {
            <section class="card" aria-labelledby="team-tokens">
                <h2 id="team-tokens">"API tokens"</h2>
                <Scrolling label="API tokens">
                    <table class="table">
                        <thead>
                            <tr>
                                <th scope="col">"Holder"</th>
                                <th scope="col">"Name"</th>
                                <th scope="col">"For"</th>
                                <th scope="col">"Created"</th>
                                <th scope="col">"Last used"</th>
                                <th scope="col">"Until"</th>
                                <th scope="col">
                                    <span class="sr-only">"Actions"</span>
                                </th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </Scrolling>
            </section>
        }
    })
}

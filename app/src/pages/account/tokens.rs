//! Keys to the API: a person's own.

use domain::permission::Scope;
use leptos::prelude::*;
use store::api_token::{ApiToken, MAX_TOKEN_NAME, TOKEN_DAYS};

use crate::{components::Scrolling, text};

/// A person's tokens, and the form for a new one.
#[component]
pub fn Tokens(tokens: Vec<ApiToken>) -> impl IntoView {
    let any = !tokens.is_empty();
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let revoke = format!("/account/tokens/{}/revoke", token.id);
            view! {
                <tr>
                    <th scope="row" dir="auto">
                        {token.name.clone()}
                    </th>
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
    view! {
        <section class="card" aria-labelledby="tokens">
            <h2 id="tokens">"API tokens"</h2>
            <p class="soft">
                "A program that sends " <code>"Authorization: Bearer ts_…"</code>
                " acts as you, within your role."
            </p>
            {any
                .then(|| {
                    view! {
                        <Scrolling label="API tokens">
                            <table class="table">
                                <thead>
                                    <tr>
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
                    }
                })} <form class="cluster" method="post" action="/account/tokens">
                <div>
                    <label for="token-name">"Name of a new token"</label>
                    <input id="token-name" name="name" required maxlength=MAX_TOKEN_NAME.to_string() />
                </div>
                <div>
                    <label for="token-scope">"For"</label>
                    <select id="token-scope" name="scope">
                        {Scope::ALL
                            .into_iter()
                            .map(|scope| view! { <option value=scope.as_str()>{scope.label()}</option> })
                            .collect::<Vec<_>>()}
                    </select>
                </div>
                <div>
                    <label for="token-days">"Holds"</label>
                    <select id="token-days" name="days">
                        {TOKEN_DAYS
                            .into_iter()
                            .map(|days| {
                                view! { <option value=days.to_string()>{format!("{days} days")}</option> }
                            })
                            .collect::<Vec<_>>()}
                    </select>
                </div>
                <button>"Create a token"</button>
            </form>
        </section>
    }
}

/// What is told of a token: what for, since when, last used, until when.
pub fn cells(token: &ApiToken) -> impl IntoView + use<> {
    view! {
        <td>{token.scope.label()}</td>
        <td>{text::date(token.created_at)}</td>
        <td>{token.last_used_at.map_or_else(|| "never".to_owned(), text::date_time)}</td>
        <td>{token.expires_at.map_or_else(|| "revoked".to_owned(), text::date)}</td>
    }
}

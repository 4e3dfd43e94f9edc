//! A person's own account.

use domain::{permission::Permission, user::User};
use leptos::prelude::*;
use store::api_token::{ApiToken, MAX_TOKEN_NAME};

use crate::{
    components::{Field, Page, PasswordField, Scrolling, page_with},
    context, text,
    viewer::require,
};

/// Name, password and API tokens.
#[component]
pub fn AccountPage() -> impl IntoView {
    let data = async move {
        let viewer = require(Permission::ViewProjects)?;
        let tokens = context::store().list_api_tokens(viewer.id).await?;
        Ok((viewer, tokens))
    };
    page_with(data, |(viewer, tokens)| view! { <Account viewer tokens /> })
}

#[component]
fn Account(viewer: User, tokens: Vec<ApiToken>) -> impl IntoView {
    let has_api = viewer.role.may(Permission::UseApi);
    view! {
        <Page title="Account">
            <div class="page-head">
                <div>
                    <h1>"Account"</h1>
                    <p>
                        {viewer.email.clone()} " · " <span class="badge">{viewer.role.as_str()}</span>
                    </p>
                </div>
            </div>
            <div class="grid">
                <form class="card" method="post" action="/account/name">
                    <h2>"Name"</h2>
                    <Field name="name" label="Your name" value=viewer.name max=80 autocomplete="name" />
                    <div class="cluster">
                        <button>"Change the name"</button>
                    </div>
                </form>
                <form class="card" method="post" action="/account/password">
                    <h2>"Password"</h2>
                    // For password managers: whose password this is.
                    <input type="email" autocomplete="username" value=viewer.email readonly hidden />
                    <PasswordField name="current" label="Current password" />
                    <PasswordField label="New password" new=true />
                    <div class="cluster">
                        <button>"Change the password"</button>
                    </div>
                </form>
            </div>
            {has_api.then(|| view! { <Tokens tokens /> })}
        </Page>
    }
}

#[component]
fn Tokens(tokens: Vec<ApiToken>) -> impl IntoView {
    let any = !tokens.is_empty();
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            view! {
                <tr>
                    <th scope="row" dir="auto">
                        {token.name}
                    </th>
                    <td>{text::date(token.created_at)}</td>
                    <td>{token.last_used_at.map_or_else(|| "never".to_owned(), text::date_time)}</td>
                    <td>
                        <form method="post" action=format!("/account/tokens/{}/revoke", token.id)>
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
                                        <th scope="col">"Made"</th>
                                        <th scope="col">"Last used"</th>
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
                <label for="token-name">"Name of a new token"</label>
                <div>
                    <input id="token-name" name="name" required maxlength=MAX_TOKEN_NAME.to_string() />
                </div>
                <button>"Create a token"</button>
            </form>
        </section>
    }
}

//! A person's own account.

mod sessions;
pub mod tokens;

use domain::{permission::Permission, user::User};
use leptos::prelude::*;
use sessions::Sessions;
use store::{api_token::ApiToken, session::Session};
use tokens::Tokens;

use crate::{
    components::{Field, Page, PasswordField, page_with},
    context,
    viewer::{require, session},
};

/// Name, password, sessions and API tokens.
#[component]
pub fn AccountPage() -> impl IntoView {
    let data = async move {
        let viewer = require(Permission::ViewProjects)?;
        let tokens = context::store().list_api_tokens(viewer.id).await?;
        let sessions = context::store().list_sessions(viewer.id).await?;
        let here = session().map(|session| session.id);
        Ok((viewer, tokens, sessions, here))
    };
    page_with(
        data,
        |(viewer, tokens, sessions, here)| view! { <Account viewer tokens sessions here /> },
    )
}

#[component]
fn Account(
    viewer: User,
    tokens: Vec<ApiToken>,
    sessions: Vec<Session>,
    here: Option<String>,
) -> impl IntoView {
    let has_tokens = !tokens.is_empty();
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
                    {has_tokens
                        .then(|| {
                            view! {
                                <div class="field check">
                                    <input id="keep-tokens" type="checkbox" name="keep_tokens" value="yes" />
                                    <label for="keep-tokens">
                                        "Keep my API tokens: otherwise they end with the old password"
                                    </label>
                                </div>
                            }
                        })}
                    <div class="cluster">
                        <button>"Change the password"</button>
                    </div>
                </form>
            </div>
            <Sessions sessions here />
            {has_api.then(|| view! { <Tokens tokens /> })}
        </Page>
    }
}

//! The first visit: the owner's account.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    components::{Field, Page, PasswordField, page_with},
    context,
    error::AppError,
    typed,
};

/// Asks for the owner's account, while there is none.
#[component]
pub fn SetupPage() -> impl IntoView {
    let data = async move {
        if context::store().is_fresh().await? {
            return Ok(());
        }
        Err(AppError::Conflict(
            "The owner's account already exists. Please sign in.".into(),
        ))
    };
    let code = use_query_map()
        .with_untracked(|query| query.get("code"))
        .unwrap_or_default();
    page_with(data, |()| {
        let typed = typed::find();
        let hint = "It stands in the terminal in which Touchstone was started.";
        view! {
            <Page title="Set up">
                <div class="entrance">
                    <header>
                        <h1>"Welcome to Touchstone"</h1>
                        <p>
                            "Create the owner's account first. Owners invite everyone else, so only you can do this."
                        </p>
                    </header>
                    <form class="card narrow" method="post" action="/setup">
                        <Field name="name" label="Your name" value=typed.name max=80 autocomplete="name" autofocus=true />
                        <Field name="email" label="Email" kind="email" value=typed.email autocomplete="username" />
                        <PasswordField new=true />
                        <Field name="code" label="Set-up code" value=code hint=hint max=64 autocomplete="off" />
                        <button class="primary">"Create the owner's account"</button>
                    </form>
                </div>
            </Page>
        }
    })
}

//! The first visit: the owner's account.

use leptos::prelude::*;

use crate::{
    components::{Field, Page, PasswordField, page_with},
    context,
    error::AppError,
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
    page_with(data, |()| {
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
                        <Field name="name" label="Your name" max=80 autocomplete="name" autofocus=true />
                        <Field name="email" label="Email" kind="email" autocomplete="username" />
                        <PasswordField new=true />
                        <button class="primary">"Create the owner's account"</button>
                    </form>
                </div>
            </Page>
        }
    })
}

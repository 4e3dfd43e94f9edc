//! An invitation's page.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::{
    components::{Field, Page, PasswordField, page_with},
    context,
    error::AppError,
    typed,
};

/// Asks the invited person for their account.
#[component]
pub fn JoinPage() -> impl IntoView {
    let token = use_params_map()
        .with_untracked(|params| params.get("token"))
        .unwrap_or_default();
    let services = context::services();
    let action = format!("/join/{token}");
    let data = async move {
        let hash = (services.hash_secret)(&token);
        let found = services.store.find_open_invite(&hash).await?;
        found.ok_or_else(|| {
            AppError::NotFound(
                "This invitation has been used, has ended or was cancelled. Ask whoever sent it for a new one.".into(),
            )
        })
    };
    page_with(data, |invite| {
        let typed = typed::find();
        view! {
            <Page title="Join">
                <div class="entrance">
                    <header>
                        <h1>"Join Touchstone"</h1>
                        <p>
                            "You are invited as " <strong>{invite.role.as_str()}</strong>
                            ". Create your account to begin."
                        </p>
                    </header>
                    <form class="card narrow" method="post" action=action>
                        <Field name="name" label="Your name" value=typed.name max=80 autocomplete="name" autofocus=true />
                        <Field name="email" label="Email" kind="email" value=typed.email autocomplete="username" />
                        <PasswordField new=true />
                        <button class="primary">"Create my account"</button>
                    </form>
                </div>
            </Page>
        }
    })
}

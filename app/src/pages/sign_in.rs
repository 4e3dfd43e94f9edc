//! Sign in.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    components::{Field, Page, PasswordField},
    typed,
};

/// Asks for email and password, and keeps in mind where the person wanted to go.
#[component]
pub fn SignInPage() -> impl IntoView {
    let next = use_query_map()
        .with_untracked(|query| query.get("next"))
        .unwrap_or_default();
    let typed = typed::find();
    // The address is there already: the password is what was wrong.
    let has_email = !typed.email.is_empty();
    view! {
        <Page title="Sign in">
            <div class="entrance">
                <header>
                    <h1>"Sign in"</h1>
                </header>
                <form class="card narrow" method="post" action="/sign-in">
                    <input type="hidden" name="next" value=next />
                    <Field name="email" label="Email" kind="email" autocomplete="username" value=typed.email autofocus=!has_email />
                    <PasswordField autofocus=has_email />
                    <button class="primary">"Sign in"</button>
                    <p class="soft small">
                        "No account, or the password is lost? An owner of this installation can help."
                    </p>
                </form>
            </div>
        </Page>
    }
}

//! Asks for the password again before something changes who may do what, and says what that is.

use axum::http::request::Parts;
use domain::permission::{Permission, Role};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use uuid::Uuid;

use crate::{
    components::{Page, PasswordField, page_with},
    context,
    error::AppError,
    viewer::require,
};

/// What a form wanted before it was sent here: where it goes, and its fields.
#[derive(Debug, Clone)]
struct Asked {
    action: String,
    fields: Vec<(String, String)>,
}

/// The form again, with a field for the password.
#[component]
pub fn ConfirmPage() -> impl IntoView {
    let asked = read();
    let data = async move {
        let viewer = require(Permission::UseApi)?;
        let asked = asked?;
        let what = describe(&asked).await?;
        Ok((asked, what, viewer.email))
    };
    page_with(data, |(asked, what, email)| {
        let back = if asked.action.starts_with("/team/") {
            "/team"
        } else {
            "/account"
        };
        let hidden: Vec<_> = asked
            .fields
            .into_iter()
            .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
            .collect();
        view! {
            <Page title="Confirm">
                <div class="entrance">
                    <header>
                        <h1>"Is it you?"</h1>
                        <p>"Your password is asked for before anybody’s rights change."</p>
                    </header>
                    <form class="card narrow" method="post" action=asked.action>
                        <p>
                            <strong dir="auto">{what}</strong>
                        </p>
                        {hidden} <input type="email" autocomplete="username" value=email readonly hidden />
                        <PasswordField name="confirm_password" label="Your password" />
                        <div class="cluster">
                            <button class="primary">"Confirm"</button>
                            <a href=back>"Cancel"</a>
                        </div>
                    </form>
                </div>
            </Page>
        }
    })
}

fn read() -> Result<Asked, AppError> {
    let missing = || AppError::NotFound("There is nothing to confirm.".into());
    // The router's map keeps no order and no repeated name.
    let query = use_context::<Parts>().and_then(|parts| parts.uri.query().map(str::to_owned));
    let action = use_query_map().with_untracked(|query| query.get("action"));
    let action = action.filter(|action| action.starts_with("/team/") || action == "/account/tokens");
    let fields = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((decode(name)?.strip_prefix("f.")?.to_owned(), decode(value)?)))
        .collect();
    Ok(Asked {
        action: action.ok_or_else(missing)?,
        fields,
    })
}

/// What the form would do, in a sentence.
async fn describe(asked: &Asked) -> Result<String, AppError> {
    let field = |wanted: &str| {
        let found = asked.fields.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    let role = field("role").parse::<Role>().map_or("", Role::as_str);
    let a = if role == "owner" { "an" } else { "a" };
    let parts: Vec<&str> = asked.action.split('/').skip(1).collect();
    Ok(match parts.as_slice() {
        ["team", "invites"] => match field("uses") {
            "" | "1" => format!("Invite a new {role}."),
            uses => format!("Invite up to {uses} new {role}s."),
        },
        ["team", "people", id, "role"] => format!("Make {} {a} {role}.", person(id).await?),
        ["team", "people", id, "disable"] => format!("Disable the account of {}.", person(id).await?),
        ["team", "people", id, "enable"] => format!("Open the account of {} again.", person(id).await?),
        ["account", "tokens"] => format!("Create the API token “{}”, which acts as you.", field("name")),
        _ => "Change the team as you have just asked.".to_owned(),
    })
}

async fn person(id: &str) -> Result<String, AppError> {
    require(Permission::ManageTeam)?;
    let missing = || AppError::NotFound("The person was not found.".into());
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let found = context::store().find_user(id).await?.ok_or_else(missing)?;
    Ok(found.name)
}

/// What stands percent-encoded in a query.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
            }
            b'+' => b' ',
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn a_query_is_read_as_it_was_written() {
        assert_eq!(decode("a%20b+c%C3%A9").as_deref(), Some("a b cé"));
        assert_eq!(decode("%zz"), None);
        assert_eq!(decode("%2"), None);
        assert_eq!(decode("%FF"), None);
    }
}

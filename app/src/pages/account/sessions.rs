//! Where a person is signed in.

use leptos::prelude::*;
use store::session::Session;

use crate::{components::Scrolling, text};

/// The browsers in which a person is signed in; `here` is the key of this one.
#[component]
pub fn Sessions(sessions: Vec<Session>, here: Option<String>) -> impl IntoView {
    let rows: Vec<_> = sessions
        .into_iter()
        .map(|session| {
            let is_here = here.as_ref() == Some(&session.id);
            let action = format!("/account/sessions/{}/end", session.id);
            let browser = browser(&session.agent);
            view! {
                <tr>
                    <th scope="row">
                        {browser.clone()}
                        {is_here.then(|| view! { " " <span class="badge">"this one"</span> })}
                    </th>
                    <td>{session.address}</td>
                    <td>{text::date_time(session.created_at)}</td>
                    <td>{text::date_time(session.seen_at)}</td>
                    <td>
                        <form method="post" action=action>
                            <button class="small danger">
                                "Sign out" <span class="sr-only">{format!(" of {browser}")}</span>
                            </button>
                        </form>
                    </td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="card" aria-labelledby="sessions">
            <h2 id="sessions">"Signed in"</h2>
            <p class="soft">
                "A browser that you do not use for seven days is signed out, and any after thirty."
            </p>
            <Scrolling label="Where you are signed in">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Browser"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"Since"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">
                                <span class="sr-only">"Actions"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            <form method="post" action="/account/sessions/end">
                <button class="danger">"Sign out everywhere"</button>
            </form>
        </section>
    }
}

/// Browser and system, as far as a user agent tells them.
fn browser(agent: &str) -> String {
    let first = |known: &[(&str, &'static str)]| {
        known
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    // Each of these also names those that follow it.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Another program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_named_by_its_own_mark() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 \
                    Safari/537.36 Edg/120.0";
        assert_eq!(browser(edge), "Edge on Windows");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Safari/604.1";
        assert_eq!(browser(phone), "Safari on iPhone");
        assert_eq!(browser("curl/8"), "Another program");
    }
}

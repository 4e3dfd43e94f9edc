//! Invitations: the form that makes a link, and the links there are.

use domain::{
    permission::{Permission, Role},
    user::User,
};
use leptos::prelude::*;
use store::invite::{ListedInvite, MAX_DAYS, MAX_LABEL, MAX_USES};

use super::role_select;
use crate::{components::Scrolling, context, text};

/// The form, the open invitations, and folded those that are over.
pub fn invitations(viewer: &User, invites: Vec<ListedInvite>) -> impl IntoView + use<> {
    let all = viewer.role.may(Permission::ManageTeam);
    let (open, over): (Vec<_>, Vec<_>) = invites.into_iter().partition(|listed| listed.open);
    let table = |rows: Vec<ListedInvite>, name: &'static str| {
        (!rows.is_empty()).then(|| invite_table(rows, name, all))
    };
    let over = table(over, "Invitations that are over").map(|table| {
        view! {
            <details>
                <summary>"Invitations that are over"</summary>
                {table}
            </details>
        }
    });
    view! {
        <section class="card" aria-labelledby="invite">
            <h2 id="invite">"Invite people"</h2>
            {form(viewer.role)}
            {reach_of_links()}
            {table(open, "Open invitations")}
            {over}
        </section>
    }
}

/// A sentence where others cannot open the links: they would lead to their own machines.
fn reach_of_links() -> Option<impl IntoView> {
    let base = context::base_url();
    let is_here_alone = ["://localhost", "://127.", "://[::1]"]
        .iter()
        .any(|here| base.contains(here));
    is_here_alone.then(|| {
        view! {
            <p class="soft small">
                "Links created now lead to " <code>{base.to_string()}</code>
                ", which only this machine can open. For others, start Touchstone with the address that they use: "
                <code>"TOUCHSTONE_PUBLIC_URL"</code> "."
            </p>
        }
    })
}

fn form(by: Role) -> impl IntoView {
    view! {
        <form class="invite-form" method="post" action="/team/invites">
            <div class="field">
                <label for="invite-role">"Role"</label>
                {role_select("invite-role".into(), Role::Trainer, by)}
            </div>
            <div class="field">
                <label for="invite-uses">"For how many people"</label>
                <input id="invite-uses" name="uses" type="number" min="1" max=MAX_USES value="1" required />
            </div>
            <div class="field">
                <label for="invite-days">"Open for, in days"</label>
                <input id="invite-days" name="days" type="number" min="1" max=MAX_DAYS value="7" required />
            </div>
            <div class="field grows">
                <label for="invite-label">"Name, for yourself"</label>
                <input
                    id="invite-label"
                    name="label"
                    maxlength=MAX_LABEL
                    autocomplete="off"
                    placeholder="such as: Autumn class"
                />
            </div>
            <button class="primary">"Create a link"</button>
        </form>
    }
}

fn invite_table(rows: Vec<ListedInvite>, name: &'static str, all: bool) -> AnyView {
    let rows: Vec<_> = rows.into_iter().map(|row| invite_row(row, all)).collect();
    view! {
        <Scrolling label=name>
            <table class="table">
                <caption class="sr-only">{name}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Invitation"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col" class="num">"Uses left"</th>
                        <th scope="col">"Until"</th>
                        {all.then(|| view! { <th scope="col">"By"</th> })}
                        <th scope="col">"Who joined"</th>
                        <th scope="col">
                            <span class="sr-only">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Scrolling>
    }
    .into_any()
}

fn invite_row(listed: ListedInvite, all: bool) -> impl IntoView {
    let ListedInvite {
        invite,
        open,
        by,
        joined,
    } = listed;
    let label = match invite.label.as_str() {
        "" => format!("Link of {}", text::date(invite.created_at)),
        label => label.to_owned(),
    };
    let joined = match joined.is_empty() {
        true => "nobody yet".to_owned(),
        false => joined.join(", "),
    };
    let left = format!("{} of {}", invite.uses_left(), invite.uses_allowed);
    let cancel = open.then(|| {
        view! {
            <form method="post" action=format!("/team/invites/{}/cancel", invite.id)>
                <button class="small danger">"Cancel invitation"</button>
            </form>
        }
    });
    view! {
        <tr>
            <th scope="row" dir="auto">
                {label}
            </th>
            <td>{invite.role.as_str()}</td>
            <td class="num">{left}</td>
            <td class="nowrap">
                {text::date(invite.expires_at)}
                {invite.cancelled_at.map(|_| view! { " " <span class="badge">"cancelled"</span> })}
            </td>
            {all.then(|| view! { <td dir="auto">{by}</td> })}
            <td dir="auto">{joined}</td>
            <td>{cancel}</td>
        </tr>
    }
}

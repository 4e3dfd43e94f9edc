//! Who takes part, and invitations.

use domain::{
    permission::{Permission, Role},
    user::User,
};
use leptos::prelude::*;
use store::invite::Invite;

use crate::{
    components::{Page, Scrolling, page_with},
    context, text,
    viewer::require,
};

/// People with their roles; invitations that are open.
#[component]
pub fn TeamPage() -> impl IntoView {
    let data = async move {
        let viewer = require(Permission::ManageTeam)?;
        let store = context::store();
        Ok((
            viewer,
            store.list_people().await?,
            store.list_open_invites().await?,
        ))
    };
    page_with(
        data,
        |(viewer, people, invites)| view! { <Team viewer people invites /> },
    )
}

#[component]
fn Team(viewer: User, people: Vec<User>, invites: Vec<Invite>) -> impl IntoView {
    let rows: Vec<_> = people
        .into_iter()
        .map(|person| person_row(person, &viewer))
        .collect();
    let open: Vec<_> = invites.into_iter().map(invite_row).collect();
    let any_open = !open.is_empty();
    view! {
        <Page title="Team">
            <div class="page-head">
                <div>
                    <h1>"Team"</h1>
                    <p>"Trainers judge. Reviewers also see results. Leads run projects. Owners decide who takes part."</p>
                </div>
            </div>
            <Scrolling label="People">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Email"</th>
                            <th scope="col">"Role"</th>
                            <th scope="col">"Since"</th>
                            <th scope="col">
                                <span class="sr-only">"Actions"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            <section class="card">
                <h2>"Invite"</h2>
                <form class="cluster" method="post" action="/team/invites">
                    <label for="invite-role">"Make a link for a new"</label>
                    {role_select("invite-role".into(), Role::Trainer)}
                    <button class="primary">"Make the link"</button>
                </form>
                <p class="soft small">"A link makes one account and holds for seven days."</p>
                {any_open.then(|| view! { <ul class="stack tight">{open}</ul> })}
            </section>
        </Page>
    }
}

fn person_row(person: User, viewer: &User) -> impl IntoView + use<> {
    let base = format!("/team/people/{}", person.id);
    let disabled = person.disabled_at.is_some();
    let own = person.id == viewer.id;
    let select = format!("role-{}", person.id);
    let actions = (!own).then(|| {
        let (action, label, class) = match disabled {
            true => ("enable", "Open again", "small"),
            false => ("disable", "Disable", "small danger"),
        };
        view! {
            <div class="team-actions">
                <form method="post" action=format!("{base}/role")>
                    <label class="sr-only" for=select.clone()>
                        {format!("Role of {}", person.name)}
                    </label>
                    {role_select(select, person.role)}
                    <button class="small">"Change"</button>
                </form>
                <form method="post" action=format!("{base}/{action}")>
                    <button class=class>{label}</button>
                </form>
            </div>
        }
    });
    view! {
        <tr>
            <th scope="row" dir="auto">
                {person.name}
                {own.then_some(" (you)")}
            </th>
            <td>{person.email}</td>
            <td>
                <span class="badge" class:gold=person.role == Role::Owner>
                    {person.role.as_str()}
                </span>
                {disabled.then(|| view! { " " <span class="badge bad">"disabled"</span> })}
            </td>
            <td>{text::date(person.created_at)}</td>
            <td>{actions}</td>
        </tr>
    }
}

fn invite_row(invite: Invite) -> impl IntoView {
    view! {
        <li>
            <form
                class="cluster"
                method="post"
                action=format!("/team/invites/{}/delete", invite.id)
            >
                <span>
                    "An open link for a " <strong>{invite.role.as_str()}</strong> ", until "
                    {text::date_time(invite.expires_at)}
                </span>
                <button class="small danger">"Take back"</button>
            </form>
        </li>
    }
}

fn role_select(id: String, selected: Role) -> impl IntoView {
    let options: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| {
            view! {
                <option value=role.as_str() selected=role == selected>
                    {role.as_str()}
                </option>
            }
        })
        .collect();
    view! {
        <select id=id name="role">
            {options}
        </select>
    }
}

//! Who takes part, and invitations.

mod invites;
mod tokens;

use domain::{
    permission::{Permission, Role},
    user::User,
};
use leptos::prelude::*;
use store::{api_token::ApiToken, invite::ListedInvite};

use self::{invites::invitations, tokens::TeamTokens};
use crate::{
    components::{Page, Scrolling, page_with},
    context, text,
    viewer::require,
};

/// People with their roles, and invitations. Whoever only invites sees names and roles; owners change them.
#[component]
pub fn TeamPage() -> impl IntoView {
    let data = async move {
        let viewer = require(Permission::Invite)?;
        let store = context::store();
        let invites = store.list_invites(&viewer).await?;
        let tokens = match viewer.role.may(Permission::ManageTeam) {
            true => store.list_all_api_tokens().await?,
            false => Vec::new(),
        };
        Ok((viewer, store.list_people().await?, invites, tokens))
    };
    page_with(
        data,
        |(viewer, people, invites, tokens)| view! { <Team viewer people invites tokens /> },
    )
}

#[component]
fn Team(viewer: User, people: Vec<User>, invites: Vec<ListedInvite>, tokens: Vec<ApiToken>) -> impl IntoView {
    let manages = viewer.role.may(Permission::ManageTeam);
    let holders = people.clone();
    let rows: Vec<_> = people
        .into_iter()
        .map(|person| person_row(person, &viewer, manages))
        .collect();
    view! {
        <Page title="Team">
            <div class="page-head">
                <div>
                    <h1>"Team"</h1>
                    <p>"Trainers judge. Reviewers also see results. Leads run projects and invite. Owners decide who takes part."</p>
                </div>
            </div>
            {invitations(&viewer, invites)}
            <h2>"People"</h2>
            <Scrolling label="People">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            {manages.then(|| view! { <th scope="col">"Email"</th> })}
                            <th scope="col">"Role"</th>
                            <th scope="col">"Since"</th>
                            {manages
                                .then(|| {
                                    view! {
                                        <th scope="col">
                                            <span class="sr-only">"Actions"</span>
                                        </th>
                                    }
                                })}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            {manages
                .then(|| {
                    view! {
                        <p class="soft small">
                            "Somebody lost their password? On the server, " <code>"touchstone admin set-password EMAIL"</code>
                            " gives them a new one."
                        </p>
                    }
                })}
            <TeamTokens tokens people=holders />
        </Page>
    }
}

fn person_row(person: User, viewer: &User, manages: bool) -> impl IntoView + use<> {
    let disabled = person.disabled_at.is_some();
    let own = person.id == viewer.id;
    let actions = manages.then(|| view! { <td>{(!own).then(|| person_actions(&person))}</td> });
    view! {
        <tr>
            <th scope="row" dir="auto">
                {person.name}
                {own.then_some(" (you)")}
            </th>
            {manages.then(|| view! { <td>{person.email}</td> })}
            <td>
                <span class="badge" class:gold=person.role == Role::Owner>
                    {person.role.as_str()}
                </span>
                {disabled.then(|| view! { " " <span class="badge bad">"disabled"</span> })}
            </td>
            <td class="nowrap">{text::date(person.created_at)}</td>
            {actions}
        </tr>
    }
}

fn person_actions(person: &User) -> impl IntoView + use<> {
    let base = format!("/team/people/{}", person.id);
    let select = format!("role-{}", person.id);
    let (action, label, class) = match person.disabled_at.is_some() {
        true => ("enable", "Enable", "small"),
        false => ("disable", "Disable", "small danger"),
    };
    view! {
        <div class="team-actions">
            <form method="post" action=format!("{base}/role")>
                <label class="sr-only" for=select.clone()>
                    {format!("Role of {}", person.name)}
                </label>
                {role_select(select, person.role, Role::Owner)}
                <button class="small">"Change role"</button>
            </form>
            <form method="post" action=format!("{base}/{action}")>
                <button class=class>{label}</button>
            </form>
        </div>
    }
}

/// The roles that a person of the role `by` may give.
fn role_select(id: String, selected: Role, by: Role) -> impl IntoView {
    let options: Vec<_> = Role::ALL
        .into_iter()
        .filter(|role| by.may_invite(*role))
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

//! The frame of a page: title, navigation, project tabs, flash, content; and how a page waits for its data.

use std::future::Future;

use axum::http::request::Parts;
use domain::{
    permission::{Permission, Role},
    project::Project,
    user::User,
};
use leptos::{either::Either, prelude::*};
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use super::PageTitle;
use crate::{
    context,
    error::AppError,
    flash,
    islands::{copy::Copied, theme::ThemeToggle},
    viewer::viewer,
};

/// Where in a project a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Judge,
    Rank,
    Judgements,
    Assignment,
    Prompts,
    Import,
    Train,
    Export,
}

impl Tab {
    const ALL: [(Tab, &'static str, &'static str, Permission); 9] = [
        (Tab::Overview, "Overview", "", Permission::ViewProjects),
        (Tab::Judge, "Judge", "/judge", Permission::Judge),
        (Tab::Rank, "Rank", "/judge?kind=ranking", Permission::Judge),
        (Tab::Judgements, "My judgements", "/judgements", Permission::Judge),
        (Tab::Prompts, "Prompts", "/prompts", Permission::Review),
        (
            Tab::Assignment,
            "Assignment",
            "/assignment",
            Permission::ManageProjects,
        ),
        (Tab::Import, "Import", "/import", Permission::ManageProjects),
        (Tab::Train, "Train", "/train", Permission::Review),
        (Tab::Export, "Export", "/export", Permission::Export),
    ];
}

/// A page in its frame. With `project`, the project's tabs stand under the header, `tab` marked.
#[component]
pub fn Page(
    /// Shown in the window's title; the page's own `h1` is the caller's.
    #[prop(into)]
    title: String,
    #[prop(optional)] project: Option<Project>,
    #[prop(optional)] tab: Option<Tab>,
    /// Uses the whole width, for work side by side.
    #[prop(optional)]
    wide: bool,
    children: Children,
) -> impl IntoView {
    let viewer = viewer();
    let tabs = project
        .zip(viewer.clone())
        .map(|(project, viewer)| project_tabs(&project, &viewer, tab));
    view! {
        <PageTitle text=title />
        <a class="skip-link" href="#main">
            "Skip to the content"
        </a>
        <header class="masthead">
            <a class="brand" href="/">
                <span class="brand-mark" aria-hidden="true"></span>
                "Touchstone"
            </a>
            {viewer.map(navigation)}
            <ThemeToggle />
        </header>
        {tabs}
        <main id="main" class="page" class:wide=wide>
            {flash::take()
                .map(|flash| {
                    let class = if flash.good { "alert good" } else { "alert bad" };
                    let role = if flash.good { "status" } else { "alert" };
                    view! {
                        <div class=class role=role>
                            {flash.text}
                            {flash
                                .secret
                                .map(|secret| {
                                    view! {
                                        <Copied>
                                            <code class="secret">{secret}</code>
                                        </Copied>
                                    }
                                })}
                        </div>
                    }
                })}
            {children()}
        </main>
    }
    .into_any()
}

fn navigation(viewer: User) -> impl IntoView {
    let path = use_context::<Parts>().map_or_else(String::new, |parts| parts.uri.path().to_owned());
    let here = move |link: &str| (path == link).then_some("page");
    let team = viewer
        .role
        .may(Permission::Invite)
        .then(|| view! { <a href="/team" aria-current=here("/team")>"Team"</a> });
    view! {
        <nav class="main-nav" aria-label="Main">
            <a href="/" aria-current=here("/")>
                "Projects"
            </a>
            {team}
            <a class="me" href="/account" aria-current=here("/account")>
                {viewer.name}
            </a>
            <form method="post" action="/sign-out">
                <button class="quiet">"Sign out"</button>
            </form>
        </nav>
    }
}

fn project_tabs(project: &Project, viewer: &User, current: Option<Tab>) -> impl IntoView + use<> {
    let base = format!("/projects/{}", project.id);
    let tabs: Vec<_> = Tab::ALL
        .into_iter()
        .filter(|(_, _, _, permission)| viewer.role.may(*permission))
        .map(|(tab, label, path, _)| {
            view! {
                <a href=format!("{base}{path}") aria-current=(current == Some(tab)).then_some("page")>
                    {label}
                </a>
            }
        })
        .collect();
    view! {
        <nav class="tabs" aria-label="Project">
            <span class="tabs-title" dir="auto">{project.name.clone()}</span>
            {tabs}
        </nav>
    }
}

/// The `:id` of this page's path.
pub fn path_id() -> Result<Uuid, AppError> {
    path_uuid("id")
}

/// An identifier in this page's path.
pub fn path_uuid(name: &str) -> Result<Uuid, AppError> {
    let missing = || AppError::NotFound("There is nothing at this address.".into());
    let id = use_params_map()
        .with_untracked(|params| params.get(name))
        .ok_or_else(missing)?;
    id.parse().map_err(|_| missing())
}

/// A whole page from a future: `view` frames what it gives (with [`Page`]), an error becomes a page that says so
/// with the right status.
pub fn page_with<T, F, V>(
    data: impl Future<Output = Result<T, AppError>> + Send + 'static,
    view: F,
) -> impl IntoView
where
    T: Send + 'static,
    F: FnOnce(T) -> V + Send + 'static,
    V: IntoView + 'static,
{
    Suspend::new(async move {
        match data.await {
            Ok(data) => Either::Left(view(data).into_any()),
            Err(error) => {
                let helpers = who_can_help(&error).await;
                Either::Right(error_page(error, helpers).into_any())
            }
        }
    })
}

/// The owners' names where only a role is missing: owners give roles.
async fn who_can_help(error: &AppError) -> Vec<String> {
    const NAMED: usize = 3;
    if *error != AppError::Forbidden {
        return Vec::new();
    }
    // A page that says what is wrong must not fail over who could help.
    let people = context::store().list_people().await.unwrap_or_default();
    people
        .into_iter()
        .filter(|person| person.role == Role::Owner && person.disabled_at.is_none())
        .map(|owner| owner.name)
        .take(NAMED)
        .collect()
}

/// A part of a page from a future, with its own way to show an error.
pub fn load<T, F, G, V, W>(
    data: impl Future<Output = Result<T, AppError>> + Send + 'static,
    view: F,
    failed: G,
) -> impl IntoView
where
    T: Send + 'static,
    F: FnOnce(T) -> V + Send + 'static,
    G: FnOnce(AppError) -> W + Send + 'static,
    V: IntoView + 'static,
    W: IntoView + 'static,
{
    Suspend::new(async move {
        match data.await {
            Ok(data) => Either::Left(view(data).into_any()),
            Err(error) => Either::Right(failed(error).into_any()),
        }
    })
}

/// A page that says what went wrong, and who can help.
pub(crate) fn error_page(error: AppError, helpers: Vec<String>) -> impl IntoView {
    context::answer_status(error.status());
    let title = match &error {
        AppError::SignedOut => "Signed out",
        AppError::Forbidden => "Not allowed",
        AppError::NotFound(_) => "Not found",
        AppError::Conflict(_) | AppError::Invalid(_) | AppError::TooLarge(_) => "That does not work",
        AppError::TooMany(_) => "Too fast",
        AppError::Unavailable(_) => "Not ready yet",
        AppError::Internal | AppError::Unreachable => "Something went wrong",
    };
    view! {
        <Page title=title>
            <div class="error-page">
                <p class="error-code" aria-hidden="true">
                    {error.status()}
                </p>
                <h1>{title}</h1>
                <p>{error.to_string()}</p>
                {(!helpers.is_empty()).then(|| view! { <p dir="auto">{format!("Who can help: {}.", helpers.join(", "))}</p> })}
                <p>
                    <a class="button" href="/">
                        "To the projects"
                    </a>
                </p>
            </div>
        </Page>
    }
}

//! Which page stands at which path. Every page is rendered whole before it is sent (`SsrMode::Async`), so that it
//! reads the same without scripts and its status is right.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

use crate::pages::{
    account, assignment, confirm, corrections, export, home, import, join, judge, judgements, missing,
    project, prompts, runs, scores, setup, sign_in, team,
};

/// The application: one router over all pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let whole = SsrMode::Async;
    view! {
        <Router>
            <Routes fallback=missing::MissingPage>
                <Route path=path!("/") view=home::HomePage ssr=whole.clone() />
                <Route path=path!("/setup") view=setup::SetupPage ssr=whole.clone() />
                <Route path=path!("/sign-in") view=sign_in::SignInPage ssr=whole.clone() />
                <Route path=path!("/join/:token") view=join::JoinPage ssr=whole.clone() />
                <Route path=path!("/team") view=team::TeamPage ssr=whole.clone() />
                <Route path=path!("/confirm") view=confirm::ConfirmPage ssr=whole.clone() />
                <Route path=path!("/account") view=account::AccountPage ssr=whole.clone() />
                <Route path=path!("/projects/:id") view=project::ProjectPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/judge") view=judge::JudgePage ssr=whole.clone() />
                <Route path=path!("/projects/:id/judgements") view=judgements::JudgementsPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/corrections") view=corrections::CorrectionsPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/assignment") view=assignment::AssignmentPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/prompts") view=prompts::PromptsPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/prompts/:prompt") view=prompts::PromptRecordPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/import") view=import::ImportPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/export") view=export::ExportPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/train") view=runs::TrainPage ssr=whole.clone() />
                <Route path=path!("/projects/:id/runs/compare") view=runs::ComparePage ssr=whole.clone() />
                <Route path=path!("/runs/:id") view=runs::RunPage ssr=whole.clone() />
                <Route path=path!("/runs/:id/scores") view=scores::ScoresPage ssr=whole />
            </Routes>
        </Router>
    }
}

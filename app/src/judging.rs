//! What judging needs on the server: comparisons made ready to be shown, and what comes back checked and kept.

use std::{collections::HashMap, sync::Arc};

use domain::{
    Millis,
    comparison::{ComparisonKind, presented_order},
    judgement::{Grade, Judgement, SkipReason, Verdict},
    project::Project,
    task::{Progress, ShownResponse, Submission, Task, Written, describe, groups_by_place},
    user::User,
};
use store::{
    Store, StoreError,
    assignment::{Claim, Hold, LEASE, PAGE_LEASE},
    comparison::{LoadedComparison, Worklist},
};
use uuid::Uuid;

use crate::{
    components::shown_turns,
    context::{self, Services},
    error::AppError,
    rendering::Rendering,
    server_fns::judge::JudgeForm,
    text::encoded,
};

/// One person at work in one project.
pub struct Desk {
    pub project: Project,
    user: Uuid,
    store: Store,
    rendering: Arc<dyn Rendering>,
}

impl Desk {
    /// Sits down; the caller has checked the permission.
    pub async fn open(project: Uuid, user: &User) -> Result<Desk, AppError> {
        let Services { store, rendering, .. } = context::services();
        Ok(Desk {
            project: store.find_project(project).await?,
            user: user.id,
            store,
            rendering,
        })
    }

    /// The next comparisons, at most four and none of `without`, held for the page of this seat.
    pub async fn next(
        &self,
        kind: ComparisonKind,
        seat: Uuid,
        without: &[Uuid],
    ) -> Result<Vec<Task>, AppError> {
        let claim = Claim {
            list: self.list(kind),
            seat,
            lease: LEASE,
            without,
            limit: 4,
        };
        self.tasks(&self.store.claim_comparisons(claim).await?).await
    }

    /// The comparison that a page begins with, held for longer: without scripts nothing renews it.
    pub async fn first(&self, kind: ComparisonKind, seat: Uuid) -> Result<Option<Task>, AppError> {
        let claim = Claim {
            list: self.list(kind),
            seat,
            lease: PAGE_LEASE,
            without: &[],
            limit: 1,
        };
        let ids = self.store.claim_comparisons(claim).await?;
        Ok(self.tasks(&ids).await?.pop())
    }

    /// Goes on holding what a page has; gives those that it holds now.
    pub async fn hold(
        &self,
        kind: ComparisonKind,
        seat: Uuid,
        shown: &[Uuid],
        ahead: &[Uuid],
    ) -> Result<Vec<Uuid>, AppError> {
        let hold = Hold {
            list: self.list(kind),
            seat,
            shown,
            ahead,
        };
        Ok(self.store.hold_comparisons(hold).await?)
    }

    /// One comparison.
    pub async fn task(&self, comparison: Uuid) -> Result<Task, AppError> {
        let found = self.tasks(&[comparison]).await?.pop();
        found.ok_or(StoreError::NotFound("The comparison").into())
    }

    /// How far the person and the project are.
    pub async fn progress(&self, kind: ComparisonKind) -> Result<Progress, AppError> {
        Ok(self.store.judging_progress(self.list(kind)).await?)
    }

    fn list(&self, kind: ComparisonKind) -> Worklist<'_> {
        Worklist {
            project: &self.project,
            user: self.user,
            kind,
        }
    }

    async fn tasks(&self, ids: &[Uuid]) -> Result<Vec<Task>, AppError> {
        let loaded = self.store.load_comparisons(self.project.id, ids).await?;
        let judgements = self.store.current_judgements(self.user, ids).await?;
        let corrections = self.store.current_corrections(self.user, ids).await?;
        let taken_back = self.taken_back(&judgements).await?;
        let rendered = self
            .rendering
            .render(loaded.iter().flat_map(texts).collect())
            .await;
        let mut rendered = rendered.into_iter();
        let task = |comparison: LoadedComparison| {
            let html: Vec<String> = rendered.by_ref().take(texts(&comparison).count()).collect();
            let own = judgements.iter().find(|own| own.comparison_id == comparison.id);
            let said = own.filter(|own| own.verdict != Verdict::Withdrawn);
            let before = own.and_then(|own| taken_back.iter().find(|old| Some(old.id) == own.supersedes));
            Task {
                supersedes: own.map(|own| own.id),
                written: said.or(before).map(Written::of).unwrap_or_default(),
                said: said.map(|own| describe(own.verdict, &own.ranking, &own.presented)),
                corrected: corrections.iter().any(|own| own.comparison_id == comparison.id),
                ..self.show(comparison, html)
            }
        };
        Ok(loaded.into_iter().map(task).collect())
    }

    /// What the withdrawals among these took back: what was written there is where the next draft begins.
    async fn taken_back(&self, judgements: &[Judgement]) -> Result<Vec<Judgement>, AppError> {
        let withdrawn = judgements.iter().filter(|own| own.verdict == Verdict::Withdrawn);
        let old: Vec<Uuid> = withdrawn.filter_map(|own| own.supersedes).collect();
        Ok(self.store.load_own_judgements(self.user, &old).await?)
    }

    /// The comparison in this person's order; `html` is that of its texts.
    fn show(&self, comparison: LoadedComparison, html: Vec<String>) -> Task {
        let order = presented_order(comparison.id, self.user, &comparison.response_ids());
        let mut html = html.into_iter();
        let turns = shown_turns(&comparison.prompt.messages, html.by_ref());
        let shown: HashMap<Uuid, String> = comparison.response_ids().into_iter().zip(html).collect();
        let responses = order.into_iter().filter_map(|id| {
            let html = shown.get(&id)?.clone();
            Some(ShownResponse { id, html })
        });
        Task {
            comparison_id: comparison.id,
            kind: comparison.kind,
            turns,
            responses: responses.collect(),
            category: comparison.prompt.category,
            language: comparison.prompt.language,
            supersedes: None,
            said: None,
            written: Written::default(),
            corrected: false,
        }
    }
}

/// What is rendered of a comparison: its turns, then its responses.
fn texts(comparison: &LoadedComparison) -> impl Iterator<Item = String> + '_ {
    let turns = comparison
        .prompt
        .messages
        .iter()
        .map(|message| message.content.clone());
    let responses = comparison
        .responses
        .iter()
        .map(|response| response.content.clone());
    turns.chain(responses)
}

/// Where comparisons of this kind are judged.
pub fn path(project: Uuid, kind: ComparisonKind) -> String {
    match kind {
        ComparisonKind::Pair => format!("/projects/{project}/judge"),
        ComparisonKind::Ranking => format!("/projects/{project}/judge?kind=ranking"),
    }
}

/// Where one comparison is judged again; with `from`, on the way back to the list that this query selects.
pub fn path_of(project: Uuid, comparison: Uuid, from: Option<&str>) -> String {
    let from = from.map_or_else(String::new, |query| format!("&from={}", encoded(query)));
    format!("/projects/{project}/judge?comparison={comparison}{from}")
}

/// Nobody has read a pair sooner after its page was made, in milliseconds: a double click reaches the next page.
const SOONEST: Millis = 400;

/// Whether a plain form came back before its page can have been read. Pages of another server's clock are let through.
pub fn came_unseen(shown_at: Millis, now: Millis) -> bool {
    (0..SOONEST).contains(&(now - shown_at))
}

/// Checks that the responses were shown in this person's order, and keeps the row.
pub async fn keep(project: Uuid, user: &User, submission: Submission) -> Result<(), AppError> {
    let store = context::store();
    let members = store.comparison_members(submission.comparison_id).await?;
    if submission.presented != presented_order(submission.comparison_id, user.id, &members) {
        return Err(AppError::Invalid(
            "The responses were not shown in the order that was drawn for you; please load the page anew."
                .into(),
        ));
    }
    let judgement = submission.into_judgement(user.id, store::now());
    store.insert_judgement(project, judgement).await?;
    Ok(())
}

/// What a posted form says about the task.
pub fn read_form(form: JudgeForm, task: &Task) -> Result<Submission, AppError> {
    let presented: Vec<Uuid> = task.responses.iter().map(|response| response.id).collect();
    let places = form.places();
    let (verdict, ranking) = match (form.say.as_str(), presented.as_slice()) {
        ("rank", ids) => {
            let groups = groups_by_place(ids, &places);
            let groups = groups.ok_or_else(|| AppError::Invalid("Give every response a place.".into()))?;
            (Verdict::Ranked, groups)
        }
        (say, _) if say.starts_with("skip:") => {
            let reason = SkipReason::ALL
                .into_iter()
                .find(|reason| Some(reason.as_str()) == say.get(5..));
            let reason = reason.ok_or_else(|| AppError::Invalid("Choose a reason to skip.".into()))?;
            (Verdict::Skipped { reason }, Vec::new())
        }
        (say, &[left, right]) => {
            let grade = Grade::ALL
                .into_iter()
                .find(|grade| grade.key().to_string() == say);
            let grade = grade.ok_or_else(|| AppError::Invalid("Choose one of the grades.".into()))?;
            grade.decide([left, right])
        }
        _ => return Err(AppError::Invalid("Give every response a place.".into())),
    };
    let supersedes = match form.supersedes.as_str() {
        "" => None,
        old => Some(
            old.parse()
                .map_err(|_| AppError::Invalid("The form is broken: load the page anew.".into()))?,
        ),
    };
    Ok(Submission {
        id: form.id,
        comparison_id: task.comparison_id,
        verdict,
        ranking,
        presented,
        flagged: form.flagged.is_some(),
        justification: Some(form.justification),
        confidence: form.confidence,
        active_ms: form.active_ms,
        supersedes,
    })
}

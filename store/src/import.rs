//! Bulk insertion: rows of a file become prompts, responses, comparisons and judgements.
//!
//! One batch is one transaction, and how far the import is goes with it: after a crash it goes on behind the last batch.
//! Identifiers come from the content ([`domain::identity`]), and what is there already is left as it is, so that a
//! second import of the same rows adds nothing.

use std::collections::HashSet;

use domain::{
    Millis,
    formats::{ComparedResponses, Opinion, Row},
    identity,
    import::ImportProgress,
    permission::Role,
    project::SCHEME_VERSION,
    prompt::{conversation_hash, text_hash},
    user::UserKind,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Set, Statement, sea_query::OnConflict};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, judgement, prompt, response, user},
    job::Lease,
    now,
};

/// Inserts the rows of one file into one project.
#[derive(Debug)]
pub struct Importer {
    store: Store,
    project: Uuid,
    import: Uuid,
    /// Whose judgements the rows' opinions become.
    annotator: Option<Uuid>,
    /// What this importer has committed, so that it is not sent again.
    seen: HashSet<Uuid>,
}

/// The rows that one batch adds, table by table, in an order that keeps the references whole.
#[derive(Default)]
struct Batch {
    prompts: Vec<prompt::ActiveModel>,
    responses: Vec<response::ActiveModel>,
    comparisons: Vec<comparison::ActiveModel>,
    members: Vec<comparison_response::ActiveModel>,
    judgements: Vec<judgement::ActiveModel>,
    seen: HashSet<Uuid>,
    at: Millis,
    /// How many people are to judge each comparison.
    wanted: i32,
    next: NextPositions,
}

/// Where the next of each goes: behind what the project has.
#[derive(Default)]
struct NextPositions {
    prompt: i64,
    pair: i64,
    ranking: i64,
}

impl Store {
    /// The imported annotator of that name, made if missing.
    pub async fn ensure_annotator(&self, name: &str) -> Result<Uuid, StoreError> {
        Store::ensure_annotator_in(self.writer(), name).await
    }

    /// As [`Store::ensure_annotator`], in the caller's transaction.
    pub async fn ensure_annotator_in(db: &impl ConnectionTrait, name: &str) -> Result<Uuid, StoreError> {
        crate::refuse_nul(name)?;
        let id = identity::annotator_id(name);
        let row = user::ActiveModel {
            id: Set(id),
            kind: Set(UserKind::Imported.as_str().to_owned()),
            name: Set(name.to_owned()),
            email: Set(None),
            password_hash: Set(None),
            role: Set(Role::Trainer.as_str().to_owned()),
            created_at: Set(now()),
            disabled_at: Set(None),
        };
        user::Entity::insert(row)
            .on_conflict(nothing())
            .exec_without_returning(db)
            .await?;
        Ok(id)
    }
}

impl Importer {
    /// `import` names what the rows come from: the job's identifier.
    pub fn new(store: Store, project: Uuid, import: Uuid, annotator: Option<Uuid>) -> Importer {
        Importer {
            store,
            project,
            import,
            annotator,
            seen: HashSet::new(),
        }
    }

    /// Inserts a batch and keeps the progress, in one transaction. The counts of what was new are added to the report
    /// in `progress`; with a lease, the job's progress is set to it, and a lost lease takes everything back.
    pub async fn insert(
        &mut self,
        rows: &[Row],
        progress: &mut ImportProgress,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let tx = match lease {
            Some(lease) => self.store.begin_held(lease).await?,
            None => self.store.begin().await?,
        };
        let mut batch = Batch {
            at: now(),
            wanted: self.store.wanted_of_new(&tx, self.project).await?,
            next: self.next_positions(&tx).await?,
            ..Batch::default()
        };
        for row in rows {
            self.add_row(&mut batch, row);
        }
        let mut report = progress.report.clone();
        report.prompts += insert_new(&tx, batch.prompts).await?;
        report.responses += insert_new(&tx, batch.responses).await?;
        report.comparisons += insert_new(&tx, batch.comparisons).await?;
        insert_new(&tx, batch.members).await?;
        let judged = insert_new(&tx, batch.judgements).await?;
        report.imported += judged;
        report.duplicates += (rows.len() as u64).saturating_sub(judged);
        progress.report = report;
        if let Some(lease) = lease {
            Store::set_job_progress(&tx, lease, json!(progress)).await?;
        }
        tx.commit().await?;
        self.seen.extend(batch.seen);
        Ok(())
    }

    fn add_row(&self, batch: &mut Batch, row: &Row) {
        let hash = conversation_hash(&row.prompt);
        let prompt_id = identity::prompt_id(self.project, &hash);
        if self.is_new(batch, prompt_id) {
            batch.prompts.push(prompt::ActiveModel {
                id: Set(prompt_id),
                project_id: Set(self.project),
                position: Set(batch.next.prompt),
                messages: Set(json!(row.prompt)),
                category: Set(row.category.clone()),
                language: Set(row.language.clone()),
                content_hash: Set(hash),
                import_id: Set(Some(self.import)),
                created_at: Set(batch.at),
            });
            batch.next.prompt += 1;
        }
        let mut responses = Vec::with_capacity(row.responses.len());
        for answer in &row.responses {
            let hash = text_hash(&answer.content);
            let id = identity::response_id(prompt_id, &hash);
            responses.push(id);
            if self.is_new(batch, id) {
                batch.responses.push(response::ActiveModel {
                    id: Set(id),
                    prompt_id: Set(prompt_id),
                    content: Set(answer.content.clone()),
                    model: Set(answer.model.clone()),
                    content_hash: Set(hash),
                    created_at: Set(batch.at),
                });
            }
        }
        for compared in &row.comparisons {
            self.add_comparison(batch, prompt_id, &responses, compared);
        }
    }

    fn add_comparison(&self, batch: &mut Batch, prompt: Uuid, all: &[Uuid], compared: &ComparedResponses) {
        // In the order of the identifiers, which is no order at all: the file's would tell which one was chosen.
        let mut members: Vec<Uuid> = compared.responses.iter().map(|&index| all[index]).collect();
        members.sort_unstable();
        let hash = identity::comparison_hash(&members);
        let id = identity::comparison_id(self.project, &hash);
        if self.is_new(batch, id) {
            let (kind, position) = match members.len() {
                2 => ("pair", &mut batch.next.pair),
                _ => ("ranking", &mut batch.next.ranking),
            };
            batch.comparisons.push(comparison::ActiveModel {
                id: Set(id),
                project_id: Set(self.project),
                prompt_id: Set(prompt),
                kind: Set(kind.to_owned()),
                position: Set(*position),
                content_hash: Set(hash),
                import_id: Set(Some(self.import)),
                created_at: Set(batch.at),
                wanted: Set(batch.wanted),
                wanted_apart: Set(false),
                judged: Set(0),
            });
            *position += 1;
            let members = members.iter().zip(0..);
            batch.members.extend(
                members.map(|(&response_id, position)| comparison_response::ActiveModel {
                    comparison_id: Set(id),
                    response_id: Set(response_id),
                    position: Set(position),
                }),
            );
        }
        if let (Some(annotator), Some(opinion)) = (self.annotator, &compared.opinion) {
            let judgement = self.judgement(annotator, id, &members, all, opinion, batch.at);
            batch.judgements.push(judgement);
        }
    }

    fn judgement(
        &self,
        annotator: Uuid,
        comparison: Uuid,
        presented: &[Uuid],
        all: &[Uuid],
        opinion: &Opinion,
        at: Millis,
    ) -> judgement::ActiveModel {
        let group = |group: &Vec<usize>| group.iter().map(|&index| all[index]).collect();
        let ranking: Vec<Vec<Uuid>> = opinion.ranking.iter().map(group).collect();
        let (verdict, strength) = match (presented.len(), ranking.len()) {
            (2, 2) => ("preferred", Some(opinion.strength.steps())),
            (2, _) => ("tied", None),
            _ => ("ranked", None),
        };
        judgement::ActiveModel {
            id: Set(identity::imported_judgement_id(annotator, comparison, &ranking)),
            project_id: Set(self.project),
            comparison_id: Set(comparison),
            user_id: Set(annotator),
            verdict: Set(verdict.to_owned()),
            strength: Set(strength),
            ranking: Set(json!(ranking)),
            presented: Set(json!(presented)),
            skip_reason: Set(None),
            flagged: Set(false),
            justification: Set(None),
            confidence: Set(None),
            scheme_version: Set(SCHEME_VERSION),
            active_ms: Set(None),
            supersedes: Set(None),
            import_id: Set(Some(self.import)),
            created_at: Set(at),
        }
    }

    fn is_new(&self, batch: &mut Batch, id: Uuid) -> bool {
        !self.seen.contains(&id) && batch.seen.insert(id)
    }

    async fn next_positions(&self, tx: &impl ConnectionTrait) -> Result<NextPositions, StoreError> {
        const NEXT: &str = "SELECT
            (SELECT COALESCE(MAX(position) + 1, 0) FROM prompt WHERE project_id = $1),
            (SELECT COALESCE(MAX(position) + 1, 0) FROM comparison WHERE project_id = $1 AND kind = 'pair'),
            (SELECT COALESCE(MAX(position) + 1, 0) FROM comparison WHERE project_id = $1 AND kind = 'ranking')";
        let statement = Statement::from_sql_and_values(self.store.backend(), NEXT, [self.project.into()]);
        let row = tx.query_one_raw(statement).await?;
        let row = row.ok_or(StoreError::NotFound("The project"))?;
        Ok(NextPositions {
            prompt: row.try_get_by_index(0)?,
            pair: row.try_get_by_index(1)?,
            ranking: row.try_get_by_index(2)?,
        })
    }
}

/// Inserts what is not there yet and tells how much that was.
async fn insert_new<A>(tx: &impl ConnectionTrait, rows: Vec<A>) -> Result<u64, StoreError>
where
    A: ActiveModelTrait,
{
    /// The statement's variables stay below SQLite's 32,766 with the widest table.
    const ROWS: usize = 1_500;
    let mut inserted = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        inserted += <A::Entity as EntityTrait>::insert_many(rows.by_ref().take(ROWS))
            .on_conflict(nothing())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(inserted)
}

fn nothing() -> OnConflict {
    OnConflict::new().do_nothing().to_owned()
}

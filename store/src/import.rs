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
    judgement::Strength,
    permission::Role,
    project::SCHEME_VERSION,
    prompt::near_hash,
    user::UserKind,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set, Statement,
    sea_query::OnConflict,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, imported_judgement, judgement, prompt, response, user},
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
    said: Vec<imported_judgement::ActiveModel>,
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

/// A row whose prompt and responses are in the batch.
struct Placed<'a> {
    row: &'a Row,
    prompt: Uuid,
    responses: Vec<Uuid>,
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
        let placed: Vec<Placed> = rows.iter().map(|row| self.add_row(&mut batch, row)).collect();
        let (unjudged, judged): (Vec<Placed>, Vec<Placed>) =
            placed.into_iter().partition(|placed| placed.row.is_unjudged());
        for placed in &judged {
            for compared in &placed.row.comparisons {
                self.add_comparison(&mut batch, placed, compared);
            }
        }
        let new_unjudged = self.add_unjudged(&tx, &mut batch, &unjudged).await?;
        let mut report = progress.report.clone();
        report.prompts += insert_new(&tx, batch.prompts).await?;
        report.responses += insert_new(&tx, batch.responses).await?;
        report.comparisons += insert_new(&tx, batch.comparisons).await?;
        insert_new(&tx, batch.members).await?;
        let new = new_unjudged + insert_new(&tx, batch.judgements).await?;
        insert_new(&tx, batch.said).await?;
        report.imported += new;
        report.duplicates += (rows.len() as u64).saturating_sub(new);
        progress.report = report;
        if let Some(lease) = lease {
            Store::set_job_progress(&tx, lease, json!(progress)).await?;
        }
        tx.commit().await?;
        self.seen.extend(batch.seen);
        Ok(())
    }

    fn add_row<'a>(&self, batch: &mut Batch, row: &'a Row) -> Placed<'a> {
        let hash = identity::prompt_hash(row);
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
                near_hash: Set(Some(near_hash(&row.prompt))),
                original: Set(row.original.clone().map(Value::from)),
                // A preference's columns are its own.
                columns: Set(row.is_unjudged().then(|| columns(&row.columns)).flatten()),
                import_id: Set(Some(self.import)),
                created_at: Set(batch.at),
            });
            batch.next.prompt += 1;
        }
        let mut responses = Vec::with_capacity(row.responses.len());
        for answer in &row.responses {
            let hash = identity::response_hash(answer);
            let id = identity::response_id(prompt_id, &hash);
            responses.push(id);
            if self.is_new(batch, id) {
                batch.responses.push(response::ActiveModel {
                    id: Set(id),
                    prompt_id: Set(prompt_id),
                    content: Set(answer.content.clone()),
                    model: Set(answer.model.clone()),
                    content_hash: Set(hash),
                    original: Set(answer.original.clone().map(Value::from)),
                    columns: Set(columns(&answer.columns)),
                    created_at: Set(batch.at),
                });
            }
        }
        Placed {
            row,
            prompt: prompt_id,
            responses,
        }
    }

    /// Adds the comparisons of responses that nobody has judged, the first of each prompt before the second of any, so that
    /// whoever judges them in order meets every prompt early. Tells how many rows bring something new.
    async fn add_unjudged(
        &self,
        tx: &impl ConnectionTrait,
        batch: &mut Batch,
        rows: &[Placed<'_>],
    ) -> Result<u64, StoreError> {
        let mut added: Vec<Vec<Uuid>> = vec![Vec::new(); rows.len()];
        let rounds = rows
            .iter()
            .map(|placed| placed.row.comparisons.len())
            .max()
            .unwrap_or(0);
        for round in 0..rounds {
            for (placed, added) in rows.iter().zip(&mut added) {
                if let Some(compared) = placed.row.comparisons.get(round) {
                    added.extend(self.add_comparison(batch, placed, compared));
                }
            }
        }
        let ids: Vec<Uuid> = added.concat();
        let mut known: HashSet<Uuid> = HashSet::new();
        for some in ids.chunks(ROWS) {
            let there = comparison::Entity::find()
                .select_only()
                .column(comparison::Column::Id)
                .filter(comparison::Column::Id.is_in(some.iter().copied()))
                .into_tuple::<Uuid>();
            known.extend(there.all(tx).await?);
        }
        let is_new = |ids: &&Vec<Uuid>| ids.iter().any(|id| !known.contains(id));
        Ok(added.iter().filter(is_new).count() as u64)
    }

    /// Gives the comparison's identifier if this import has not added it before.
    fn add_comparison(
        &self,
        batch: &mut Batch,
        placed: &Placed,
        compared: &ComparedResponses,
    ) -> Option<Uuid> {
        let all = &placed.responses;
        // In the order of the identifiers, which is no order at all: the file's would tell which one was chosen.
        let mut members: Vec<Uuid> = compared.responses.iter().map(|&index| all[index]).collect();
        members.sort_unstable();
        let hash = identity::comparison_hash(&members);
        let id = identity::comparison_id(self.project, &hash);
        let is_new = self.is_new(batch, id);
        if is_new {
            let (kind, position) = match members.len() {
                2 => ("pair", &mut batch.next.pair),
                _ => ("ranking", &mut batch.next.ranking),
            };
            batch.comparisons.push(comparison::ActiveModel {
                id: Set(id),
                project_id: Set(self.project),
                prompt_id: Set(placed.prompt),
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
            let columns = columns(&placed.row.columns);
            if opinion.margin.is_some() || columns.is_some() {
                batch.said.push(imported_judgement::ActiveModel {
                    judgement_id: judgement.id.clone(),
                    margin: Set(opinion.margin),
                    columns: Set(columns),
                });
            }
            batch.judgements.push(judgement);
        }
        is_new.then_some(id)
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
            (2, 2) => ("preferred", opinion.strength.map(Strength::steps)),
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

/// Rows of one statement, whose variables stay below SQLite's 32,766 with the widest table.
const ROWS: usize = 1_500;

/// Other columns as they are stored, if there are any.
fn columns(columns: &domain::formats::Columns) -> Option<Value> {
    (!columns.is_empty()).then(|| Value::Object(columns.clone()))
}

/// Inserts what is not there yet and tells how much that was.
async fn insert_new<A>(tx: &impl ConnectionTrait, rows: Vec<A>) -> Result<u64, StoreError>
where
    A: ActiveModelTrait,
{
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

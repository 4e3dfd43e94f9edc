//! The append-only history of judgements.
//!
//! A row is in force if no other supersedes it and it is not a withdrawal. One person has at most one row in force on
//! one comparison.

use domain::{
    comparison::ComparisonKind,
    judgement::{Judgement, SkipReason, Strength, Verdict},
    project::Project,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Set, sea_query::Expr,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::in_force::in_force;
use crate::{
    Store, StoreError,
    assignment::settle,
    entity::{comparison, comparison_response, judgement},
    refuse_derived,
};

/// A judgement in force, with the beginning of what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnJudgement {
    pub judgement: Judgement,
    pub kind: ComparisonKind,
}

impl Store {
    /// Adds a row. The same row sent twice is one row, and the second answer is as the first.
    pub async fn insert_judgement(
        &self,
        project: Uuid,
        judgement: Judgement,
    ) -> Result<Judgement, StoreError> {
        refuse_derived(judgement.id)?;
        let tx = self.begin().await?;
        // Locks the comparison on PostgreSQL, where writers do not wait for one another by themselves.
        let comparison = comparison::Entity::find_by_id(judgement.comparison_id)
            .filter(comparison::Column::ProjectId.eq(project))
            .lock_exclusive()
            .one(&tx)
            .await?;
        let comparison = comparison.ok_or(StoreError::NotFound("The comparison"))?;
        if let Some(row) = judgement::Entity::find_by_id(judgement.id).one(&tx).await? {
            return same_row(row.try_into()?, judgement);
        }
        let responses = response_ids(&tx, comparison.id).await?;
        judgement
            .check(&responses)
            .map_err(|error| StoreError::Invalid(format!("This judgement cannot be kept: {error}.")))?;
        let heads = heads(judgement.user_id)
            .filter(judgement::Column::ComparisonId.eq(comparison.id))
            .all(&tx)
            .await?;
        let standing = heads.iter().find(|row| row.verdict != "withdrawn");
        let in_force = standing.map(|row| row.id);
        match judgement.supersedes {
            None if judgement.verdict == Verdict::Withdrawn => {
                return Err(StoreError::Invalid("There is nothing to take back.".into()));
            }
            None if in_force.is_some() => {
                return Err(StoreError::Conflict(
                    "You have judged this one already, perhaps in another window; what you said there stands."
                        .into(),
                ));
            }
            Some(old)
                if !heads.iter().any(|row| row.id == old)
                    || in_force.is_some_and(|current| current != old) =>
            {
                return Err(StoreError::Conflict(
                    "What this would replace is not your current judgement of this comparison; look at it again."
                        .into(),
                ));
            }
            _ => {}
        }
        let row = to_row(project, &judgement);
        match row.insert(&tx).await {
            Ok(_) => {}
            Err(error) if StoreError::is_duplicate(&error) => {
                return Err(StoreError::Conflict(
                    "This judgement was replaced elsewhere at the same time.".into(),
                ));
            }
            Err(error) => return Err(error.into()),
        }
        let before = standing.map(|row| row.verdict.as_str());
        settle(&tx, project, &judgement, before).await?;
        tx.commit().await?;
        Ok(judgement)
    }

    /// The person's current rows on these comparisons: at most one in force on each, else the withdrawal that ended
    /// the history.
    pub async fn current_judgements(
        &self,
        user: Uuid,
        comparisons: &[Uuid],
    ) -> Result<Vec<Judgement>, StoreError> {
        let mut rows = heads(user)
            .filter(judgement::Column::ComparisonId.is_in(comparisons.iter().copied()))
            .all(self.reader())
            .await?;
        // Not ordered by the database: SQLite would walk all of the person's rows in the order of their time.
        rows.sort_by_key(|row| (row.verdict == "withdrawn", std::cmp::Reverse(row.created_at)));
        let mut found: Vec<Judgement> = Vec::with_capacity(rows.len());
        for row in rows {
            if !found.iter().any(|known| known.comparison_id == row.comparison_id) {
                found.push(row.try_into()?);
            }
        }
        Ok(found)
    }

    /// What the person said last in a project and stands: newest first, pairs and rankings or only one of them.
    pub async fn list_own_judgements(
        &self,
        project: &Project,
        user: Uuid,
        kind: Option<ComparisonKind>,
        limit: u64,
    ) -> Result<Vec<OwnJudgement>, StoreError> {
        let mut wanted = heads(user)
            .filter(judgement::Column::ProjectId.eq(project.id))
            .filter(judgement::Column::Verdict.ne("withdrawn"))
            .order_by_desc(judgement::Column::CreatedAt)
            .order_by_desc(judgement::Column::Id)
            .limit(limit);
        if let Some(kind) = kind {
            wanted = wanted.filter(Expr::cust(format!(
                "EXISTS (SELECT 1 FROM comparison c WHERE c.id = judgement.comparison_id AND c.kind = '{}')",
                kind.as_str()
            )));
        }
        let rows = wanted.all(self.reader()).await?;
        let mut own = Vec::with_capacity(rows.len());
        for row in rows {
            let judgement = Judgement::try_from(row)?;
            let kind = match judgement.presented.len() {
                0..=2 => ComparisonKind::Pair,
                _ => ComparisonKind::Ranking,
            };
            own.push(OwnJudgement { judgement, kind });
        }
        Ok(own)
    }

    /// The responses of a comparison, in the stored order.
    pub async fn comparison_members(&self, comparison: Uuid) -> Result<Vec<Uuid>, StoreError> {
        response_ids(self.reader(), comparison).await
    }

    /// Every row of a person on a comparison, oldest first.
    pub async fn judgement_history(
        &self,
        user: Uuid,
        comparison: Uuid,
    ) -> Result<Vec<Judgement>, StoreError> {
        let rows = judgement::Entity::find()
            .filter(judgement::Column::ComparisonId.eq(comparison))
            .filter(judgement::Column::UserId.eq(user))
            .order_by_asc(judgement::Column::CreatedAt)
            .all(self.reader())
            .await?;
        rows.into_iter().map(Judgement::try_from).collect()
    }
}

/// The responses of a comparison, in the stored order.
async fn response_ids(db: &impl ConnectionTrait, comparison: Uuid) -> Result<Vec<Uuid>, StoreError> {
    Ok(comparison_response::Entity::find()
        .select_only()
        .column(comparison_response::Column::ResponseId)
        .filter(comparison_response::Column::ComparisonId.eq(comparison))
        .order_by_asc(comparison_response::Column::Position)
        .into_tuple()
        .all(db)
        .await?)
}

/// The person's rows that no other supersedes.
fn heads(user: Uuid) -> Select<judgement::Entity> {
    judgement::Entity::find()
        .filter(judgement::Column::UserId.eq(user))
        .filter(Expr::cust(in_force!(judgement judgement)))
}

/// A row of the same identifier is there: fine if it says the same.
fn same_row(stored: Judgement, sent: Judgement) -> Result<Judgement, StoreError> {
    let sent = Judgement {
        created_at: stored.created_at,
        ..sent
    };
    if stored == sent {
        Ok(stored)
    } else {
        Err(StoreError::Conflict(
            "A different judgement was already sent under this identifier; the first one stands.".into(),
        ))
    }
}

fn to_row(project: Uuid, judgement: &Judgement) -> judgement::ActiveModel {
    let (strength, skip_reason) = match judgement.verdict {
        Verdict::Preferred { strength } => (strength.map(Strength::steps), None),
        Verdict::Skipped { reason } => (None, Some(reason.as_str().to_owned())),
        _ => (None, None),
    };
    judgement::ActiveModel {
        id: Set(judgement.id),
        project_id: Set(project),
        comparison_id: Set(judgement.comparison_id),
        user_id: Set(judgement.user_id),
        verdict: Set(verdict_str(judgement.verdict).to_owned()),
        strength: Set(strength),
        ranking: Set(json!(judgement.ranking)),
        presented: Set(json!(judgement.presented)),
        skip_reason: Set(skip_reason),
        flagged: Set(judgement.flagged),
        justification: Set(judgement.justification.clone()),
        confidence: Set(judgement.confidence),
        scheme_version: Set(judgement.scheme_version),
        active_ms: Set(judgement.active_ms),
        supersedes: Set(judgement.supersedes),
        import_id: Set(None),
        created_at: Set(judgement.created_at),
    }
}

fn verdict_str(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Preferred { .. } => "preferred",
        Verdict::Tied => "tied",
        Verdict::BothBad => "both_bad",
        Verdict::Ranked => "ranked",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Withdrawn => "withdrawn",
    }
}

impl TryFrom<judgement::Model> for Judgement {
    type Error = StoreError;

    fn try_from(row: judgement::Model) -> Result<Judgement, StoreError> {
        Ok(Judgement {
            verdict: read_verdict(&row)?,
            ranking: read("ranking", &row.ranking)?,
            presented: read("presented order", &row.presented)?,
            id: row.id,
            comparison_id: row.comparison_id,
            user_id: row.user_id,
            flagged: row.flagged,
            justification: row.justification,
            confidence: row.confidence,
            scheme_version: row.scheme_version,
            active_ms: row.active_ms,
            supersedes: row.supersedes,
            created_at: row.created_at,
        })
    }
}

fn read_verdict(row: &judgement::Model) -> Result<Verdict, StoreError> {
    let corrupt = |what| StoreError::Corrupt {
        what,
        value: row.id.to_string(),
    };
    Ok(match row.verdict.as_str() {
        "preferred" => Verdict::Preferred {
            strength: match row.strength {
                None => None,
                Some(steps) => {
                    let known = Strength::ALL
                        .into_iter()
                        .find(|strength| strength.steps() == steps);
                    Some(known.ok_or_else(|| corrupt("strength"))?)
                }
            },
        },
        "tied" => Verdict::Tied,
        "both_bad" => Verdict::BothBad,
        "ranked" => Verdict::Ranked,
        "skipped" => Verdict::Skipped {
            reason: SkipReason::ALL
                .into_iter()
                .find(|reason| Some(reason.as_str()) == row.skip_reason.as_deref())
                .ok_or_else(|| corrupt("skip reason"))?,
        },
        "withdrawn" => Verdict::Withdrawn,
        _ => return Err(corrupt("verdict")),
    })
}

fn read<T: DeserializeOwned>(what: &'static str, value: &Value) -> Result<T, StoreError> {
    T::deserialize(value).map_err(|_| StoreError::Corrupt {
        what,
        value: value.to_string().chars().take(80).collect(),
    })
}

//! Who has which comparison in hand.
//!
//! What is handed out is held for one person by a lease, a row of `assignment`: until it is judged, given back, or runs
//! out. A comparison is handed out as long as its judgements and the others' leases leave a place, so it gets no
//! judgement more than wanted; only one that comes after its lease ran out and was given to somebody else can be over.
//!
//! Whoever takes a place or uses one up locks the comparison first and counts then, in a statement of its own: on SQLite
//! by being the one writer, on PostgreSQL by the comparison's row, whose lock each statement's fresh snapshot
//! ([read committed](https://www.postgresql.org/docs/current/transaction-iso.html)) follows.

mod search;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{
    Millis,
    judgement::{Judgement, Verdict},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Set,
    Statement, Value,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use self::search::{FREE, any_place, choose};
use crate::{
    Store, StoreError,
    comparison::Worklist,
    entity::{assignment, comparison},
    now, placeholders,
};

/// How long a comparison is held for somebody who does nothing; activity renews it.
pub const LEASE: Duration = Duration::from_secs(5 * 60);

/// How long what a page shows is held: without scripts nothing renews it.
pub const PAGE_LEASE: Duration = Duration::from_secs(20 * 60);

/// The most that one person holds in a project: no page needs more, and nobody can keep all of it from the others.
pub const MOST_HELD: usize = 64;

/// How often a search starts again because others were faster. Each time somebody else got work, so it ends.
const ROUNDS: usize = 20;

/// Asks for comparisons to judge.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub list: Worklist<'a>,
    /// The page that they are for.
    pub seat: Uuid,
    pub lease: Duration,
    /// Those that the page has already.
    pub without: &'a [Uuid],
    pub limit: usize,
}

/// Asks to go on holding comparisons.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    pub list: Worklist<'a>,
    pub seat: Uuid,
    /// What is on the screen, and what was judged and not yet sent.
    pub shown: &'a [Uuid],
    /// What was fetched ahead, next first.
    pub ahead: &'a [Uuid],
}

/// For whom leases are taken, and for how long.
struct Holder {
    user: Uuid,
    project: Uuid,
    seat: Uuid,
    lease: Duration,
}

impl Store {
    /// Hands out comparisons to judge, at most `limit` and none of `without`: first those that the person holds already,
    /// then free ones that the person has neither judged nor skipped. Where little is left, less than `limit`, so that
    /// there is something for everyone.
    pub async fn claim_comparisons(&self, claim: Claim<'_>) -> Result<Vec<Uuid>, StoreError> {
        let start = self.place_to_start(claim.list).await?;
        let holder = Holder {
            user: claim.list.user,
            project: claim.list.project.id,
            seat: claim.seat,
            lease: claim.lease,
        };
        let mut taken = Vec::new();
        // Where others took some of what was chosen meanwhile, the next round keeps the rest and looks for more.
        for _ in 0..ROUNDS {
            let tx = self.begin().await?;
            share_settings(&tx, holder.project).await?;
            let chosen = choose(&tx, claim, start).await?;
            taken = take(&tx, &holder, &chosen).await?;
            tx.commit().await?;
            if taken.len() == chosen.len() {
                break;
            }
        }
        Ok(taken)
    }

    /// Renews leases, also those that ran out if nobody has taken the place. Returns those that are held now. Where
    /// nothing is left for others, what was fetched ahead is given back but for the next.
    pub async fn hold_comparisons(&self, hold: Hold<'_>) -> Result<Vec<Uuid>, StoreError> {
        let holder = Holder {
            user: hold.list.user,
            project: hold.list.project.id,
            seat: hold.seat,
            lease: LEASE,
        };
        let tx = self.begin().await?;
        share_settings(&tx, holder.project).await?;
        let all = [hold.shown, hold.ahead].concat();
        lock_comparisons(&tx, &all).await?;
        let mut wanted = all.as_slice();
        if hold.ahead.len() > 1 && !any_place(&tx, hold.list).await? {
            let (keep, rest) = all.split_at(hold.shown.len() + 1);
            drop_leases(&tx, holder.user, rest).await?;
            wanted = keep;
        }
        let held = take(&tx, &holder, wanted).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives back what a page held and will not judge. What another page of the same person has taken over stays.
    pub async fn give_back_comparisons(
        &self,
        user: Uuid,
        seat: Uuid,
        comparisons: &[Uuid],
    ) -> Result<(), StoreError> {
        of(user, comparisons)
            .filter(assignment::Column::Seat.eq(seat))
            .exec(self.writer())
            .await?;
        Ok(())
    }

    /// Clears away leases that ran out; they hold nothing any more.
    pub async fn delete_expired_assignments(&self) -> Result<u64, StoreError> {
        let gone = assignment::Entity::delete_many()
            .filter(assignment::Column::ExpiresAt.lte(now()))
            .exec(self.writer())
            .await?;
        Ok(gone.rows_affected)
    }
}

/// What a judgement that was just added does to the places: `before` is the verdict that it replaces. The comparison is
/// locked. Whoever takes a judgement back keeps the place, to judge anew.
pub(crate) async fn settle(
    tx: &DatabaseTransaction,
    project: Uuid,
    judgement: &Judgement,
    before: Option<&str>,
) -> Result<(), StoreError> {
    let counts = |verdict: &str| !matches!(verdict, "withdrawn" | "skipped");
    let after = !matches!(judgement.verdict, Verdict::Withdrawn | Verdict::Skipped { .. });
    let change = i32::from(after) - i32::from(before.is_some_and(counts));
    if change != 0 {
        comparison::Entity::update_many()
            .col_expr(
                comparison::Column::Judged,
                Expr::col(comparison::Column::Judged).add(change),
            )
            .filter(comparison::Column::Id.eq(judgement.comparison_id))
            .exec(tx)
            .await?;
    }
    if judgement.verdict != Verdict::Withdrawn {
        return drop_leases(tx, judgement.user_id, &[judgement.comparison_id]).await;
    }
    let holder = Holder {
        user: judgement.user_id,
        project,
        seat: Uuid::nil(),
        lease: LEASE,
    };
    take(tx, &holder, &[judgement.comparison_id]).await?;
    Ok(())
}

/// Takes or renews leases of those that have a place for the person, and returns these in the order given.
async fn take(tx: &DatabaseTransaction, holder: &Holder, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    lock_comparisons(tx, ids).await?;
    let at = now();
    let sql = format!(
        "SELECT c.id FROM comparison c WHERE c.project_id = $3 AND c.id IN ({}) AND {FREE}",
        placeholders(4, ids.len())
    );
    let fixed: [Value; 3] = [holder.user.into(), at.into(), holder.project.into()];
    let values = fixed.into_iter().chain(ids.iter().map(|&id| id.into()));
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    let mut free = Vec::with_capacity(ids.len());
    for row in tx.query_all_raw(statement).await? {
        free.push(row.try_get_by_index::<Uuid>(0)?);
    }
    let held = held_by(tx, holder).await?;
    let mut room = MOST_HELD.saturating_sub(held.len());
    let mut taken: Vec<Uuid> = Vec::with_capacity(free.len());
    for id in ids {
        let own = held.contains(id);
        if free.contains(id) && !taken.contains(id) && (own || room > 0) {
            room -= usize::from(!own);
            taken.push(*id);
        }
    }
    if taken.is_empty() {
        return Ok(taken);
    }
    let rows = taken.iter().map(|&id| assignment::ActiveModel {
        comparison_id: Set(id),
        user_id: Set(holder.user),
        project_id: Set(holder.project),
        seat: Set(holder.seat),
        expires_at: Set(at + holder.lease.as_millis() as Millis),
    });
    let renewed = OnConflict::columns([assignment::Column::ComparisonId, assignment::Column::UserId])
        .update_columns([assignment::Column::Seat, assignment::Column::ExpiresAt])
        .to_owned();
    assignment::Entity::insert_many(rows)
        .on_conflict(renewed)
        .exec_without_returning(tx)
        .await?;
    Ok(taken)
}

/// What the person holds in the project.
async fn held_by(tx: &DatabaseTransaction, holder: &Holder) -> Result<Vec<Uuid>, StoreError> {
    Ok(assignment::Entity::find()
        .select_only()
        .column(assignment::Column::ComparisonId)
        .filter(assignment::Column::UserId.eq(holder.user))
        .filter(assignment::Column::ProjectId.eq(holder.project))
        .filter(assignment::Column::ExpiresAt.gt(now()))
        .into_tuple()
        .all(tx)
        .await?)
}

/// Makes this transaction the only one that changes the places of these comparisons; in the order of their identifiers,
/// so that no two wait for each other. SQLite has one writer anyway.
async fn lock_comparisons(tx: &DatabaseTransaction, ids: &[Uuid]) -> Result<(), StoreError> {
    if tx.get_database_backend() == sea_orm::DbBackend::Sqlite || ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT id FROM comparison WHERE id IN ({}) ORDER BY id FOR NO KEY UPDATE",
        placeholders(1, ids.len())
    );
    let values = ids.iter().map(|&id| Value::from(id));
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.query_all_raw(statement).await?;
    Ok(())
}

/// Waits while somebody sets how many are wanted, which locks comparisons in an order of its own.
async fn share_settings(tx: &DatabaseTransaction, project: Uuid) -> Result<(), StoreError> {
    advisory_lock(tx, "pg_advisory_xact_lock_shared", project).await
}

/// Keeps everyone from handing out the project's comparisons until this transaction ends.
pub(crate) async fn change_settings(tx: &DatabaseTransaction, project: Uuid) -> Result<(), StoreError> {
    advisory_lock(tx, "pg_advisory_xact_lock", project).await
}

async fn advisory_lock(tx: &DatabaseTransaction, function: &str, project: Uuid) -> Result<(), StoreError> {
    let backend = tx.get_database_backend();
    if backend != sea_orm::DbBackend::Sqlite {
        let key = project.as_u128() as i64;
        let sql = format!("SELECT {function}($1)");
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [key.into()]))
            .await?;
    }
    Ok(())
}

async fn drop_leases(tx: &DatabaseTransaction, user: Uuid, ids: &[Uuid]) -> Result<(), StoreError> {
    of(user, ids).exec(tx).await?;
    Ok(())
}

fn of(user: Uuid, ids: &[Uuid]) -> sea_orm::DeleteMany<assignment::Entity> {
    assignment::Entity::delete_many()
        .filter(assignment::Column::UserId.eq(user))
        .filter(assignment::Column::ComparisonId.is_in(ids.iter().copied()))
}

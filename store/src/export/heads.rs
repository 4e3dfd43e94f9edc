//! Which rows a page of an export holds, by the sizes of their texts, before any text is read.

use domain::{Millis, user::UserKind};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use uuid::Uuid;

use super::{PAGE_BYTES, PAGE_ROWS};
use crate::{Store, StoreError, in_force::in_force};

/// A row without its texts.
#[derive(Debug, FromQueryResult)]
pub(super) struct Head {
    pub id: Uuid,
    pub created_at: Millis,
    /// Who said so: a person or a dataset.
    pub kind: String,
    /// Of its prompt, its responses and its own words.
    bytes: i64,
}

/// What a row's texts take, as SQL; `$messages` stands for the size of the prompt.
const BYTES: &str = "$messages + (SELECT COALESCE(SUM(octet_length(r.content)), 0)
    FROM comparison_response o JOIN response r ON r.id = o.response_id WHERE o.comparison_id = c.id)";

/// In force, in order, behind a row and not behind a time.
const ORDERED: &str = "t.created_at <= $2 AND (t.created_at > $3 OR (t.created_at = $3 AND t.id > $4))
    ORDER BY t.created_at, t.id";

impl Store {
    /// The judgements of the next page, in order, and whether more may follow.
    pub(super) async fn judgement_heads(
        &self,
        project: Uuid,
        kind: Option<UserKind>,
        until: Millis,
        after: (Millis, Uuid),
    ) -> Result<(Vec<Head>, bool), StoreError> {
        const IN_FORCE: &str = in_force!(judgement t);
        let kind = kind.map_or(String::new(), |kind| format!("AND u.kind = '{}'", kind.as_str()));
        let sql = format!(
            r#"SELECT t.id, t.created_at, u.kind, CAST({BYTES} AS BIGINT) AS bytes
              FROM judgement t JOIN "user" u ON u.id = t.user_id {kind}
              JOIN comparison c ON c.id = t.comparison_id JOIN prompt p ON p.id = c.prompt_id
              WHERE t.project_id = $1 AND t.verdict IN ('preferred', 'ranked')
              AND {IN_FORCE} AND {ORDERED}"#
        );
        self.heads(&sql, project, until, after).await
    }

    /// The corrections of the next page, in the same way.
    pub(super) async fn correction_heads(
        &self,
        project: Uuid,
        until: Millis,
        after: (Millis, Uuid),
    ) -> Result<(Vec<Head>, bool), StoreError> {
        const IN_FORCE: &str = in_force!(correction t);
        let sql = format!(
            r#"SELECT t.id, t.created_at, u.kind, CAST(octet_length(t.content) + {BYTES} AS BIGINT) AS bytes
              FROM correction t JOIN "user" u ON u.id = t.user_id
              JOIN comparison c ON c.id = t.comparison_id JOIN prompt p ON p.id = c.prompt_id
              WHERE t.project_id = $1 AND t.content <> ''
              AND {IN_FORCE} AND {ORDERED}"#
        );
        self.heads(&sql, project, until, after).await
    }

    async fn heads(
        &self,
        sql: &str,
        project: Uuid,
        until: Millis,
        (at, id): (Millis, Uuid),
    ) -> Result<(Vec<Head>, bool), StoreError> {
        let messages = match self.is_sqlite() {
            true => "octet_length(p.messages)",
            false => "octet_length(p.messages::text)",
        };
        let sql = format!("{} LIMIT {PAGE_ROWS}", sql.replace("$messages", messages));
        let values = [project.into(), until.into(), at.into(), id.into()];
        let statement = Statement::from_sql_and_values(self.backend(), &sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let found = rows.iter().map(|row| Head::from_query_result(row, ""));
        let mut heads = found.collect::<Result<Vec<_>, _>>()?;
        let full = heads.len() as u64 == PAGE_ROWS;
        let mut bytes = 0;
        let fitting = heads
            .iter()
            .take_while(|head| {
                bytes += head.bytes;
                bytes <= PAGE_BYTES
            })
            .count();
        let kept = fitting.max(1).min(heads.len());
        let cut = kept < heads.len();
        heads.truncate(kept);
        Ok((heads, full || cut))
    }
}

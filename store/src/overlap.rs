//! How many people judge each comparison: a number for the project, and others for comparisons that a lead chose.
//!
//! Raising it opens comparisons again, lowering it closes them; what was judged stays, and what is then over is surplus.

use domain::{comparison::ComparisonKind, project::MAX_WANTED};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    Statement, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    assignment::change_settings,
    comparison::kind_of,
    entity::{comparison, project, prompt},
};

/// Which comparisons of a project; what is None does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    pub comparison: Option<Uuid>,
    pub kind: Option<ComparisonKind>,
    pub category: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
}

/// Comparisons that are wanted equally often, and how far they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: ComparisonKind,
    pub wanted: u64,
    /// Whether a lead chose them, or they go by the project's number.
    pub apart: bool,
    pub comparisons: u64,
    /// Judgements that they have of those wanted.
    pub judged: u64,
    /// Judgements over the wanted number.
    pub surplus: u64,
}

impl Store {
    /// Sets how many people judge each comparison of a project that has no number of its own.
    pub async fn set_wanted(&self, project: Uuid, wanted: i32) -> Result<(), StoreError> {
        check(wanted)?;
        let tx = self.begin().await?;
        change_settings(&tx, project).await?;
        let changed = project::Entity::update_many()
            .col_expr(project::Column::JudgementsPerComparison, Expr::value(wanted))
            .filter(project::Column::Id.eq(project))
            .exec(&tx)
            .await?;
        if changed.rows_affected == 0 {
            return Err(StoreError::NotFound("The project"));
        }
        comparison::Entity::update_many()
            .col_expr(comparison::Column::Wanted, Expr::value(wanted))
            .filter(comparison::Column::ProjectId.eq(project))
            .filter(comparison::Column::WantedApart.eq(false))
            .filter(comparison::Column::Wanted.ne(wanted))
            .exec(&tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sets how many people judge the chosen comparisons, or with None lets them go by the project's number again.
    /// Returns how many were chosen.
    pub async fn set_wanted_apart(
        &self,
        project: Uuid,
        chosen: &Chosen,
        wanted: Option<i32>,
    ) -> Result<u64, StoreError> {
        if let Some(wanted) = wanted {
            check(wanted)?;
        }
        let tx = self.begin().await?;
        change_settings(&tx, project).await?;
        let number = match wanted {
            Some(wanted) => wanted,
            None => self.wanted_of_new(&tx, project).await?,
        };
        let mut rows = comparison::Entity::update_many()
            .col_expr(comparison::Column::Wanted, Expr::value(number))
            .col_expr(comparison::Column::WantedApart, Expr::value(wanted.is_some()))
            .filter(comparison::Column::ProjectId.eq(project));
        if let Some(id) = chosen.comparison {
            rows = rows.filter(comparison::Column::Id.eq(id));
        }
        if let Some(kind) = chosen.kind {
            rows = rows.filter(comparison::Column::Kind.eq(kind.as_str()));
        }
        if chosen.category.is_some() || chosen.language.is_some() {
            let mut prompts = prompt::Entity::find()
                .select_only()
                .column(prompt::Column::Id)
                .filter(prompt::Column::ProjectId.eq(project));
            if let Some(category) = &chosen.category {
                prompts = prompts.filter(prompt::Column::Category.eq(category));
            }
            if let Some(language) = &chosen.language {
                prompts = prompts.filter(prompt::Column::Language.eq(language));
            }
            rows = rows.filter(comparison::Column::PromptId.in_subquery(prompts.into_query()));
        }
        let changed = rows.exec(&tx).await?;
        tx.commit().await?;
        Ok(changed.rows_affected)
    }

    /// How much is wanted in a project, and how much of it is there.
    pub async fn list_workload(&self, project: Uuid) -> Result<Vec<Workload>, StoreError> {
        const BY_NUMBER: &str = "SELECT kind, CAST(wanted AS BIGINT),
          CAST(CASE WHEN wanted_apart THEN 1 ELSE 0 END AS BIGINT), COUNT(*),
          CAST(SUM(CASE WHEN judged < wanted THEN judged ELSE wanted END) AS BIGINT),
          CAST(SUM(CASE WHEN judged > wanted THEN judged - wanted ELSE 0 END) AS BIGINT)
        FROM comparison WHERE project_id = $1
        GROUP BY kind, wanted, wanted_apart ORDER BY kind, wanted_apart, wanted";
        let statement = Statement::from_sql_and_values(self.backend(), BY_NUMBER, [project.into()]);
        let mut workload = Vec::new();
        for row in self.reader().query_all_raw(statement).await? {
            let number = |index| -> Result<u64, StoreError> {
                Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(0))
            };
            workload.push(Workload {
                kind: kind_of(&row.try_get_by_index::<String>(0)?)?,
                wanted: number(1)?,
                apart: number(2)? == 1,
                comparisons: number(3)?,
                judged: number(4)?,
                surplus: number(5)?,
            });
        }
        Ok(workload)
    }

    /// The categories and the languages of a project's prompts, to choose by; at most `limit` of each.
    pub async fn list_prompt_groups(
        &self,
        project: Uuid,
        limit: u64,
    ) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let of = async |column: prompt::Column| -> Result<Vec<String>, StoreError> {
            Ok(prompt::Entity::find()
                .select_only()
                .column(column)
                .distinct()
                .filter(prompt::Column::ProjectId.eq(project))
                .filter(column.is_not_null())
                .limit(limit)
                .into_tuple()
                .all(self.reader())
                .await?)
        };
        let (mut categories, mut languages) = (
            of(prompt::Column::Category).await?,
            of(prompt::Column::Language).await?,
        );
        categories.sort_unstable();
        languages.sort_unstable();
        Ok((categories, languages))
    }

    /// How many people are to judge a comparison that is added now. The project's number stays until `tx` ends.
    pub(crate) async fn wanted_of_new(
        &self,
        tx: &DatabaseTransaction,
        project: Uuid,
    ) -> Result<i32, StoreError> {
        let lock = if self.is_sqlite() { "" } else { " FOR SHARE" };
        let sql = format!("SELECT judgements_per_comparison FROM project WHERE id = $1{lock}");
        let statement = Statement::from_sql_and_values(self.backend(), sql, [project.into()]);
        let row = tx.query_one_raw(statement).await?;
        Ok(row
            .ok_or(StoreError::NotFound("The project"))?
            .try_get_by_index(0)?)
    }
}

fn check(wanted: i32) -> Result<(), StoreError> {
    if (1..=MAX_WANTED).contains(&wanted) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "A comparison is judged by 1 to {MAX_WANTED} people."
    )))
}

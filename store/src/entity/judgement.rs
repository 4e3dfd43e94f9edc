//! One row of the append-only history; `ranking` and `presented` as in `domain::judgement::Judgement`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "judgement")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    pub verdict: String,
    pub strength: Option<i32>,
    #[sea_orm(column_type = "JsonBinary")]
    pub ranking: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub presented: Json,
    pub skip_reason: Option<String>,
    pub flagged: bool,
    #[sea_orm(column_type = "Text", nullable)]
    pub justification: Option<String>,
    pub confidence: Option<i32>,
    pub scheme_version: i32,
    pub active_ms: Option<i64>,
    pub supersedes: Option<Uuid>,
    pub import_id: Option<Uuid>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! The answer that should have been given, written from `response_id` or from nothing.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "correction")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    pub response_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub content: String,
    pub supersedes: Option<Uuid>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

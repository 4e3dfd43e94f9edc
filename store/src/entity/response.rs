//! One answer to a prompt.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "response")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub prompt_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub content: String,
    pub model: Option<String>,
    pub content_hash: String,
    /// The messages as they came in, where `content` does not say it all.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub original: Option<Json>,
    /// What else the file said of it.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub columns: Option<Json>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

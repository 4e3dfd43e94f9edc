//! A conversation up to the turn to be answered; `messages` is a list of `domain::prompt::Message`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "prompt")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub position: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub messages: Json,
    pub category: Option<String>,
    pub language: Option<String>,
    pub content_hash: String,
    /// `domain::prompt::near_hash`; null in rows from before it was kept, for which `content_hash` stands.
    pub near_hash: Option<String>,
    /// The messages as they came in, where `messages` does not say it all.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub original: Option<Json>,
    /// What else the file said of it.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub columns: Option<Json>,
    pub import_id: Option<Uuid>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

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
    pub import_id: Option<Uuid>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

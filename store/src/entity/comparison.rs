//! Two or more responses to one prompt, to be judged together.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "comparison")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub prompt_id: Uuid,
    pub kind: String,
    pub position: i64,
    pub content_hash: String,
    pub import_id: Option<Uuid>,
    pub created_at: i64,
    /// How many people are to judge it.
    pub wanted: i32,
    /// Whether `wanted` is its own, which the project's number does not touch.
    pub wanted_apart: bool,
    /// How many have: people's judgements in force that are no skips.
    pub judged: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

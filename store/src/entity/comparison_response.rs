//! Which responses a comparison holds, in order.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "comparison_response")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub comparison_id: Uuid,
    pub response_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

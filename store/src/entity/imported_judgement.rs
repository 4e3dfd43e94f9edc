//! What the line of an imported judgement said besides its preference; there is no row where it said nothing.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "imported_judgement")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub judgement_id: Uuid,
    /// By how much the chosen reward should lead.
    pub margin: Option<f64>,
    /// The line's other columns.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub columns: Option<Json>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

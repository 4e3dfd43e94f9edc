//! What files say beside texts and preferences: messages as they came in, other columns, margins; and by what prompts that differ
//! in white space alone are known as one.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Each is null where the file said nothing more; `near_hash` also in rows from before this migration.
const COLUMNS: [(&str, &str); 5] = [
    ("prompt", "original"),
    ("prompt", "columns"),
    ("prompt", "near_hash"),
    ("response", "original"),
    ("response", "columns"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in COLUMNS {
            let column = match column {
                "near_hash" => string_null(column),
                _ => json_binary_null(column),
            };
            let change = Table::alter().table(table).add_column(column).to_owned();
            schema.alter_table(change).await?;
        }
        schema.create_table(imported_judgement()).await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema
            .drop_table(Table::drop().table("imported_judgement").to_owned())
            .await?;
        for (table, column) in COLUMNS {
            let change = Table::alter().table(table).drop_column(column).to_owned();
            schema.alter_table(change).await?;
        }
        Ok(())
    }
}

/// What the line of an imported judgement said besides.
fn imported_judgement() -> TableCreateStatement {
    Table::create()
        .table("imported_judgement")
        .col(pk_uuid("judgement_id"))
        .col(double_null("margin"))
        .col(json_binary_null("columns"))
        .foreign_key(
            ForeignKey::create()
                .from("imported_judgement", "judgement_id")
                .to("judgement", "id"),
        )
        .to_owned()
}

//! Prompts have an order of their own, as comparisons have: lists go through a project by it, a page at a time. And flags
//! are found without looking at every judgement.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let position = big_integer("position").default(0).take();
        schema
            .alter_table(Table::alter().table("prompt").add_column(position).to_owned())
            .await?;
        let db = schema.get_connection();
        db.execute_unprepared(NUMBER_PROMPTS).await?;
        schema
            .create_index(index("prompt", &["project_id", "position"]))
            .await?;
        db.execute_unprepared("CREATE INDEX idx_judgement_flagged ON judgement (project_id) WHERE flagged")
            .await?;
        Ok(())
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for (table, name) in [
            ("judgement", "idx_judgement_flagged"),
            ("prompt", "idx_prompt_project_id_position"),
        ] {
            schema
                .drop_index(Index::drop().name(name).table(table).to_owned())
                .await?;
        }
        schema
            .alter_table(Table::alter().table("prompt").drop_column("position").to_owned())
            .await
    }
}

/// In the order in which they came in: prompts of one batch have one time, and their comparisons the order of the file.
const NUMBER_PROMPTS: &str = "UPDATE prompt SET position = numbered.place FROM (
    SELECT p.id AS id, ROW_NUMBER() OVER
        (PARTITION BY p.project_id ORDER BY p.created_at, c.first_position, p.id) - 1 AS place
    FROM prompt p LEFT JOIN
        (SELECT prompt_id, MIN(position) AS first_position FROM comparison GROUP BY prompt_id) AS c
        ON c.prompt_id = p.id) AS numbered
    WHERE numbered.id = prompt.id";

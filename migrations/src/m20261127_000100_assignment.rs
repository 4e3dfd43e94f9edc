//! Who has which comparison in hand, how many judgements each comparison is to get, and how many it has.
//!
//! `comparison.judged` and `comparison.wanted` are what a search for open comparisons goes by: without them it would
//! have to count the judgements of everything that it passes.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for column in [
            integer("wanted").default(1).take(),
            boolean("wanted_apart").default(false).take(),
            integer("judged").default(0).take(),
        ] {
            let table = Table::alter().table("comparison").add_column(column).take();
            schema.alter_table(table).await?;
        }
        let db = schema.get_connection();
        db.execute_unprepared(WANTED).await?;
        db.execute_unprepared(JUDGED).await?;
        db.execute_unprepared(OPEN).await?;
        schema.create_index(counts()).await?;
        schema.create_table(assignment()).await?;
        schema
            .create_index(index("assignment", &["user_id", "project_id"]))
            .await?;
        schema.create_index(index("assignment", &["project_id"])).await?;
        schema
            .create_index(index("judgement", &["user_id", "project_id", "created_at"]))
            .await?;
        schema
            .drop_index(named("judgement", "idx_judgement_user_id_created_at"))
            .await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema
            .create_index(index("judgement", &["user_id", "created_at"]))
            .await?;
        schema
            .drop_index(named("judgement", "idx_judgement_user_id_project_id_created_at"))
            .await?;
        schema
            .drop_table(Table::drop().table("assignment").to_owned())
            .await?;
        schema.drop_index(named("comparison", COUNTS)).await?;
        schema
            .drop_index(named("comparison", "idx_comparison_open"))
            .await?;
        for column in ["judged", "wanted_apart", "wanted"] {
            let table = Table::alter().table("comparison").drop_column(column).take();
            schema.alter_table(table).await?;
        }
        Ok(())
    }
}

const WANTED: &str = "UPDATE comparison SET wanted = (SELECT judgements_per_comparison FROM project
  WHERE project.id = comparison.project_id)
WHERE project_id IN (SELECT id FROM project WHERE judgements_per_comparison <> 1)";

/// People's judgements in force that are no skips.
const JUDGED: &str = r#"UPDATE comparison SET judged = (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id
  WHERE j.comparison_id = comparison.id AND u.kind = 'person' AND j.verdict NOT IN ('withdrawn', 'skipped')
    AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id))
WHERE id IN (SELECT j.comparison_id FROM judgement j JOIN "user" u ON u.id = j.user_id WHERE u.kind = 'person')"#;

/// What a search for work walks along: comparisons that want another judgement, in the project's order.
const OPEN: &str =
    "CREATE INDEX idx_comparison_open ON comparison (project_id, kind, position) WHERE judged < wanted";

/// Everything that sums over a project need, so that they never touch the rows.
fn counts() -> IndexCreateStatement {
    index(
        "comparison",
        &["project_id", "kind", "judged", "wanted", "wanted_apart"],
    )
}

const COUNTS: &str = "idx_comparison_project_id_kind_judged_wanted_wanted_apart";

fn named(table: &'static str, name: &'static str) -> IndexDropStatement {
    Index::drop().name(name).table(table).to_owned()
}

/// A comparison held for a person until a time. `seat` is the page that it was handed to.
fn assignment() -> TableCreateStatement {
    Table::create()
        .table("assignment")
        .col(uuid("comparison_id"))
        .col(uuid("user_id"))
        .col(uuid("project_id"))
        .col(uuid("seat"))
        .col(big_integer("expires_at"))
        .primary_key(Index::create().col("comparison_id").col("user_id"))
        .foreign_key(
            ForeignKey::create()
                .from("assignment", "comparison_id")
                .to("comparison", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("assignment", "user_id")
                .to("user", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("assignment", "project_id")
                .to("project", "id"),
        )
        .to_owned()
}

//! What is collected: projects, prompts, responses, comparisons, and the append-only judgements and corrections.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema.create_table(project()).await?;
        schema.create_table(prompt()).await?;
        schema
            .create_index(index("prompt", &["project_id", "content_hash"]).unique().take())
            .await?;
        schema.create_table(response()).await?;
        schema
            .create_index(index("response", &["prompt_id", "content_hash"]).unique().take())
            .await?;
        schema.create_table(comparison()).await?;
        schema
            .create_index(
                index("comparison", &["project_id", "content_hash"])
                    .unique()
                    .take(),
            )
            .await?;
        schema
            .create_index(index("comparison", &["project_id", "kind", "position"]))
            .await?;
        schema.create_index(index("comparison", &["prompt_id"])).await?;
        schema.create_table(comparison_response()).await?;
        schema
            .create_index(index("comparison_response", &["response_id"]))
            .await?;
        schema.create_table(judgement()).await?;
        schema
            .create_index(index("judgement", &["comparison_id", "user_id"]))
            .await?;
        schema
            .create_index(index("judgement", &["project_id", "created_at"]))
            .await?;
        schema
            .create_index(index("judgement", &["user_id", "created_at"]))
            .await?;
        schema
            .create_index(index("judgement", &["supersedes"]).unique().take())
            .await?;
        schema.create_table(correction()).await?;
        schema
            .create_index(index("correction", &["comparison_id"]))
            .await?;
        schema
            .create_index(index("correction", &["project_id", "created_at"]))
            .await?;
        schema
            .create_index(index("correction", &["supersedes"]).unique().take())
            .await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "correction",
            "judgement",
            "comparison_response",
            "comparison",
            "response",
            "prompt",
            "project",
        ];
        for table in tables {
            schema
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn project() -> TableCreateStatement {
    Table::create()
        .table("project")
        .col(pk_uuid("id"))
        .col(string_uniq("name"))
        .col(text("instructions"))
        .col(boolean("demo"))
        .col(integer("scheme_version"))
        .col(integer("judgements_per_comparison"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("archived_at"))
        .foreign_key(
            ForeignKey::create()
                .from("project", "created_by")
                .to("user", "id"),
        )
        .to_owned()
}

/// A conversation up to the turn to be answered; `messages` is a list of `{role, content}`.
fn prompt() -> TableCreateStatement {
    Table::create()
        .table("prompt")
        .col(pk_uuid("id"))
        .col(uuid("project_id"))
        .col(json_binary("messages"))
        .col(string_null("category"))
        .col(string_null("language"))
        .col(string("content_hash"))
        .col(uuid_null("import_id"))
        .col(big_integer("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("prompt", "project_id")
                .to("project", "id"),
        )
        .to_owned()
}

fn response() -> TableCreateStatement {
    Table::create()
        .table("response")
        .col(pk_uuid("id"))
        .col(uuid("prompt_id"))
        .col(text("content"))
        .col(string_null("model"))
        .col(string("content_hash"))
        .col(big_integer("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("response", "prompt_id")
                .to("prompt", "id"),
        )
        .to_owned()
}

/// Two or more responses to one prompt, to be judged together. `kind` is `pair` or `ranking`.
fn comparison() -> TableCreateStatement {
    Table::create()
        .table("comparison")
        .col(pk_uuid("id"))
        .col(uuid("project_id"))
        .col(uuid("prompt_id"))
        .col(string("kind"))
        .col(big_integer("position"))
        .col(string("content_hash"))
        .col(uuid_null("import_id"))
        .col(big_integer("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("comparison", "project_id")
                .to("project", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("comparison", "prompt_id")
                .to("prompt", "id"),
        )
        .to_owned()
}

fn comparison_response() -> TableCreateStatement {
    Table::create()
        .table("comparison_response")
        .col(uuid("comparison_id"))
        .col(uuid("response_id"))
        .col(integer("position"))
        .primary_key(Index::create().col("comparison_id").col("position"))
        .foreign_key(
            ForeignKey::create()
                .from("comparison_response", "comparison_id")
                .to("comparison", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("comparison_response", "response_id")
                .to("response", "id"),
        )
        .to_owned()
}

/// Append-only. `id` is made by the client, so that a retry is the same row; an edit or an undo is a new row
/// whose `supersedes` names the old one (unique: a row is superseded once).
fn judgement() -> TableCreateStatement {
    Table::create()
        .table("judgement")
        .col(pk_uuid("id"))
        .col(uuid("project_id"))
        .col(uuid("comparison_id"))
        .col(uuid("user_id"))
        .col(string("verdict"))
        .col(integer_null("strength"))
        .col(json_binary("ranking"))
        .col(json_binary("presented"))
        .col(string_null("skip_reason"))
        .col(boolean("flagged"))
        .col(text_null("justification"))
        .col(integer_null("confidence"))
        .col(integer("scheme_version"))
        .col(big_integer_null("active_ms"))
        .col(uuid_null("supersedes"))
        .col(uuid_null("import_id"))
        .col(big_integer("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("judgement", "project_id")
                .to("project", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("judgement", "comparison_id")
                .to("comparison", "id"),
        )
        .foreign_key(ForeignKey::create().from("judgement", "user_id").to("user", "id"))
        .foreign_key(
            ForeignKey::create()
                .from("judgement", "supersedes")
                .to("judgement", "id"),
        )
        .to_owned()
}

/// Append-only: the answer that should have been given, written from `response_id` or from nothing.
fn correction() -> TableCreateStatement {
    Table::create()
        .table("correction")
        .col(pk_uuid("id"))
        .col(uuid("project_id"))
        .col(uuid("comparison_id"))
        .col(uuid("user_id"))
        .col(uuid_null("response_id"))
        .col(text("content"))
        .col(uuid_null("supersedes"))
        .col(big_integer("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("correction", "project_id")
                .to("project", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("correction", "comparison_id")
                .to("comparison", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("correction", "user_id")
                .to("user", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("correction", "response_id")
                .to("response", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("correction", "supersedes")
                .to("correction", "id"),
        )
        .to_owned()
}

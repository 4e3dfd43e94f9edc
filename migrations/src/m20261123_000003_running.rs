//! What runs: the job queue, training runs with their events, and the scores they give to responses.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema.create_table(job()).await?;
        schema
            .create_index(index("job", &["state", "lease_until"]))
            .await?;
        schema
            .create_index(index("job", &["project_id", "created_at"]))
            .await?;
        schema.create_table(run()).await?;
        schema
            .create_index(index("run", &["project_id", "created_at"]))
            .await?;
        schema.create_table(run_event()).await?;
        schema.create_table(score()).await?;
        schema.create_index(index("score", &["response_id"])).await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for table in ["score", "run_event", "run", "job"] {
            schema
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// Work for a worker. A worker that claims a row holds it until `lease_until` and renews that by heartbeat;
/// a row whose lease has run out is anyone's again.
fn job() -> TableCreateStatement {
    Table::create()
        .table("job")
        .col(pk_uuid("id"))
        .col(string("kind"))
        .col(string("state"))
        .col(uuid_null("project_id"))
        .col(uuid_null("run_id"))
        .col(json_binary("payload"))
        .col(json_binary_null("progress"))
        .col(json_binary_null("result"))
        .col(text_null("error"))
        .col(integer("attempts"))
        .col(string_null("worker"))
        .col(big_integer_null("lease_until"))
        .col(boolean("cancel_requested"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("started_at"))
        .col(big_integer_null("finished_at"))
        .foreign_key(ForeignKey::create().from("job", "project_id").to("project", "id"))
        .to_owned()
}

/// One training of a reward model: its configuration, its data and what came out.
fn run() -> TableCreateStatement {
    Table::create()
        .table("run")
        .col(pk_uuid("id"))
        .col(uuid("project_id"))
        .col(string("name"))
        .col(string("state"))
        .col(json_binary("config"))
        .col(json_binary("data"))
        .col(json_binary_null("metrics"))
        .col(text_null("error"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("started_at"))
        .col(big_integer_null("finished_at"))
        .foreign_key(ForeignKey::create().from("run", "project_id").to("project", "id"))
        .to_owned()
}

/// What a run told, in order; `seq` counts from 1 within the run.
fn run_event() -> TableCreateStatement {
    Table::create()
        .table("run_event")
        .col(uuid("run_id"))
        .col(big_integer("seq"))
        .col(json_binary("event"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("run_id").col("seq"))
        .foreign_key(ForeignKey::create().from("run_event", "run_id").to("run", "id"))
        .to_owned()
}

/// The reward a run's model gives to a response, with the tokens read and cut.
fn score() -> TableCreateStatement {
    Table::create()
        .table("score")
        .col(uuid("run_id"))
        .col(uuid("response_id"))
        .col(double("reward"))
        .col(integer("tokens"))
        .col(integer("cut_tokens"))
        .primary_key(Index::create().col("run_id").col("response_id"))
        .foreign_key(ForeignKey::create().from("score", "run_id").to("run", "id"))
        .foreign_key(
            ForeignKey::create()
                .from("score", "response_id")
                .to("response", "id"),
        )
        .to_owned()
}

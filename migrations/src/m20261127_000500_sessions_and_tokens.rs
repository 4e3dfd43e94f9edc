//! Sessions as rows that belong to a person (to be listed and ended), and API tokens with an end and a scope.
//! Sessions of before are not taken over: everyone signs in once more.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema
            .drop_table(Table::drop().table("session").to_owned())
            .await?;
        schema.create_table(session()).await?;
        schema.create_index(index("session", &["user_id"])).await?;
        // One column a statement: SQLite knows no other way.
        let expiry = big_integer_null("expires_at").take();
        schema.alter_table(token().add_column(expiry).to_owned()).await?;
        // Tokens of before could do everything, for ever.
        let scope = string("scope").default("all").take();
        schema.alter_table(token().add_column(scope).to_owned()).await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema
            .alter_table(token().drop_column("scope").to_owned())
            .await?;
        schema
            .alter_table(token().drop_column("expires_at").to_owned())
            .await?;
        schema
            .drop_table(Table::drop().table("session").to_owned())
            .await?;
        schema.create_table(session_before()).await?;
        schema.create_index(index("session", &["expires_at"])).await
    }
}

/// A signed-in browser; the key is the SHA-256 of what its cookie says.
fn session() -> TableCreateStatement {
    Table::create()
        .table("session")
        .col(string("id").primary_key().take())
        .col(uuid("user_id"))
        .col(string("agent"))
        .col(string("address"))
        .col(big_integer("created_at"))
        .col(big_integer("seen_at"))
        .col(big_integer("confirmed_at"))
        .foreign_key(ForeignKey::create().from("session", "user_id").to("user", "id"))
        .to_owned()
}

fn session_before() -> TableCreateStatement {
    Table::create()
        .table("session")
        .col(string("id").primary_key().take())
        .col(json_binary("data"))
        .col(big_integer("expires_at"))
        .to_owned()
}

fn token() -> TableAlterStatement {
    Table::alter().table("api_token").to_owned()
}

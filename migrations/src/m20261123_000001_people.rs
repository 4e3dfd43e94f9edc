//! Who may do what: users (people and imported annotators), sessions, invitations, API tokens.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema.create_table(user()).await?;
        schema.create_table(session()).await?;
        schema.create_index(index("session", &["expires_at"])).await?;
        schema.create_table(invite()).await?;
        schema.create_table(api_token()).await
    }

    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for table in ["api_token", "invite", "session", "user"] {
            schema
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// A person who signs in, or the imported annotator of a dataset (no email, no password).
fn user() -> TableCreateStatement {
    Table::create()
        .table("user")
        .col(pk_uuid("id"))
        .col(string("kind"))
        .col(string("name"))
        .col(string_null("email").unique_key().take())
        .col(string_null("password_hash"))
        .col(string("role"))
        .col(big_integer("created_at"))
        .col(big_integer_null("disabled_at"))
        .to_owned()
}

/// A signed-in browser; `data` is what the session layer serialises.
fn session() -> TableCreateStatement {
    Table::create()
        .table("session")
        .col(string("id").primary_key().take())
        .col(json_binary("data"))
        .col(big_integer("expires_at"))
        .to_owned()
}

/// An invitation link; only the SHA-256 of its secret is kept.
fn invite() -> TableCreateStatement {
    Table::create()
        .table("invite")
        .col(pk_uuid("id"))
        .col(string_uniq("token_hash"))
        .col(string("role"))
        .col(uuid("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(uuid_null("used_by"))
        .col(big_integer_null("used_at"))
        .foreign_key(ForeignKey::create().from("invite", "created_by").to("user", "id"))
        .foreign_key(ForeignKey::create().from("invite", "used_by").to("user", "id"))
        .to_owned()
}

/// A key to the HTTP API; only the SHA-256 of it is kept.
fn api_token() -> TableCreateStatement {
    Table::create()
        .table("api_token")
        .col(pk_uuid("id"))
        .col(uuid("user_id"))
        .col(string("name"))
        .col(string_uniq("token_hash"))
        .col(big_integer("created_at"))
        .col(big_integer_null("last_used_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(ForeignKey::create().from("api_token", "user_id").to("user", "id"))
        .to_owned()
}

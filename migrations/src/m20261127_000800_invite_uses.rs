//! An invitation is for several people: a name of its own, how often it can be used, who joined by it, and when it was
//! cancelled. `used_by` and `used_at` of before stay empty from now on.

use sea_orm_migration::{prelude::*, schema::*};

use crate::index;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        // One column a statement: SQLite takes no more.
        for column in [
            string("label").default("").take(),
            integer("uses_allowed").default(1).take(),
            integer("uses").default(0).take(),
            big_integer_null("cancelled_at"),
        ] {
            schema
                .alter_table(changed().add_column(column).to_owned())
                .await?;
        }
        schema.create_table(invite_use()).await?;
        schema
            .create_index(index("invite_use", &["user_id"]).unique().take())
            .await?;
        let db = schema.get_connection();
        db.execute_unprepared(
            "INSERT INTO invite_use (invite_id, user_id, used_at)
             SELECT id, used_by, used_at FROM invite WHERE used_by IS NOT NULL",
        )
        .await?;
        db.execute_unprepared("UPDATE invite SET uses = 1 WHERE used_by IS NOT NULL")
            .await?;
        Ok(())
    }

    /// Back to one use each: what is used up or cancelled must not be open again.
    async fn down(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let db = schema.get_connection();
        db.execute_unprepared(
            "UPDATE invite SET
               used_by = (SELECT u.user_id FROM invite_use u WHERE u.invite_id = invite.id
                          ORDER BY u.used_at LIMIT 1),
               used_at = COALESCE((SELECT MIN(u.used_at) FROM invite_use u WHERE u.invite_id = invite.id),
                                  cancelled_at)
             WHERE uses >= uses_allowed OR cancelled_at IS NOT NULL",
        )
        .await?;
        schema
            .drop_table(Table::drop().table("invite_use").to_owned())
            .await?;
        for column in ["label", "uses_allowed", "uses", "cancelled_at"] {
            schema
                .alter_table(changed().drop_column(column).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn changed() -> TableAlterStatement {
    Table::alter().table("invite").to_owned()
}

/// Who joined by which invitation.
fn invite_use() -> TableCreateStatement {
    Table::create()
        .table("invite_use")
        .col(uuid("invite_id"))
        .col(uuid("user_id"))
        .col(big_integer("used_at"))
        .primary_key(Index::create().col("invite_id").col("user_id"))
        .foreign_key(
            ForeignKey::create()
                .from("invite_use", "invite_id")
                .to("invite", "id"),
        )
        .foreign_key(
            ForeignKey::create()
                .from("invite_use", "user_id")
                .to("user", "id"),
        )
        .to_owned()
}

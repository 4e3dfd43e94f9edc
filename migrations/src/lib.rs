//! The schema of Touchstone, as append-only, reversible migrations that SQLite and PostgreSQL both take.
//!
//! Conventions: tables are singular nouns; identifiers are UUIDs; every `*_at` column is a 64-bit count of
//! milliseconds since the Unix epoch (UTC); JSON columns hold what the `domain` crate serialises.
//! A migration that has landed is never edited: a new one follows it.

use sea_orm_migration::prelude::{Index, IndexCreateStatement};
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};

mod m20261123_000001_people;
mod m20261123_000002_collecting;
mod m20261123_000003_running;
mod m20261127_000100_assignment;
mod m20261127_000300_imported;
mod m20261127_000500_sessions_and_tokens;
mod m20261127_000800_invite_uses;
mod m20261127_000801_prompt_position;

/// All migrations, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_people::Migration),
            Box::new(m20261123_000002_collecting::Migration),
            Box::new(m20261123_000003_running::Migration),
            Box::new(m20261127_000100_assignment::Migration),
            Box::new(m20261127_000300_imported::Migration),
            Box::new(m20261127_000500_sessions_and_tokens::Migration),
            Box::new(m20261127_000800_invite_uses::Migration),
            Box::new(m20261127_000801_prompt_position::Migration),
        ]
    }
}

/// A plain index, named after its table and columns.
fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index
        .name(format!("idx_{table}_{}", columns.join("_")))
        .table(table);
    for &column in columns {
        index.col(column);
    }
    index
}

//! What Touchstone keeps. [`Store`] holds the database; its queries stand one file per noun as `impl Store`
//! blocks over SQLite and PostgreSQL alike.
//!
//! On SQLite all writes go through one connection (no writer ever waits for another inside SQLite) and readers have
//! a pool of their own; a commit is on the disk before it is acknowledged. On PostgreSQL both are one pool.

pub mod api_token;
pub mod assignment;
#[cfg(test)]
mod begun;
pub mod browse;
pub mod comparison;
pub mod correction;
pub mod demo;
pub mod entity;
pub mod export;
pub mod import;
mod in_force;
pub mod invite;
pub mod job;
pub mod judgement;
#[cfg(test)]
mod judging_tests;
pub mod overlap;
pub mod own_work;
pub mod pair;
pub mod progress;
pub mod project;
pub mod run;
pub mod score;
pub mod session;
mod test_db;
pub mod user;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Millis;
use migrations::{Migrator, MigratorTrait};
pub use sea_orm;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqlErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
pub use test_db::{TestBackend, TestDb};
use uuid::Uuid;

/// The database behind everything. Clones share the pools.
#[derive(Debug, Clone)]
pub struct Store {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The thing named here does not exist, or not for the one who asks.
    #[error("{0} was not found")]
    NotFound(&'static str),
    /// It collides with what is there; the sentence says how.
    #[error("{0}")]
    Conflict(String),
    /// Another worker has the job: nothing was written, and nothing more may be.
    #[error("Another worker has taken this job.")]
    LeaseLost,
    /// It breaks a rule; the sentence says which.
    #[error("{0}")]
    Invalid(String),
    /// A stored value that this version cannot read.
    #[error("stored {what} cannot be read: {value}")]
    Corrupt { what: &'static str, value: String },
    #[error("database: {0}")]
    Database(#[from] DbErr),
}

impl StoreError {
    /// Whether the database refused a duplicate.
    pub fn is_duplicate(error: &DbErr) -> bool {
        matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
    }
}

impl Store {
    /// Opens the database at `sqlite:PATH` (made if missing), `sqlite://PATH` or `postgres://…` and brings its
    /// schema up to date.
    pub async fn connect(url: &str) -> Result<Store, StoreError> {
        let store = Store::open(url).await?;
        store.migrate_up().await?;
        Ok(store)
    }

    /// Opens the database and leaves its schema as it is.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        if url.starts_with("sqlite:") {
            let writer = Database::connect(sqlite_options(url, 1)).await?;
            let reader = Database::connect(sqlite_options(url, 4)).await?;
            return Ok(Store { writer, reader });
        }
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(15))
            .sqlx_logging(false);
        let pool = Database::connect(options).await?;
        Ok(Store {
            writer: pool.clone(),
            reader: pool,
        })
    }

    /// Applies the migrations that are missing.
    pub async fn migrate_up(&self) -> Result<(), StoreError> {
        Ok(Migrator::up(&self.writer, None).await?)
    }

    /// Takes back the newest `steps` migrations, and their tables' rows with them.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), StoreError> {
        Ok(Migrator::down(&self.writer, Some(steps)).await?)
    }

    /// The names of the migrations with whether each is applied, oldest first.
    pub async fn migration_status(&self) -> Result<Vec<(String, bool)>, StoreError> {
        let pending: Vec<String> = Migrator::get_pending_migrations(&self.writer)
            .await?
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let all = Migrator::migrations();
        let names = all.iter().map(|migration| migration.name().to_owned());
        Ok(names
            .map(|name| (name.clone(), !pending.contains(&name)))
            .collect())
    }

    /// The connection for reading.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// The connection for single statements that write.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Starts a transaction that will write. On SQLite it holds the only writing connection until it ends, so keep
    /// it short and ask nothing else of [`Store::writer`] meanwhile.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: self.is_sqlite().then_some(SqliteTransactionMode::Immediate),
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// Whether this is SQLite; else it is PostgreSQL.
    pub fn is_sqlite(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Sqlite
    }

    /// The dialect, for statements written by hand.
    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// Closes both pools after what is in flight.
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close_by_ref().await?;
        Ok(self.writer.close_by_ref().await?)
    }
}

/// The time now.
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as Millis)
}

/// Refuses text that PostgreSQL cannot hold, with a sentence.
pub fn refuse_nul(text: &str) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(StoreError::Invalid(
            "Text must not contain NUL characters.".into(),
        ));
    }
    Ok(())
}

/// Refuses an identifier that is derived from content: whoever knows the content could take it before an import does.
pub fn refuse_derived(id: Uuid) -> Result<(), StoreError> {
    if domain::identity::is_derived(id) {
        return Err(StoreError::Invalid(
            "This identifier is of the kind that imports derive from content; make a random one.".into(),
        ));
    }
    Ok(())
}

fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(10))
                .pragma("cache_size", "-16384")
        });
    options
}

/// `$first, $first+1, …`, so many.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let all: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    all.join(", ")
}

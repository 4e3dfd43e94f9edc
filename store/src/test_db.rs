//! Fresh databases for tests, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the server that `DATABASE_URL` names, else a private one that the first test of a process starts
//! from Debian's binaries, in a folder and on a port of its own; it goes when the process does, however that ends.
//! Where neither is there the tests run on SQLite alone and say so, unless `TOUCHSTONE_TEST_NEEDS_ALL` or `CI` is set:
//! then they fail.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

use crate::Store;

/// Which database a [`TestDb`] is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestBackend {
    Sqlite,
    Postgres,
}

/// An empty, migrated database of one test; gone when dropped. Use it as the [`Store`] it derefs to.
#[derive(Debug)]
pub struct TestDb {
    store: Store,
    backend: TestBackend,
    url: String,
    folder: Option<PathBuf>,
}

impl TestDb {
    /// A database on SQLite, in a temporary file.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn sqlite() -> TestDb {
        let folder = std::env::temp_dir().join(format!("touchstone-test-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let url = format!("sqlite:{}", folder.join("test.db").display());
        TestDb {
            store: Store::connect(&url).await.expect("a fresh SQLite database"),
            backend: TestBackend::Sqlite,
            url,
            folder: Some(folder),
        }
    }

    /// A database on PostgreSQL; None, said loudly, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// If PostgreSQL is there and the database cannot be made, or if it must be there and is not.
    pub async fn postgres() -> Option<TestDb> {
        let server = server_url()?;
        let name = format!("test_{}", Uuid::new_v4().simple());
        let admin = Database::connect(format!("{server}/postgres"))
            .await
            .expect("the PostgreSQL server answers");
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a fresh PostgreSQL database");
        admin.close().await.expect("the connection closes");
        let url = format!("{server}/{name}");
        Some(TestDb {
            store: Store::connect(&url).await.expect("the schema goes up"),
            backend: TestBackend::Postgres,
            url,
            folder: None,
        })
    }

    /// One database of each kind that this machine has.
    pub async fn each() -> Vec<TestDb> {
        let mut all = vec![TestDb::sqlite().await];
        all.extend(TestDb::postgres().await);
        all
    }

    /// The store, for whatever keeps one of its own.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Which database this is.
    pub fn backend(&self) -> TestBackend {
        self.backend
    }

    /// What to hand to [`Store::connect`], or to a server under test.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::ops::Deref for TestDb {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Best effort: a file still open goes with the temporary folder.
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

/// The URL of the PostgreSQL server to test on, without a database.
fn server_url() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            if let Some(given) = std::env::var("DATABASE_URL")
                .ok()
                .filter(|u| u.starts_with("postgres"))
            {
                let end = given
                    .rfind('/')
                    .filter(|&at| at > given.find("//").map_or(0, |at| at + 1));
                return Some(given[..end.unwrap_or(given.len())].to_owned());
            }
            let Some(programs) = installed() else {
                tell_missing(needs_all());
                return None;
            };
            Some(start(&programs))
        })
        .clone()
}

/// Whether a test must fail where its part is missing.
fn needs_all() -> bool {
    ["TOUCHSTONE_TEST_NEEDS_ALL", "CI"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false")))
}

fn tell_missing(needs_all: bool) {
    let missing = "NOT TESTED ON POSTGRESQL: no /usr/lib/postgresql/*/bin/initdb here. \
                   Install it (apt-get install postgresql) or give DATABASE_URL.";
    assert!(!needs_all, "{missing}");
    eprintln!("\n*** {missing} ***\n");
}

/// The folder of the newest PostgreSQL's programs.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// Starts a private server and gives its URL.
fn start(programs: &Path) -> String {
    static GUARD: OnceLock<Child> = OnceLock::new();
    let folder = std::env::temp_dir().join(format!("touchstone-postgres-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    // initdb refuses to run as root, where Debian's package brings a user for it.
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let (as_user, own) = match root {
        true => ("runuser -u postgres --", "chown postgres \"$DIR\""),
        false => ("", "true"),
    };
    let settings = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200";
    let up = format!(
        "{own} && cd \"$DIR\" && {as_user} \"$BIN/initdb\" -D \"$DIR/data\" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
         && {as_user} \"$BIN/pg_ctl\" -D \"$DIR/data\" -w -t 60 -l \"$DIR/log\" \
         -o \"-p {port} -k $DIR -c listen_addresses=127.0.0.1 {settings}\" start"
    );
    let started = shell(programs, &folder, &up).output().expect("a shell");
    assert!(
        started.status.success(),
        "PostgreSQL did not start: {}{}",
        String::from_utf8_lossy(&started.stdout),
        String::from_utf8_lossy(&started.stderr)
    );
    // Waits at the other end of a pipe, which closes when this process ends in whatever way.
    let down = format!(
        "cat >/dev/null; cd /; {as_user} \"$BIN/pg_ctl\" -D \"$DIR/data\" -m immediate stop; rm -rf \"$DIR\""
    );
    GUARD.get_or_init(|| {
        shell(programs, &folder, &down)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell")
    });
    format!("postgres://postgres@127.0.0.1:{port}")
}

fn shell(programs: &Path, folder: &Path, script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env("BIN", programs)
        .env("DIR", folder)
        .stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use domain::permission::Role;

    use super::*;
    use crate::{StoreError, project::NewProject, user::NewUser};

    #[test]
    #[should_panic(expected = "NOT TESTED ON POSTGRESQL")]
    fn a_missing_postgresql_fails_the_tests_where_every_part_is_needed() {
        tell_missing(false);
        tell_missing(true);
    }

    #[tokio::test]
    async fn the_schema_goes_up_down_and_up() {
        for db in TestDb::each().await {
            let count = db.migration_status().await.unwrap().len() as u32;
            db.migrate_down(count).await.unwrap();
            assert!(
                db.migration_status()
                    .await
                    .unwrap()
                    .iter()
                    .all(|(_, applied)| !applied)
            );
            db.migrate_up().await.unwrap();
            assert!(db.is_fresh().await.unwrap(), "{:?}", db.backend());
        }
    }

    #[tokio::test]
    async fn one_of_two_who_set_up_at_once_becomes_the_owner() {
        for db in TestDb::each().await {
            let (one, two) = tokio::join!(
                db.insert_first_owner(person("a@example.org")),
                db.insert_first_owner(person("b@example.org"))
            );
            assert!(one.is_ok() != two.is_ok(), "{:?}", db.backend());
            assert_eq!(db.list_people().await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn the_last_owner_stays() {
        for db in TestDb::each().await {
            let owner = db.insert_first_owner(person("a@example.org")).await.unwrap();
            let demoted = db.set_role(owner.id, Role::Lead).await;
            assert!(matches!(demoted, Err(StoreError::Conflict(_))));
            assert!(db.set_disabled(owner.id, true).await.is_err());
            assert_eq!(db.find_user(owner.id).await.unwrap().unwrap().role, Role::Owner);
        }
    }

    #[tokio::test]
    async fn an_email_has_one_account_whatever_its_case() {
        for db in TestDb::each().await {
            db.insert_user(person("Ada@Example.org")).await.unwrap();
            let again = db.insert_user(person(" ada@example.ORG ")).await;
            assert!(
                matches!(again, Err(StoreError::Conflict(_))),
                "{:?}",
                db.backend()
            );
            assert!(db.find_credentials("ADA@example.org").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_disabled_person_has_no_token() {
        for db in TestDb::each().await {
            db.insert_first_owner(person("a@example.org")).await.unwrap();
            let lead = db.insert_user(person("b@example.org")).await.unwrap();
            let token = crate::api_token::NewToken::of(lead.id, "laptop");
            db.insert_api_token(token, "hash").await.unwrap();
            let (holder, _) = db.find_user_by_token("hash").await.unwrap().unwrap();
            assert_eq!(holder.id, lead.id);
            db.set_disabled(lead.id, true).await.unwrap();
            assert_eq!(db.find_user_by_token("hash").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_project_counts_what_stands_in_it() {
        for db in TestDb::each().await {
            let new = NewProject {
                name: " Helpful ".into(),
                instructions: String::new(),
                demo: false,
                created_by: None,
            };
            let made = db.insert_project(new.clone()).await.unwrap();
            assert_eq!(made.name, "Helpful");
            assert!(matches!(
                db.insert_project(new).await,
                Err(StoreError::Conflict(_))
            ));
            let summary = db.summarise_project(made.id).await.unwrap();
            assert_eq!((summary.project, summary.comparisons), (made, 0));
        }
    }

    fn person(email: &str) -> NewUser {
        NewUser {
            name: "Ada".into(),
            email: email.into(),
            password_hash: "$argon2id$…".into(),
            role: Role::Lead,
        }
    }
}

//! The session layer's store, over ours. The database has only the SHA-256 of a session's identifier, so that a copy
//! of it opens no session.

use std::fmt;

use async_trait::async_trait;
use store::{Store, session::SessionRow};
use tower_sessions::{
    SessionStore,
    cookie::time::OffsetDateTime,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::secret::hash_secret;

/// Sessions in the database.
#[derive(Clone)]
pub struct Sessions(pub Store);

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sessions")
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        while !self.0.insert_session(row(record)?).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.0.save_session(row(record)?).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let Some(row) = self.0.find_session(&key(id)).await.map_err(backend)? else {
            return Ok(None);
        };
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.expires_at) * 1_000_000)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record {
            id: *id,
            data: serde_json::from_value(row.data).map_err(|error| Error::Decode(error.to_string()))?,
            expiry_date,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.delete_session(&key(id)).await.map_err(backend)
    }
}

fn row(record: &Record) -> Result<SessionRow> {
    Ok(SessionRow {
        id: key(&record.id),
        data: serde_json::to_value(&record.data).map_err(|error| Error::Encode(error.to_string()))?,
        expires_at: (record.expiry_date.unix_timestamp_nanos() / 1_000_000) as i64,
    })
}

fn key(id: &Id) -> String {
    hash_secret(&id.to_string())
}

fn backend(error: store::StoreError) -> Error {
    Error::Backend(error.to_string())
}

#[cfg(test)]
mod tests {
    use store::TestDb;
    use tower_sessions::cookie::time::Duration;

    use super::*;

    fn record(seconds: i64) -> Record {
        let at = OffsetDateTime::now_utc() + Duration::seconds(seconds);
        Record {
            id: Id::default(),
            data: [("k".to_owned(), serde_json::json!({"v": 1}))].into(),
            expiry_date: at.replace_millisecond(7).expect("a millisecond"),
        }
    }

    #[tokio::test]
    async fn a_session_is_kept_changed_and_ended() {
        for db in TestDb::each().await {
            let sessions = Sessions(db.store());
            let mut kept = record(60);
            sessions.create(&mut kept).await.unwrap();
            let loaded = sessions.load(&kept.id).await.unwrap().unwrap();
            assert_eq!(loaded.data, kept.data);
            kept.data.insert("more".into(), serde_json::json!(true));
            sessions.save(&kept).await.unwrap();
            assert_eq!(sessions.load(&kept.id).await.unwrap().unwrap().data.len(), 2);
            sessions.delete(&kept.id).await.unwrap();
            assert!(sessions.load(&kept.id).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_taken_identifier_is_replaced_and_an_expired_session_is_gone() {
        for db in TestDb::each().await {
            let sessions = Sessions(db.store());
            let mut first = record(60);
            sessions.create(&mut first).await.unwrap();
            let mut second = Record {
                id: first.id,
                ..record(60)
            };
            sessions.create(&mut second).await.unwrap();
            assert_ne!(first.id, second.id);
            let mut old = record(-60);
            sessions.create(&mut old).await.unwrap();
            assert!(sessions.load(&old.id).await.unwrap().is_none());
            assert_eq!(db.delete_expired_sessions().await.unwrap(), 1);
        }
    }
}

//! Sessions: browsers in which someone is signed in. A session ends when it was idle for [`IDLE_MS`], and in any case
//! [`LONGEST_MS`] after the signing in.

use domain::{Millis, user::User};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{session, user},
    now,
};

/// How long a session that nobody uses holds: seven days.
pub const IDLE_MS: Millis = 7 * 24 * 3600 * 1000;

/// How long any session holds: thirty days.
pub const LONGEST_MS: Millis = 30 * 24 * 3600 * 1000;

/// `seen_at` is written at most once in this time, so that reading does not mean a write per request.
const TOUCH_MS: Millis = 60_000;

/// The longest description of a browser that is kept, in characters.
const MAX_AGENT: usize = 200;

/// Where and by whom a session is opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The SHA-256 of what the cookie says.
    pub id: String,
    pub user_id: Uuid,
    /// What the browser calls itself.
    pub agent: String,
    /// The client's IP address.
    pub address: String,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The SHA-256 of what the cookie says: no key to anything.
    pub id: String,
    pub user_id: Uuid,
    pub agent: String,
    pub address: String,
    pub created_at: Millis,
    pub seen_at: Millis,
    /// When the person last gave their password in it.
    pub confirmed_at: Millis,
}

impl Store {
    /// Opens a session.
    pub async fn insert_session(&self, new: NewSession) -> Result<Session, StoreError> {
        let at = now();
        let row = session::ActiveModel {
            id: Set(new.id),
            user_id: Set(new.user_id),
            agent: Set(kept_agent(&new.agent)),
            address: Set(new.address),
            created_at: Set(at),
            seen_at: Set(at),
            confirmed_at: Set(at),
        };
        Ok(row.insert(self.writer()).await?.into())
    }

    /// The session of this key and whose it is, unless it has ended or they are disabled.
    pub async fn find_session(&self, id: &str) -> Result<Option<(Session, User)>, StoreError> {
        let found = session::Entity::find_by_id(id)
            .filter(alive())
            .one(self.reader())
            .await?;
        let Some(row) = found else { return Ok(None) };
        let owner = user::Entity::find_by_id(row.user_id)
            .filter(user::Column::DisabledAt.is_null())
            .one(self.reader())
            .await?;
        let Some(owner) = owner else { return Ok(None) };
        if row.seen_at < now() - TOUCH_MS {
            set(self, id, session::Column::SeenAt).await?;
        }
        Ok(Some((row.into(), owner.try_into()?)))
    }

    /// Notes that the person has just given their password in this session.
    pub async fn confirm_session(&self, id: &str) -> Result<(), StoreError> {
        set(self, id, session::Column::ConfirmedAt).await
    }

    /// A person's sessions, the last used first.
    pub async fn list_sessions(&self, user: Uuid) -> Result<Vec<Session>, StoreError> {
        let rows = session::Entity::find()
            .filter(session::Column::UserId.eq(user))
            .filter(alive())
            .order_by_desc(session::Column::SeenAt)
            .order_by_asc(session::Column::Id)
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    /// Ends one of a person's sessions.
    pub async fn end_session(&self, user: Uuid, id: &str) -> Result<(), StoreError> {
        session::Entity::delete_by_id(id)
            .filter(session::Column::UserId.eq(user))
            .exec(self.writer())
            .await?;
        Ok(())
    }

    /// Ends a person's sessions, all but `kept`; says how many.
    pub async fn end_sessions(&self, user: Uuid, kept: Option<&str>) -> Result<u64, StoreError> {
        end_sessions(self.writer(), user, kept).await
    }

    /// Clears away the sessions that have ended by themselves; says how many.
    pub async fn delete_expired_sessions(&self) -> Result<u64, StoreError> {
        let gone = session::Entity::delete_many()
            .filter(alive().not())
            .exec(self.writer())
            .await?;
        Ok(gone.rows_affected)
    }
}

pub(crate) async fn end_sessions(
    connection: &impl ConnectionTrait,
    user: Uuid,
    kept: Option<&str>,
) -> Result<u64, StoreError> {
    let mut gone = session::Entity::delete_many().filter(session::Column::UserId.eq(user));
    if let Some(kept) = kept {
        gone = gone.filter(session::Column::Id.ne(kept));
    }
    Ok(gone.exec(connection).await?.rows_affected)
}

async fn set(store: &Store, id: &str, column: session::Column) -> Result<(), StoreError> {
    session::Entity::update_many()
        .col_expr(column, Expr::value(now()))
        .filter(session::Column::Id.eq(id))
        .exec(store.writer())
        .await?;
    Ok(())
}

fn alive() -> Condition {
    Condition::all()
        .add(session::Column::SeenAt.gt(now() - IDLE_MS))
        .add(session::Column::CreatedAt.gt(now() - LONGEST_MS))
}

/// A line of text whatever the browser sent.
fn kept_agent(agent: &str) -> String {
    agent
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_AGENT)
        .collect()
}

impl From<session::Model> for Session {
    fn from(row: session::Model) -> Session {
        Session {
            id: row.id,
            user_id: row.user_id,
            agent: row.agent,
            address: row.address,
            created_at: row.created_at,
            seen_at: row.seen_at,
            confirmed_at: row.confirmed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::permission::Role;

    use super::*;
    use crate::{TestDb, invite::NewInvite, user::NewUser};

    async fn person(db: &TestDb, name: &str) -> Uuid {
        let new = NewUser {
            name: name.into(),
            email: format!("{name}@example.org"),
            password_hash: "x".into(),
            role: Role::Trainer,
        };
        db.insert_user(new).await.unwrap().id
    }

    async fn invite(db: &TestDb, maker: Uuid, link: &str, role: Role) {
        let maker = db.find_user(maker).await.unwrap().unwrap();
        let new = NewInvite {
            token_hash: link.into(),
            role,
            label: String::new(),
            uses: 2,
            days: 7,
        };
        db.insert_invite(&maker, new).await.unwrap();
    }

    async fn open(db: &TestDb, user: Uuid, id: &str) {
        let new = NewSession {
            id: id.into(),
            user_id: user,
            agent: "A\nbrowser".into(),
            address: "::1".into(),
        };
        db.insert_session(new).await.unwrap();
    }

    /// Moves a session's times into the past.
    async fn age(db: &TestDb, id: &str, column: session::Column, ms: Millis) {
        session::Entity::update_many()
            .col_expr(column, Expr::value(now() - ms))
            .filter(session::Column::Id.eq(id))
            .exec(db.writer())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_session_slides_while_it_is_used_and_ends_idle_or_old() {
        for db in TestDb::each().await {
            let tom = person(&db, "tom").await;
            open(&db, tom, "used").await;
            age(&db, "used", session::Column::SeenAt, IDLE_MS - 10_000).await;
            assert!(db.find_session("used").await.unwrap().is_some());
            let slid = &db.list_sessions(tom).await.unwrap()[0];
            assert!(slid.seen_at > now() - 10_000, "using it is noted");
            assert_eq!(slid.agent, "Abrowser");

            age(&db, "used", session::Column::SeenAt, IDLE_MS + 1).await;
            assert!(db.find_session("used").await.unwrap().is_none(), "idle");
            open(&db, tom, "old").await;
            age(&db, "old", session::Column::CreatedAt, LONGEST_MS + 1).await;
            assert!(db.find_session("old").await.unwrap().is_none(), "old");
            assert!(db.list_sessions(tom).await.unwrap().is_empty());
            open(&db, tom, "new").await;
            assert_eq!(db.delete_expired_sessions().await.unwrap(), 2);
            assert!(db.find_session("new").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn sessions_are_ended_one_by_one_and_everywhere_by_their_owner_alone() {
        for db in TestDb::each().await {
            let (tom, ann) = (person(&db, "tom").await, person(&db, "ann").await);
            for id in ["1", "2", "3"] {
                open(&db, tom, id).await;
            }
            db.end_session(ann, "1").await.unwrap();
            assert_eq!(db.list_sessions(tom).await.unwrap().len(), 3);
            db.end_session(tom, "1").await.unwrap();
            assert_eq!(db.end_sessions(tom, Some("2")).await.unwrap(), 1);
            assert!(db.find_session("2").await.unwrap().is_some());
            assert_eq!(db.end_sessions(tom, None).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_disabled_persons_sessions_tokens_and_invitations_do_not_live_again() {
        for db in TestDb::each().await {
            let olga = person(&db, "olga").await;
            db.set_role(olga, Role::Owner).await.unwrap();
            let other = person(&db, "other").await;
            db.set_role(other, Role::Owner).await.unwrap();
            open(&db, olga, "s").await;
            let token = crate::api_token::NewToken::of(olga, "t");
            db.insert_api_token(token, "hash").await.unwrap();
            invite(&db, olga, "link", Role::Owner).await;

            db.set_disabled(olga, true).await.unwrap();
            db.set_disabled(olga, false).await.unwrap();
            assert!(db.find_session("s").await.unwrap().is_none());
            assert!(db.find_user_by_token("hash").await.unwrap().is_none());
            assert!(db.find_open_invite("link").await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn an_invitation_ends_with_the_right_of_its_maker() {
        for db in TestDb::each().await {
            let (olga, other) = (person(&db, "olga").await, person(&db, "other").await);
            db.set_role(other, Role::Owner).await.unwrap();
            db.set_role(olga, Role::Owner).await.unwrap();
            for (link, role) in [("owner", Role::Owner), ("trainer", Role::Trainer)] {
                invite(&db, olga, link, role).await;
            }
            db.set_role(olga, Role::Lead).await.unwrap();
            assert!(db.find_open_invite("owner").await.unwrap().is_none());
            assert!(
                db.find_open_invite("trainer").await.unwrap().is_some(),
                "a lead may still invite those"
            );
            db.set_role(olga, Role::Trainer).await.unwrap();
            db.set_role(olga, Role::Owner).await.unwrap();
            for link in ["owner", "trainer"] {
                assert!(db.find_open_invite(link).await.unwrap().is_none(), "{link}");
            }
        }
    }
}

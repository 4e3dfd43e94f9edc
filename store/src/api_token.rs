//! Keys to the HTTP API. The key itself is shown once; only its SHA-256 is kept.

use domain::{Millis, permission::Scope, user::User};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    Select, Set, UpdateMany, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{api_token, user},
    now, refuse_nul,
};

/// The longest name of a token, in characters.
pub const MAX_TOKEN_NAME: usize = 60;

/// How many days a new token may hold; the first is the usual.
pub const TOKEN_DAYS: [u16; 4] = [90, 7, 30, 365];

/// `last_used_at` is written at most this often, so that a busy client costs no write per request.
const TOUCH_MS: Millis = 60_000;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub user_id: Uuid,
    pub name: String,
    pub scope: Scope,
    /// None if it holds until it is revoked.
    pub expires_at: Option<Millis>,
}

/// A token in force, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub scope: Scope,
    pub created_at: Millis,
    pub last_used_at: Option<Millis>,
    pub expires_at: Option<Millis>,
}

impl NewToken {
    /// A token for everything, until it is revoked.
    pub fn of(user_id: Uuid, name: &str) -> NewToken {
        NewToken {
            user_id,
            name: name.to_owned(),
            scope: Scope::All,
            expires_at: None,
        }
    }
}

impl Store {
    /// Keeps a new token.
    pub async fn insert_api_token(&self, new: NewToken, token_hash: &str) -> Result<ApiToken, StoreError> {
        let name = new.name.trim();
        refuse_nul(name)?;
        if name.is_empty() || name.chars().count() > MAX_TOKEN_NAME {
            return Err(StoreError::Invalid(format!(
                "A token's name has 1 to {MAX_TOKEN_NAME} characters."
            )));
        }
        let row = api_token::ActiveModel {
            id: Set(Uuid::now_v7()),
            user_id: Set(new.user_id),
            name: Set(name.to_owned()),
            token_hash: Set(token_hash.to_owned()),
            created_at: Set(now()),
            last_used_at: Set(None),
            revoked_at: Set(None),
            expires_at: Set(new.expires_at),
            scope: Set(new.scope.as_str().to_owned()),
        };
        row.insert(self.writer()).await?.try_into()
    }

    /// Who holds this token and what it opens, if it is in force and they are not disabled.
    pub async fn find_user_by_token(&self, token_hash: &str) -> Result<Option<(User, Scope)>, StoreError> {
        let token = in_force()
            .filter(api_token::Column::TokenHash.eq(token_hash))
            .one(self.reader())
            .await?;
        let Some(token) = token else { return Ok(None) };
        let owner = user::Entity::find_by_id(token.user_id)
            .filter(user::Column::DisabledAt.is_null())
            .one(self.reader())
            .await?;
        let Some(owner) = owner else { return Ok(None) };
        self.touch_api_token(token.id).await?;
        let token = ApiToken::try_from(token)?;
        Ok(Some((owner.try_into()?, token.scope)))
    }

    /// A person's tokens in force, newest first.
    pub async fn list_api_tokens(&self, user: Uuid) -> Result<Vec<ApiToken>, StoreError> {
        let rows = in_force()
            .filter(api_token::Column::UserId.eq(user))
            .order_by_desc(api_token::Column::CreatedAt)
            .all(self.reader())
            .await?;
        rows.into_iter().map(ApiToken::try_from).collect()
    }

    /// Everyone's tokens in force, newest first.
    pub async fn list_all_api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let rows = in_force()
            .order_by_desc(api_token::Column::CreatedAt)
            .all(self.reader())
            .await?;
        rows.into_iter().map(ApiToken::try_from).collect()
    }

    /// Ends a token: one of `user`'s, or with None anybody's.
    pub async fn revoke_api_token(&self, user: Option<Uuid>, id: Uuid) -> Result<(), StoreError> {
        let mut revoked = revoking().filter(api_token::Column::Id.eq(id));
        if let Some(user) = user {
            revoked = revoked.filter(api_token::Column::UserId.eq(user));
        }
        if revoked.exec(self.writer()).await?.rows_affected == 0 {
            return Err(StoreError::NotFound("The token"));
        }
        Ok(())
    }

    async fn touch_api_token(&self, id: Uuid) -> Result<(), StoreError> {
        let stale = Condition::any()
            .add(api_token::Column::LastUsedAt.is_null())
            .add(api_token::Column::LastUsedAt.lt(now() - TOUCH_MS));
        let due = api_token::Entity::find_by_id(id)
            .filter(stale)
            .one(self.reader())
            .await?;
        if due.is_some() {
            api_token::Entity::update_many()
                .col_expr(api_token::Column::LastUsedAt, Expr::value(now()))
                .filter(api_token::Column::Id.eq(id))
                .exec(self.writer())
                .await?;
        }
        Ok(())
    }
}

fn in_force() -> Select<api_token::Entity> {
    let holds = Condition::any()
        .add(api_token::Column::ExpiresAt.is_null())
        .add(api_token::Column::ExpiresAt.gt(now()));
    api_token::Entity::find()
        .filter(api_token::Column::RevokedAt.is_null())
        .filter(holds)
}

fn revoking() -> UpdateMany<api_token::Entity> {
    api_token::Entity::update_many()
        .col_expr(api_token::Column::RevokedAt, Expr::value(now()))
        .filter(api_token::Column::RevokedAt.is_null())
}

/// Ends all of a person's tokens.
pub(crate) async fn revoke_tokens(transaction: &DatabaseTransaction, user: Uuid) -> Result<(), StoreError> {
    revoking()
        .filter(api_token::Column::UserId.eq(user))
        .exec(transaction)
        .await?;
    Ok(())
}

impl TryFrom<api_token::Model> for ApiToken {
    type Error = StoreError;

    fn try_from(row: api_token::Model) -> Result<ApiToken, StoreError> {
        let scope = row.scope.parse().map_err(|_| StoreError::Corrupt {
            what: "scope",
            value: row.scope.clone(),
        })?;
        Ok(ApiToken {
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            scope,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::permission::Role;

    use super::*;
    use crate::{
        TestDb,
        user::{Kept, NewUser},
    };

    async fn lead(db: &TestDb) -> Uuid {
        let new = NewUser {
            name: "Lea".into(),
            email: "lea@example.org".into(),
            password_hash: "x".into(),
            role: Role::Lead,
        };
        db.insert_user(new).await.unwrap().id
    }

    #[tokio::test]
    async fn a_token_ends_at_its_time_and_keeps_its_scope() {
        for db in TestDb::each().await {
            let lea = lead(&db).await;
            let token = |ends| NewToken {
                scope: Scope::Score,
                expires_at: Some(now() + ends),
                ..NewToken::of(lea, "t")
            };
            db.insert_api_token(token(-1), "over").await.unwrap();
            db.insert_api_token(token(60_000), "holds").await.unwrap();
            assert_eq!(db.find_user_by_token("over").await.unwrap(), None);
            let (_, scope) = db.find_user_by_token("holds").await.unwrap().unwrap();
            assert_eq!(scope, Scope::Score);
            assert_eq!(db.list_all_api_tokens().await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn tokens_die_at_a_password_change_unless_they_are_to_be_kept() {
        for db in TestDb::each().await {
            let lea = lead(&db).await;
            db.insert_api_token(NewToken::of(lea, "t"), "hash").await.unwrap();
            let kept = Kept {
                session: None,
                tokens: true,
            };
            db.set_password_hash(lea, "y", kept).await.unwrap();
            assert!(db.find_user_by_token("hash").await.unwrap().is_some());
            db.set_password_hash(lea, "z", Kept::default()).await.unwrap();
            assert!(db.find_user_by_token("hash").await.unwrap().is_none());
        }
    }
}

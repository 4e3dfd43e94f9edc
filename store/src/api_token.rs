//! Keys to the HTTP API. The key itself is shown once; only its SHA-256 is kept.

use domain::{Millis, user::User};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{api_token, user},
    now, refuse_nul,
};

/// The longest name of a token, in characters.
pub const MAX_TOKEN_NAME: usize = 60;

/// `last_used_at` is written at most this often, so that a busy client costs no write per request.
const TOUCH_MS: Millis = 60_000;

/// A token as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub id: Uuid,
    pub name: String,
    pub created_at: Millis,
    pub last_used_at: Option<Millis>,
}

impl Store {
    /// Keeps a new token of `user`.
    pub async fn insert_api_token(
        &self,
        user: Uuid,
        name: &str,
        token_hash: &str,
    ) -> Result<ApiToken, StoreError> {
        let name = name.trim();
        refuse_nul(name)?;
        if name.is_empty() || name.chars().count() > MAX_TOKEN_NAME {
            return Err(StoreError::Invalid(format!(
                "A token's name has 1 to {MAX_TOKEN_NAME} characters."
            )));
        }
        let row = api_token::ActiveModel {
            id: Set(Uuid::now_v7()),
            user_id: Set(user),
            name: Set(name.to_owned()),
            token_hash: Set(token_hash.to_owned()),
            created_at: Set(now()),
            last_used_at: Set(None),
            revoked_at: Set(None),
        };
        Ok(row.insert(self.writer()).await?.into())
    }

    /// Who holds this token, if it is in force and they are not disabled.
    pub async fn find_user_by_token(&self, token_hash: &str) -> Result<Option<User>, StoreError> {
        let token = api_token::Entity::find()
            .filter(api_token::Column::TokenHash.eq(token_hash))
            .filter(api_token::Column::RevokedAt.is_null())
            .one(self.reader())
            .await?;
        let Some(token) = token else { return Ok(None) };
        let owner = user::Entity::find_by_id(token.user_id)
            .filter(user::Column::DisabledAt.is_null())
            .one(self.reader())
            .await?;
        let Some(owner) = owner else { return Ok(None) };
        self.touch_api_token(token.id).await?;
        Ok(Some(owner.try_into()?))
    }

    /// A person's tokens in force, newest first.
    pub async fn list_api_tokens(&self, user: Uuid) -> Result<Vec<ApiToken>, StoreError> {
        let rows = api_token::Entity::find()
            .filter(api_token::Column::UserId.eq(user))
            .filter(api_token::Column::RevokedAt.is_null())
            .order_by_desc(api_token::Column::CreatedAt)
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(ApiToken::from).collect())
    }

    /// Ends one of a person's tokens.
    pub async fn revoke_api_token(&self, user: Uuid, id: Uuid) -> Result<(), StoreError> {
        let changed = api_token::Entity::update_many()
            .col_expr(api_token::Column::RevokedAt, Expr::value(now()))
            .filter(api_token::Column::Id.eq(id))
            .filter(api_token::Column::UserId.eq(user))
            .filter(api_token::Column::RevokedAt.is_null())
            .exec(self.writer())
            .await?;
        if changed.rows_affected == 0 {
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

impl From<api_token::Model> for ApiToken {
    fn from(row: api_token::Model) -> ApiToken {
        ApiToken {
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

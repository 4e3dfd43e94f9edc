//! Invitations by link: single use, with an end.

use domain::{Millis, permission::Role, user::User};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, Set,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::invite,
    now,
    user::{NewUser, email_taken, new_row},
};

/// How long an invitation holds: seven days.
pub const INVITE_MS: Millis = 7 * 24 * 3600 * 1000;

/// An invitation nobody has used yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    pub id: Uuid,
    pub role: Role,
    pub created_at: Millis,
    pub expires_at: Millis,
}

impl Store {
    /// Keeps an invitation to take part as `role`.
    pub async fn insert_invite(
        &self,
        token_hash: &str,
        role: Role,
        created_by: Uuid,
    ) -> Result<Invite, StoreError> {
        let row = invite::ActiveModel {
            id: Set(Uuid::now_v7()),
            token_hash: Set(token_hash.to_owned()),
            role: Set(role.as_str().into()),
            created_by: Set(created_by),
            created_at: Set(now()),
            expires_at: Set(now() + INVITE_MS),
            used_by: Set(None),
            used_at: Set(None),
        };
        row.insert(self.writer()).await?.try_into()
    }

    /// The invitation behind a link, if it can still be used.
    pub async fn find_open_invite(&self, token_hash: &str) -> Result<Option<Invite>, StoreError> {
        let found = open()
            .filter(invite::Column::TokenHash.eq(token_hash))
            .one(self.reader())
            .await?;
        found.map(Invite::try_from).transpose()
    }

    /// Invitations that can still be used, newest first.
    pub async fn list_open_invites(&self) -> Result<Vec<Invite>, StoreError> {
        let rows = open()
            .order_by_desc(invite::Column::CreatedAt)
            .all(self.reader())
            .await?;
        rows.into_iter().map(Invite::try_from).collect()
    }

    /// Takes an invitation back.
    pub async fn delete_invite(&self, id: Uuid) -> Result<(), StoreError> {
        invite::Entity::delete_many()
            .filter(invite::Column::Id.eq(id))
            .filter(invite::Column::UsedAt.is_null())
            .exec(self.writer())
            .await?;
        Ok(())
    }

    /// Makes the account that an invitation allows, and spends the invitation, both or neither.
    pub async fn accept_invite(&self, token_hash: &str, mut new: NewUser) -> Result<User, StoreError> {
        let transaction = self.begin().await?;
        let found = open()
            .filter(invite::Column::TokenHash.eq(token_hash))
            .one(&transaction)
            .await?;
        let invite = Invite::try_from(found.ok_or(StoreError::NotFound("The invitation"))?)?;
        new.role = invite.role;
        let made = new_row(new, invite.role)?
            .insert(&transaction)
            .await
            .map_err(email_taken)?;
        let spent = invite::Entity::update_many()
            .col_expr(invite::Column::UsedBy, Expr::value(made.id))
            .col_expr(invite::Column::UsedAt, Expr::value(now()))
            .filter(invite::Column::Id.eq(invite.id))
            .filter(invite::Column::UsedAt.is_null())
            .exec(&transaction)
            .await?;
        if spent.rows_affected != 1 {
            return Err(StoreError::NotFound("The invitation"));
        }
        transaction.commit().await?;
        made.try_into()
    }
}

/// Invitations that can still be used: their maker, too, could still make them.
fn open() -> sea_orm::Select<invite::Entity> {
    invite::Entity::find()
        .filter(invite::Column::UsedAt.is_null())
        .filter(invite::Column::ExpiresAt.gt(now()))
        .filter(Expr::cust(maker_may()))
}

/// Whether the maker of an invitation has the right to make it now.
fn maker_may() -> String {
    let pairs = Role::ALL
        .into_iter()
        .flat_map(|maker| Role::ALL.map(|invited| (maker, invited)));
    let allowed: Vec<String> = pairs
        .filter(|(maker, invited)| maker.may_invite(*invited))
        .map(|(maker, invited)| {
            format!(
                "(maker.role = '{}' AND invite.role = '{}')",
                maker.as_str(),
                invited.as_str()
            )
        })
        .collect();
    format!(
        "EXISTS (SELECT 1 FROM \"user\" maker WHERE maker.id = invite.created_by AND maker.disabled_at IS NULL AND ({}))",
        allowed.join(" OR ")
    )
}

/// Ends the invitations of `maker` that someone of `role` may not make; of None, all of them.
pub(crate) async fn end_invites(
    transaction: &DatabaseTransaction,
    maker: Uuid,
    role: Option<Role>,
) -> Result<(), StoreError> {
    let lost = Role::ALL
        .into_iter()
        .filter(|invited| !role.is_some_and(|role| role.may_invite(*invited)));
    invite::Entity::delete_many()
        .filter(invite::Column::CreatedBy.eq(maker))
        .filter(invite::Column::UsedAt.is_null())
        .filter(invite::Column::Role.is_in(lost.map(Role::as_str)))
        .exec(transaction)
        .await?;
    Ok(())
}

impl TryFrom<invite::Model> for Invite {
    type Error = StoreError;

    fn try_from(row: invite::Model) -> Result<Invite, StoreError> {
        let role = row.role.parse().map_err(|_| StoreError::Corrupt {
            what: "role",
            value: row.role.clone(),
        })?;
        Ok(Invite {
            id: row.id,
            role,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

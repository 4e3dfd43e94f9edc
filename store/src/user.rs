//! People: accounts, roles, who takes part.

use std::str::FromStr;

use domain::{
    permission::Role,
    user::{User, UserKind},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Set, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError, api_token::revoke_tokens, entity::user, invite::end_invites, now, refuse_nul,
    session::end_sessions,
};

/// The longest name of a person, in characters.
pub const MAX_NAME: usize = 80;

/// The longest email address, in bytes.
pub const MAX_EMAIL: usize = 254;

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub name: String,
    pub email: String,
    /// An argon2id hash, in PHC form.
    pub password_hash: String,
    pub role: Role,
}

/// What outlives the password that it was made under.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// The session in which the password is changed.
    pub session: Option<&'a str>,
    /// API tokens.
    pub tokens: bool,
}

impl TryFrom<user::Model> for User {
    type Error = StoreError;

    fn try_from(row: user::Model) -> Result<User, StoreError> {
        let corrupt = |what, value: &str| StoreError::Corrupt {
            what,
            value: value.to_owned(),
        };
        Ok(User {
            id: row.id,
            kind: match row.kind.as_str() {
                "person" => UserKind::Person,
                "imported" => UserKind::Imported,
                other => return Err(corrupt("user kind", other)),
            },
            role: Role::from_str(&row.role).map_err(|_| corrupt("role", &row.role))?,
            name: row.name,
            email: row.email,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        })
    }
}

impl Store {
    /// Whether nobody has an account yet, so that the next visitor may become the owner.
    pub async fn is_fresh(&self) -> Result<bool, StoreError> {
        let people = user::Entity::find().filter(user::Column::Kind.eq(UserKind::Person.as_str()));
        Ok(people.count(self.reader()).await? == 0)
    }

    /// Makes the first account, an owner's. Of two who try at once, one gets it and the other a conflict.
    pub async fn insert_first_owner(&self, new: NewUser) -> Result<User, StoreError> {
        let row = new_row(new, Role::Owner)?;
        let transaction = self.begin().await?;
        if !self.is_sqlite() {
            // SQLite's transaction is already the only writer.
            use sea_orm::ConnectionTrait;
            transaction
                .execute_unprepared("LOCK TABLE \"user\" IN SHARE ROW EXCLUSIVE MODE")
                .await?;
        }
        let people = user::Entity::find().filter(user::Column::Kind.eq(UserKind::Person.as_str()));
        if people.count(&transaction).await? > 0 {
            return Err(StoreError::Conflict("The owner's account already exists.".into()));
        }
        let made = row.insert(&transaction).await.map_err(email_taken)?;
        transaction.commit().await?;
        made.try_into()
    }

    /// Makes an account.
    pub async fn insert_user(&self, new: NewUser) -> Result<User, StoreError> {
        let role = new.role;
        let row = new_row(new, role)?;
        row.insert(self.writer()).await.map_err(email_taken)?.try_into()
    }

    /// The annotator that stands for whoever judged the dataset `name` elsewhere; made at the first call.
    pub async fn imported_annotator(&self, name: &str) -> Result<User, StoreError> {
        let wanted = user::Entity::find()
            .filter(user::Column::Kind.eq(UserKind::Imported.as_str()))
            .filter(user::Column::Name.eq(name));
        let transaction = self.begin().await?;
        if let Some(found) = wanted.one(&transaction).await? {
            return found.try_into();
        }
        let row = user::ActiveModel {
            id: Set(Uuid::now_v7()),
            kind: Set(UserKind::Imported.as_str().into()),
            name: Set(checked_name(name)?),
            email: Set(None),
            password_hash: Set(None),
            role: Set(Role::Trainer.as_str().into()),
            created_at: Set(now()),
            disabled_at: Set(None),
        };
        let made = row.insert(&transaction).await?;
        transaction.commit().await?;
        made.try_into()
    }

    /// The person of this identifier, disabled or not.
    pub async fn find_user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let found = user::Entity::find_by_id(id).one(self.reader()).await?;
        found.map(User::try_from).transpose()
    }

    /// The person with this email and the hash of their password, disabled or not.
    pub async fn find_credentials(&self, email: &str) -> Result<Option<(User, String)>, StoreError> {
        let found = user::Entity::find()
            .filter(user::Column::Email.eq(normal_email(email)))
            .one(self.reader())
            .await?;
        let Some(row) = found else { return Ok(None) };
        let Some(hash) = row.password_hash.clone() else {
            return Ok(None);
        };
        Ok(Some((row.try_into()?, hash)))
    }

    /// Everyone with an account, by name; imported annotators not among them.
    pub async fn list_people(&self) -> Result<Vec<User>, StoreError> {
        let rows = user::Entity::find()
            .filter(user::Column::Kind.eq(UserKind::Person.as_str()))
            .order_by_asc(user::Column::Name)
            .order_by_asc(user::Column::Id)
            .all(self.reader())
            .await?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// Renames a person.
    pub async fn rename_user(&self, id: Uuid, name: &str) -> Result<(), StoreError> {
        let name = checked_name(name)?;
        let changed = user::Entity::update_many()
            .col_expr(user::Column::Name, Expr::value(name))
            .filter(user::Column::Id.eq(id))
            .exec(self.writer())
            .await?;
        one_changed(changed.rows_affected)
    }

    /// Replaces a person's password, and ends what the old one opened.
    pub async fn set_password_hash(&self, id: Uuid, hash: &str, kept: Kept<'_>) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let changed = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(hash))
            .filter(user::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        one_changed(changed.rows_affected)?;
        end_sessions(&transaction, id, kept.session).await?;
        if !kept.tokens {
            revoke_tokens(&transaction, id).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Gives a person another role; invitations that they could not make in it end. The last owner stays owner.
    pub async fn set_role(&self, id: Uuid, role: Role) -> Result<(), StoreError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::Role, Expr::value(role.as_str()))
            .filter(user::Column::Id.eq(id))
            .filter(user::Column::Kind.eq(UserKind::Person.as_str()));
        self.change_keeping_an_owner(id, change, Some(role)).await
    }

    /// Disables an account, which ends its sessions, tokens and invitations for good, or opens it again. The last owner
    /// cannot be disabled.
    pub async fn set_disabled(&self, id: Uuid, disabled: bool) -> Result<(), StoreError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::DisabledAt, Expr::value(disabled.then(now)))
            .filter(user::Column::Id.eq(id))
            .filter(user::Column::Kind.eq(UserKind::Person.as_str()));
        self.change_keeping_an_owner(id, change, None).await
    }

    /// `role` is the new one; None if the account is opened or closed.
    async fn change_keeping_an_owner(
        &self,
        id: Uuid,
        change: sea_orm::UpdateMany<user::Entity>,
        role: Option<Role>,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        if !self.is_sqlite() {
            use sea_orm::ConnectionTrait;
            transaction
                .execute_unprepared("LOCK TABLE \"user\" IN SHARE ROW EXCLUSIVE MODE")
                .await?;
        }
        one_changed(change.exec(&transaction).await?.rows_affected)?;
        let owners = user::Entity::find()
            .filter(user::Column::Role.eq(Role::Owner.as_str()))
            .filter(user::Column::DisabledAt.is_null())
            .count(&transaction)
            .await?;
        if owners == 0 {
            return Err(StoreError::Conflict("There must be at least one owner.".into()));
        }
        end_invites(&transaction, id, role).await?;
        if role.is_none() {
            end_sessions(&transaction, id, None).await?;
            revoke_tokens(&transaction, id).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// The spelling under which an email address is kept and looked up.
pub fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(crate) fn new_row(new: NewUser, role: Role) -> Result<user::ActiveModel, StoreError> {
    let email = normal_email(&new.email);
    let (local, host) = email.split_once('@').unwrap_or_default();
    let malformed =
        local.is_empty() || host.is_empty() || host.contains('@') || email.contains(char::is_whitespace);
    if malformed || email.len() > MAX_EMAIL {
        return Err(StoreError::Invalid("That is not an email address.".into()));
    }
    refuse_nul(&email)?;
    Ok(user::ActiveModel {
        id: Set(Uuid::now_v7()),
        kind: Set(UserKind::Person.as_str().into()),
        name: Set(checked_name(&new.name)?),
        email: Set(Some(email)),
        password_hash: Set(Some(new.password_hash)),
        role: Set(role.as_str().into()),
        created_at: Set(now()),
        disabled_at: Set(None),
    })
}

pub(crate) fn email_taken(error: sea_orm::DbErr) -> StoreError {
    if StoreError::is_duplicate(&error) {
        return StoreError::Conflict("Someone with this email address already has an account.".into());
    }
    error.into()
}

fn checked_name(name: &str) -> Result<String, StoreError> {
    let name = name.trim();
    refuse_nul(name)?;
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(StoreError::Invalid(format!(
            "A name has 1 to {MAX_NAME} characters."
        )));
    }
    Ok(name.to_owned())
}

fn one_changed(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::NotFound("The person"));
    }
    Ok(())
}

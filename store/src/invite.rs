//! Invitations by link: for one role and so many people, with an end.

use std::collections::HashMap;

use domain::{
    Millis,
    permission::{Permission, Role},
    user::User,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Set, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{invite, invite_use, user},
    now, refuse_nul,
    user::{NewUser, email_taken, new_row},
};

/// The most people that one invitation lets in.
pub const MAX_USES: u32 = 100;

/// The longest that an invitation holds, in days.
pub const MAX_DAYS: u32 = 90;

/// The longest name of an invitation, in characters.
pub const MAX_LABEL: usize = 80;

/// Invitations that a list shows at most.
const LISTED: u64 = 200;

const DAY_MS: Millis = 24 * 3600 * 1000;

/// An invitation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// What is kept of the link's secret.
    pub token_hash: String,
    pub role: Role,
    /// Whom it is for, in the words of whoever invites; may be empty.
    pub label: String,
    /// How many people may join by it, 1 to [`MAX_USES`].
    pub uses: u32,
    /// How long it holds, 1 to [`MAX_DAYS`].
    pub days: u32,
}

/// An invitation, open or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    pub id: Uuid,
    pub role: Role,
    pub label: String,
    pub uses_allowed: u32,
    pub uses: u32,
    pub created_by: Uuid,
    pub created_at: Millis,
    pub expires_at: Millis,
    pub cancelled_at: Option<Millis>,
}

/// An invitation beside the people it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInvite {
    pub invite: Invite,
    /// Whether somebody can still join by it.
    pub open: bool,
    /// The name of whoever made it.
    pub by: String,
    /// Who joined by it, first to last.
    pub joined: Vec<String>,
}

impl Invite {
    /// How many people may still join by it, its end aside.
    pub fn uses_left(&self) -> u32 {
        self.uses_allowed.saturating_sub(self.uses)
    }
}

impl Store {
    /// Keeps an invitation by `maker`, whose role must reach so far.
    pub async fn insert_invite(&self, maker: &User, new: NewInvite) -> Result<Invite, StoreError> {
        let label = new.label.trim();
        refuse_nul(label)?;
        if !maker.role.may_invite(new.role) {
            return Err(StoreError::Invalid(format!(
                "A {} cannot invite a {}: ask an owner.",
                maker.role.as_str(),
                new.role.as_str()
            )));
        }
        if label.chars().count() > MAX_LABEL {
            return Err(StoreError::Invalid(format!(
                "An invitation's name has at most {MAX_LABEL} characters."
            )));
        }
        if !(1..=MAX_USES).contains(&new.uses) || !(1..=MAX_DAYS).contains(&new.days) {
            return Err(StoreError::Invalid(format!(
                "An invitation is for 1 to {MAX_USES} people and holds for 1 to {MAX_DAYS} days."
            )));
        }
        let at = now();
        let row = invite::ActiveModel {
            id: Set(Uuid::now_v7()),
            token_hash: Set(new.token_hash),
            role: Set(new.role.as_str().into()),
            label: Set(label.to_owned()),
            uses_allowed: Set(signed(new.uses)),
            uses: Set(0),
            created_by: Set(maker.id),
            created_at: Set(at),
            expires_at: Set(at + Millis::from(new.days) * DAY_MS),
            cancelled_at: Set(None),
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

    /// The newest invitations, open or not: everyone's for whoever manages the team, else the person's own.
    pub async fn list_invites(&self, viewer: &User) -> Result<Vec<ListedInvite>, StoreError> {
        let rows = own_or_all(invite::Entity::find(), viewer)
            .order_by_desc(invite::Column::CreatedAt)
            .limit(LISTED)
            .all(self.reader())
            .await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let still_open: Vec<Uuid> = open()
            .select_only()
            .column(invite::Column::Id)
            .filter(invite::Column::Id.is_in(ids.iter().copied()))
            .into_tuple()
            .all(self.reader())
            .await?;
        let uses = invite_use::Entity::find()
            .filter(invite_use::Column::InviteId.is_in(ids))
            .order_by_asc(invite_use::Column::UsedAt)
            .all(self.reader())
            .await?;
        let people = uses
            .iter()
            .map(|row| row.user_id)
            .chain(rows.iter().map(|row| row.created_by));
        let names: HashMap<Uuid, String> = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, user::Column::Name])
            .filter(user::Column::Id.is_in(people))
            .into_tuple::<(Uuid, String)>()
            .all(self.reader())
            .await?
            .into_iter()
            .collect();
        let name = |id: &Uuid| names.get(id).cloned().unwrap_or_default();
        rows.into_iter()
            .map(|row| {
                let joined = uses.iter().filter(|used| used.invite_id == row.id);
                Ok(ListedInvite {
                    open: still_open.contains(&row.id),
                    by: name(&row.created_by),
                    joined: joined.map(|used| name(&used.user_id)).collect(),
                    invite: row.try_into()?,
                })
            })
            .collect()
    }

    /// Cancels an invitation, one's own or, for whoever manages the team, anyone's. Who has joined stays.
    pub async fn cancel_invite(&self, viewer: &User, id: Uuid) -> Result<(), StoreError> {
        let mut change = invite::Entity::update_many()
            .col_expr(invite::Column::CancelledAt, Expr::value(now()))
            .filter(invite::Column::Id.eq(id))
            .filter(invite::Column::CancelledAt.is_null());
        if !viewer.role.may(Permission::ManageTeam) {
            change = change.filter(invite::Column::CreatedBy.eq(viewer.id));
        }
        match change.exec(self.writer()).await?.rows_affected {
            0 => Err(StoreError::NotFound("The invitation")),
            _ => Ok(()),
        }
    }

    /// Makes the account that an invitation allows, and spends one of its uses, both or neither.
    pub async fn accept_invite(&self, token_hash: &str, mut new: NewUser) -> Result<User, StoreError> {
        let transaction = self.begin().await?;
        let found = open()
            .filter(invite::Column::TokenHash.eq(token_hash))
            .one(&transaction)
            .await?;
        let invite = Invite::try_from(found.ok_or(StoreError::NotFound("The invitation"))?)?;
        // Before the account: on PostgreSQL the row is locked here, and whoever waits for it counts anew.
        let spent = invite::Entity::update_many()
            .col_expr(invite::Column::Uses, Expr::col(invite::Column::Uses).add(1))
            .filter(invite::Column::Id.eq(invite.id))
            .filter(Expr::cust(OPEN))
            .exec(&transaction)
            .await?;
        if spent.rows_affected != 1 {
            return Err(StoreError::NotFound("The invitation"));
        }
        new.role = invite.role;
        let made = new_row(new, invite.role)?
            .insert(&transaction)
            .await
            .map_err(email_taken)?;
        let used = invite_use::ActiveModel {
            invite_id: Set(invite.id),
            user_id: Set(made.id),
            used_at: Set(now()),
        };
        invite_use::Entity::insert(used)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        made.try_into()
    }
}

/// Neither used up nor cancelled; its end is asked for beside it.
const OPEN: &str = "uses < uses_allowed AND cancelled_at IS NULL";

/// Invitations that can still be used: their maker, too, could still make them.
fn open() -> Select<invite::Entity> {
    invite::Entity::find()
        .filter(Expr::cust(OPEN))
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
    invite::Entity::update_many()
        .col_expr(invite::Column::CancelledAt, Expr::value(now()))
        .filter(invite::Column::CreatedBy.eq(maker))
        .filter(invite::Column::CancelledAt.is_null())
        .filter(invite::Column::Role.is_in(lost.map(Role::as_str)))
        .exec(transaction)
        .await?;
    Ok(())
}

fn own_or_all(all: Select<invite::Entity>, viewer: &User) -> Select<invite::Entity> {
    if viewer.role.may(Permission::ManageTeam) {
        all
    } else {
        all.filter(invite::Column::CreatedBy.eq(viewer.id))
    }
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
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
            label: row.label,
            uses_allowed: u32::try_from(row.uses_allowed).unwrap_or(0),
            uses: u32::try_from(row.uses).unwrap_or(0),
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            cancelled_at: row.cancelled_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestDb;

    fn person(email: &str, role: Role) -> NewUser {
        NewUser {
            name: email.split('@').next().unwrap_or_default().to_owned(),
            email: email.into(),
            password_hash: "$argon2id$…".into(),
            role,
        }
    }

    fn invitation(role: Role, uses: u32) -> NewInvite {
        NewInvite {
            token_hash: "hash".into(),
            role,
            label: " Autumn class ".into(),
            uses,
            days: 7,
        }
    }

    #[tokio::test]
    async fn of_many_who_come_at_once_exactly_so_many_join() {
        for db in TestDb::each().await {
            let owner = db
                .insert_first_owner(person("a@example.org", Role::Owner))
                .await
                .unwrap();
            db.insert_invite(&owner, invitation(Role::Trainer, 3))
                .await
                .unwrap();
            let crowd: Vec<_> = (0..12)
                .map(|number| {
                    let store = db.store();
                    let guest = person(&format!("guest{number}@example.org"), Role::Owner);
                    tokio::spawn(async move { store.accept_invite("hash", guest).await })
                })
                .collect();
            let mut joined = Vec::new();
            for guest in crowd {
                match guest.await.unwrap() {
                    Ok(user) => joined.push(user),
                    Err(error) => assert!(matches!(error, StoreError::NotFound(_)), "{error}"),
                }
            }
            assert_eq!(joined.len(), 3, "{:?}", db.backend());
            assert!(joined.iter().all(|user| user.role == Role::Trainer));
            let listed = db.list_invites(&owner).await.unwrap().pop().unwrap();
            assert_eq!((listed.invite.uses, listed.open), (3, false));
            assert_eq!(listed.invite.label, "Autumn class");
            assert_eq!(listed.joined.len(), 3);
        }
    }

    #[tokio::test]
    async fn a_use_is_not_spent_on_an_address_that_is_taken() {
        for db in TestDb::each().await {
            let owner = db
                .insert_first_owner(person("a@example.org", Role::Owner))
                .await
                .unwrap();
            db.insert_invite(&owner, invitation(Role::Reviewer, 1))
                .await
                .unwrap();
            let taken = db
                .accept_invite("hash", person("A@example.org", Role::Trainer))
                .await;
            assert!(matches!(taken, Err(StoreError::Conflict(_))));
            let made = db
                .accept_invite("hash", person("b@example.org", Role::Trainer))
                .await
                .unwrap();
            assert_eq!(made.role, Role::Reviewer);
        }
    }

    #[tokio::test]
    async fn a_lead_invites_trainers_sees_and_cancels_only_what_is_theirs() {
        for db in TestDb::each().await {
            let owner = db
                .insert_first_owner(person("a@example.org", Role::Owner))
                .await
                .unwrap();
            let lead = db.insert_user(person("l@example.org", Role::Lead)).await.unwrap();
            let refused = db.insert_invite(&lead, invitation(Role::Lead, 1)).await;
            assert!(matches!(refused, Err(StoreError::Invalid(_))));
            let other = NewInvite {
                token_hash: "other".into(),
                ..invitation(Role::Owner, 1)
            };
            let of_owner = db.insert_invite(&owner, other).await.unwrap();
            let own = db
                .insert_invite(&lead, invitation(Role::Trainer, 9))
                .await
                .unwrap();
            assert_eq!(db.list_invites(&owner).await.unwrap().len(), 2);
            assert_eq!(db.list_invites(&lead).await.unwrap().len(), 1);
            assert!(db.cancel_invite(&lead, of_owner.id).await.is_err());
            db.cancel_invite(&lead, own.id).await.unwrap();
            assert_eq!(db.find_open_invite("hash").await.unwrap(), None);
            assert!(
                db.accept_invite("hash", person("b@example.org", Role::Trainer))
                    .await
                    .is_err()
            );
            assert!(db.find_open_invite("other").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn invitations_of_before_keep_who_used_them() {
        use sea_orm::ConnectionTrait;
        for db in TestDb::each().await {
            let owner = db
                .insert_first_owner(person("a@example.org", Role::Owner))
                .await
                .unwrap();
            let guest = db
                .insert_user(person("b@example.org", Role::Trainer))
                .await
                .unwrap();
            let after = db
                .migration_status()
                .await
                .unwrap()
                .iter()
                .rev()
                .position(|(name, _)| name.contains("invite_uses"))
                .unwrap();
            db.migrate_down(after as u32 + 1).await.unwrap();
            let hex = |id: Uuid| match db.is_sqlite() {
                true => format!("x'{}'", id.simple()),
                false => format!("'{id}'"),
            };
            for (id, used) in [(1, true), (2, false)] {
                let by = if used { hex(guest.id) } else { "NULL".into() };
                let row = format!(
                    "INSERT INTO invite (id, token_hash, role, created_by, created_at, expires_at, used_by, used_at)
                     VALUES ({}, 'hash{id}', 'trainer', {}, {id}, 9000000000000, {by}, {})",
                    hex(Uuid::from_u128(id)),
                    hex(owner.id),
                    if used { "5" } else { "NULL" },
                );
                db.writer().execute_unprepared(&row).await.unwrap();
            }
            db.migrate_up().await.unwrap();
            let listed = db.list_invites(&owner).await.unwrap();
            assert_eq!((listed[0].open, listed[0].joined.len()), (true, 0));
            assert_eq!(
                (listed[1].open, listed[1].joined.clone()),
                (false, vec!["b".into()])
            );
            db.migrate_down(after as u32 + 1).await.unwrap();
            db.migrate_up().await.unwrap();
            assert_eq!(db.list_invites(&owner).await.unwrap(), listed);
        }
    }
}

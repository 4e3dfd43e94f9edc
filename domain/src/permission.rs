//! Roles and what each may do; every route and server function asks here.

use serde::{Deserialize, Serialize};

/// What a person is in this installation, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Judges, corrects and ranks.
    Trainer,
    /// A trainer who also sees what others judged and what models score.
    Reviewer,
    /// A reviewer who also runs projects: imports, trains, exports.
    Lead,
    /// A lead who also decides who takes part.
    Owner,
}

/// Something that not everyone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See the list of projects and their instructions.
    ViewProjects,
    /// Judge comparisons and write corrections.
    Judge,
    /// See others' judgements, runs and scores.
    Review,
    /// Create and change projects, import data into them.
    ManageProjects,
    /// Start, cancel and delete training runs.
    Train,
    /// Take preferences away.
    Export,
    /// Have API tokens, and score by them.
    UseApi,
    /// Invite people, as far as [`Role::may_invite`] goes, and see who takes part.
    Invite,
    /// Change roles, disable accounts, cancel anyone's invitation.
    ManageTeam,
}

impl Role {
    /// All roles, from least to most.
    pub const ALL: [Role; 4] = [Role::Trainer, Role::Reviewer, Role::Lead, Role::Owner];

    /// Whether a person of this role may do that.
    pub fn may(self, permission: Permission) -> bool {
        self >= permission.least_role()
    }

    /// Whether a person of this role may invite others to be `invited`: a lead those below, an owner everyone.
    pub fn may_invite(self, invited: Role) -> bool {
        match self {
            Role::Owner => true,
            Role::Lead => invited < Role::Lead,
            Role::Reviewer | Role::Trainer => false,
        }
    }

    /// The role's spelling in the database, in forms and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Trainer => "trainer",
            Role::Reviewer => "reviewer",
            Role::Lead => "lead",
            Role::Owner => "owner",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Role, UnknownRole> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a role: use trainer, reviewer, lead or owner")]
pub struct UnknownRole(pub String);

/// What an API token opens, within its holder's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the API.
    All,
    /// Scoring alone.
    Score,
    /// What goes into projects and comes out of them.
    Data,
}

impl Scope {
    /// From most to least.
    pub const ALL: [Scope; 3] = [Scope::All, Scope::Score, Scope::Data];

    /// The spelling in the database and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::All => "all",
            Scope::Score => "score",
            Scope::Data => "data",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Scope::All => "the whole API",
            Scope::Score => "scoring alone",
            Scope::Data => "export alone",
        }
    }

    /// Whether a token of this scope opens an address of the API. What no narrower scope names needs [`Scope::All`].
    pub fn opens(self, path: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Score => path == "/api/v1/score" || path.starts_with("/api/v1/score/"),
            Scope::Data => {
                let parts: Vec<&str> = path.split('/').collect();
                matches!(parts.as_slice(), ["", "api", "v1", "projects", _, what, ..]
                    if what.starts_with("export") || what.starts_with("import"))
            }
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a scope: use all, score or data")]
pub struct UnknownScope(pub String);

impl Permission {
    /// The least role that has this permission.
    pub fn least_role(self) -> Role {
        match self {
            Permission::ViewProjects | Permission::Judge => Role::Trainer,
            Permission::Review => Role::Reviewer,
            Permission::ManageProjects
            | Permission::Train
            | Permission::Export
            | Permission::UseApi
            | Permission::Invite => Role::Lead,
            Permission::ManageTeam => Role::Owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trainer_judges_and_nothing_more() {
        assert!(Role::Trainer.may(Permission::Judge));
        for refused in [
            Permission::Review,
            Permission::ManageProjects,
            Permission::Train,
            Permission::Export,
        ] {
            assert!(!Role::Trainer.may(refused), "{refused:?}");
        }
    }

    #[test]
    fn only_owners_manage_the_team() {
        let who: Vec<_> = Role::ALL
            .into_iter()
            .filter(|r| r.may(Permission::ManageTeam))
            .collect();
        assert_eq!(who, [Role::Owner]);
    }

    #[test]
    fn a_narrow_scope_opens_what_it_names_alone() {
        let export = "/api/v1/projects/018f/export.jsonl";
        assert!(Scope::Score.opens("/api/v1/score") && !Scope::Score.opens(export));
        assert!(Scope::Data.opens(export) && !Scope::Data.opens("/api/v1/score"));
        for unknown in [
            "/api/v1/scores",
            "/api/v1/people",
            "/api/v1/projects/018f",
            "/api/v1/projects/018f/runs",
        ] {
            assert!(
                !Scope::Score.opens(unknown) && !Scope::Data.opens(unknown),
                "{unknown}"
            );
            assert!(Scope::All.opens(unknown));
        }
    }

    #[test]
    fn a_lead_invites_those_below_and_an_owner_everyone() {
        let by =
            |role: Role| -> Vec<Role> { Role::ALL.into_iter().filter(|r| role.may_invite(*r)).collect() };
        assert_eq!(by(Role::Owner), Role::ALL);
        assert_eq!(by(Role::Lead), [Role::Trainer, Role::Reviewer]);
        assert!(by(Role::Reviewer).is_empty() && by(Role::Trainer).is_empty());
        for role in Role::ALL {
            assert_eq!(role.may(Permission::Invite), !by(role).is_empty(), "{role:?}");
        }
    }

    #[test]
    fn spelling_round_trips() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}

//! Projects, and what stands in them.

use domain::project::{MAX_NAME, Project, ProjectSummary, SCHEME_VERSION};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set, Statement,
};
use uuid::Uuid;

use crate::{Store, StoreError, entity::project, in_force::in_force, now, refuse_nul};

/// A project to be made.
#[derive(Debug, Clone)]
pub struct NewProject {
    pub name: String,
    /// Markdown.
    pub instructions: String,
    pub demo: bool,
    /// None if a command made it.
    pub created_by: Option<Uuid>,
}

impl Store {
    /// Makes a project; its name must be free.
    pub async fn insert_project(&self, new: NewProject) -> Result<Project, StoreError> {
        let name = new.name.trim();
        refuse_nul(name)?;
        refuse_nul(&new.instructions)?;
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(StoreError::Invalid(format!(
                "A project's name has 1 to {MAX_NAME} characters."
            )));
        }
        let row = project::ActiveModel {
            id: Set(Uuid::now_v7()),
            name: Set(name.to_owned()),
            instructions: Set(new.instructions),
            demo: Set(new.demo),
            scheme_version: Set(SCHEME_VERSION),
            judgements_per_comparison: Set(1),
            created_by: Set(new.created_by),
            created_at: Set(now()),
            archived_at: Set(None),
        };
        match row.insert(self.writer()).await {
            Ok(made) => Ok(made.into()),
            Err(error) if StoreError::is_duplicate(&error) => Err(StoreError::Conflict(format!(
                "There is already a project “{name}”."
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// The project of this identifier.
    pub async fn find_project(&self, id: Uuid) -> Result<Project, StoreError> {
        let found = project::Entity::find_by_id(id).one(self.reader()).await?;
        found
            .map(Project::from)
            .ok_or(StoreError::NotFound("The project"))
    }

    /// The project of this name.
    pub async fn find_project_by_name(&self, name: &str) -> Result<Option<Project>, StoreError> {
        let found = project::Entity::find()
            .filter(project::Column::Name.eq(name.trim()))
            .one(self.reader())
            .await?;
        Ok(found.map(Project::from))
    }

    /// The demo project, if it was made.
    pub async fn find_demo_project(&self) -> Result<Option<Project>, StoreError> {
        let found = project::Entity::find()
            .filter(project::Column::Demo.eq(true))
            .one(self.reader())
            .await?;
        Ok(found.map(Project::from))
    }

    /// All projects that are not archived, by name.
    pub async fn list_projects(&self) -> Result<Vec<Project>, StoreError> {
        let rows = project::Entity::find()
            .filter(project::Column::ArchivedAt.is_null())
            .order_by_asc(project::Column::Name)
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(Project::from).collect())
    }

    /// Replaces a project's instructions (Markdown).
    pub async fn set_instructions(&self, id: Uuid, instructions: &str) -> Result<(), StoreError> {
        refuse_nul(instructions)?;
        let changed = project::Entity::update_many()
            .col_expr(
                project::Column::Instructions,
                sea_orm::sea_query::Expr::value(instructions),
            )
            .filter(project::Column::Id.eq(id))
            .exec(self.writer())
            .await?;
        if changed.rows_affected == 0 {
            return Err(StoreError::NotFound("The project"));
        }
        Ok(())
    }

    /// The project with the numbers of what stands in it.
    pub async fn summarise_project(&self, id: Uuid) -> Result<ProjectSummary, StoreError> {
        let project = self.find_project(id).await?;
        let statement = Statement::from_sql_and_values(self.backend(), COUNTS, [id.into()]);
        let row = self
            .reader()
            .query_one_raw(statement)
            .await?
            .ok_or(StoreError::NotFound("The project"))?;
        let count = |index: usize| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(0))
        };
        Ok(ProjectSummary {
            project,
            prompts: count(0)?,
            responses: count(1)?,
            comparisons: count(2)?,
            judgements: count(3)?,
            corrections: count(4)?,
            runs: count(5)?,
        })
    }
}

/// A row is in force if no other supersedes it.
const COUNTS: &str = concat!(
    "SELECT
  (SELECT COUNT(*) FROM prompt WHERE project_id = $1),
  (SELECT COUNT(*) FROM response r JOIN prompt p ON p.id = r.prompt_id WHERE p.project_id = $1),
  (SELECT COUNT(*) FROM comparison WHERE project_id = $1),
  (SELECT COUNT(*) FROM judgement j WHERE j.project_id = $1 AND j.verdict <> 'withdrawn'
     AND ",
    in_force!(judgement j),
    "),
  (SELECT COUNT(*) FROM correction c WHERE c.project_id = $1
     AND ",
    in_force!(correction c),
    "),
  (SELECT COUNT(*) FROM run WHERE project_id = $1)"
);

impl From<project::Model> for Project {
    fn from(row: project::Model) -> Project {
        Project {
            id: row.id,
            name: row.name,
            instructions: row.instructions,
            demo: row.demo,
            scheme_version: row.scheme_version,
            judgements_per_comparison: row.judgements_per_comparison,
            created_at: row.created_at,
        }
    }
}

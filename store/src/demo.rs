//! The demo project.

use domain::{demo, import::ImportProgress, project::Project};
use uuid::Uuid;

use crate::{Store, StoreError, import::Importer, project::NewProject};

impl Store {
    /// Makes the demo project, or completes the one that is there.
    pub async fn create_demo_project(&self, created_by: Option<Uuid>) -> Result<Project, StoreError> {
        let project = match self.find_demo_project().await? {
            Some(project) => project,
            None => self.insert_demo_project(created_by).await?,
        };
        let mut importer = Importer::new(self.clone(), project.id, project.id, None);
        importer
            .insert(&demo::rows(), &mut ImportProgress::default(), None)
            .await?;
        Ok(project)
    }

    /// Under its own name, or with a number if people have taken that.
    async fn insert_demo_project(&self, created_by: Option<Uuid>) -> Result<Project, StoreError> {
        let mut name = demo::NAME.to_owned();
        let mut number = 1;
        loop {
            let new = NewProject {
                name: name.clone(),
                instructions: demo::INSTRUCTIONS.to_owned(),
                demo: true,
                created_by,
            };
            match self.insert_project(new).await {
                Err(StoreError::Conflict(_)) if number < 100 => {
                    number += 1;
                    name = format!("{} {number}", demo::NAME);
                }
                made => return made,
            }
        }
    }
}

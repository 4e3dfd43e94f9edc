//! Importing a file as a lead does it.

use anyhow::Result;

use crate::Browser;

impl Browser {
    /// Uploads these lines to the project's page of imports. What is said then depends on the file.
    pub async fn upload_lines(&self, project: &str, lines: &[String]) -> Result<()> {
        let file =
            std::env::temp_dir().join(format!("touchstone-{}-{}.jsonl", std::process::id(), lines.len()));
        std::fs::write(&file, lines.join("\n"))?;
        self.visit(&format!("{project}/import")).await?;
        let path = file.to_string_lossy();
        self.element("#import-file")
            .await?
            .send_keys(path.as_ref())
            .await?;
        self.click_button("Upload and import").await?;
        self.reads("Nothing is written until you say").await?;
        Ok(std::fs::remove_file(&file)?)
    }

    /// Takes what the page suggests to make of responses that nobody has judged: one ranking of each prompt.
    pub async fn make_rankings(&self) -> Result<()> {
        let answer = self.element("form[action*='answer'] button.primary").await?;
        Ok(answer.click().await?)
    }
}

//! A data folder with the commands that work in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

/// A data folder of its own, gone when dropped.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new() -> Place {
        let folder =
            std::env::temp_dir().join(format!("touchstone-import-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
        command
            .args(args)
            .env("TOUCHSTONE_DATA_DIR", self.0.join("data"))
            .env_remove("TOUCHSTONE_DATABASE_URL")
            .env("RUST_LOG", "warn");
        command
    }

    pub fn run(&self, args: &[&str]) -> (bool, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.success(), text(stdout), text(stderr))
    }

    /// [`Place::run`] with the most memory that the command had, in megabytes.
    pub fn measured(&self, args: &[&str]) -> (bool, String, String, u64) {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let told = fs::read_to_string(&status).unwrap_or_default();
            let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes: Option<u64> =
                line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
            peak = peak.max(kilobytes.unwrap_or_default() / 1024);
            sleep(Duration::from_millis(2));
        }
        assert!(peak > 0, "{args:?}");
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
            peak,
        )
    }

    pub fn import(&self, file: &Path, more: &[&str]) -> (bool, String, String) {
        self.import_into("P", file, more)
    }

    pub fn import_into(&self, project: &str, file: &Path, more: &[&str]) -> (bool, String, String) {
        let mut args = vec!["import", file.to_str().unwrap(), "--project", project];
        args.extend(more);
        self.run(&args)
    }

    /// Whether an import has made the project: a failed one leaves none.
    pub fn has_project(&self) -> bool {
        let (ok, _, error) = self.run(&["export", "--project", "P"]);
        assert!(ok || error.contains("there is no project “P”"), "{error}");
        ok
    }

    pub fn export(&self) -> Vec<Value> {
        self.export_of("P")
    }

    pub fn export_of(&self, project: &str) -> Vec<Value> {
        let (ok, lines, error) = self.run(&["export", "--project", project]);
        assert!(ok, "{error}");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

//! Settings, each a flag and an environment variable, read once at the start.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;

/// What every command needs.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Folder of models, uploads and, by default, the database; made if missing.
    #[arg(
        long,
        global = true,
        env = "TOUCHSTONE_DATA_DIR",
        default_value = "./data",
        value_name = "FOLDER"
    )]
    pub data_dir: PathBuf,

    /// Database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME` [default: touchstone.db in the data folder].
    #[arg(
        long,
        global = true,
        env = "TOUCHSTONE_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,

    /// Folder of the base model (config.json, tokenizer.json, model.safetensors) [default: fetched into the data
    /// folder].
    #[arg(long, global = true, env = "TOUCHSTONE_BASE_MODEL", value_name = "FOLDER")]
    pub base_model: Option<PathBuf>,

    /// Logs as `text` or as `json` lines; RUST_LOG chooses what is logged [default there: info].
    #[arg(long, global = true, env = "TOUCHSTONE_LOG", default_value = "text")]
    pub log: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What `serve` needs beside.
#[derive(Debug, Clone, Args)]
pub struct ServeConfig {
    /// Address and port to listen on.
    #[arg(long, env = "TOUCHSTONE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address under which people reach the server; with https, cookies are sent over TLS alone [default: http on
    /// the listening address].
    #[arg(long, env = "TOUCHSTONE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Send cookies over TLS alone, whatever the public address is.
    #[arg(long, env = "TOUCHSTONE_SECURE_COOKIES")]
    pub secure_cookies: bool,

    /// Take the client's address from the last entry of X-Forwarded-For: only behind a proxy that sets it.
    #[arg(long, env = "TOUCHSTONE_BEHIND_PROXY")]
    pub behind_proxy: bool,

    /// Leave the jobs to `touchstone work` processes.
    #[arg(long, env = "TOUCHSTONE_NO_WORKER")]
    pub no_worker: bool,

    /// The largest file that may be uploaded for an import, in MB.
    #[arg(
        long,
        env = "TOUCHSTONE_MAX_UPLOAD_MB",
        default_value_t = 512,
        value_name = "MB"
    )]
    pub max_upload_mb: u32,

    /// Read the browser's files from this folder instead of those built in (for work on styles).
    #[arg(long, env = "TOUCHSTONE_SITE_DIR", value_name = "FOLDER")]
    pub site_dir: Option<PathBuf>,
}

impl Config {
    /// The database's URL, the default worked out.
    pub fn database_url(&self) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join("touchstone.db").display()))
    }

    /// The data folder, made if it was missing.
    pub fn make_data_dir(&self) -> std::io::Result<&Path> {
        std::fs::create_dir_all(&self.data_dir)?;
        Ok(&self.data_dir)
    }
}

impl ServeConfig {
    /// The public address without a slash at the end.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{listening}"),
        }
    }

    /// Whether cookies go over TLS alone.
    pub fn secure_cookies(&self) -> bool {
        let https = self
            .public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https:"));
        self.secure_cookies || https
    }
}

//! Settings, each a flag and an environment variable, read once at the start.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    address, data_folder,
    network::{self, Network},
    private_files,
};

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

    /// Address under which people reach the server, without a path; with https, cookies are sent over TLS alone
    /// [default: http on the listening address].
    #[arg(long, env = "TOUCHSTONE_PUBLIC_URL", value_name = "URL", value_parser = address::parse)]
    pub public_url: Option<String>,

    /// Send cookies over TLS alone, whatever the public address is.
    #[arg(long, env = "TOUCHSTONE_SECURE_COOKIES")]
    pub secure_cookies: bool,

    /// Take the client's address from X-Forwarded-For, where a proxy on this machine or in a private network sends it.
    #[arg(long, env = "TOUCHSTONE_BEHIND_PROXY")]
    pub behind_proxy: bool,

    /// Take the client's address from X-Forwarded-For, where one of these proxies sends it: addresses or networks
    /// such as 10.0.0.0/8.
    #[arg(
        long,
        env = "TOUCHSTONE_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub trusted_proxies: Vec<Network>,

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
            .unwrap_or_else(|| format!("sqlite:{}", data_folder::database(&self.data_dir).display()))
    }

    /// The database's URL without name and password.
    pub fn database_name(&self) -> String {
        let url = self.database_url();
        match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => url,
        }
    }

    /// The data folder, made if it was missing, and closed to other people of this machine.
    pub fn make_data_dir(&self) -> std::io::Result<&Path> {
        std::fs::create_dir_all(&self.data_dir)?;
        private_files::close(&self.data_dir)?;
        Ok(&self.data_dir)
    }
}

impl ServeConfig {
    /// The public address without a slash at the end.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        // What listens everywhere is reached here too, and nobody can open 0.0.0.0.
        let mut here = listening;
        if listening.ip().is_unspecified() {
            let loopback = match listening {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            here.set_ip(loopback);
        }
        format!("http://{here}")
    }

    /// Whose X-Forwarded-For is believed.
    pub fn proxies(&self) -> Vec<Network> {
        match self.trusted_proxies.is_empty() {
            true if self.behind_proxy => network::private(),
            _ => self.trusted_proxies.clone(),
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeConfig,
    }

    fn serve(flags: &[&str]) -> Result<ServeConfig, clap::Error> {
        Line::try_parse_from([&["serve"], flags].concat()).map(|line| line.serve)
    }

    #[test]
    fn a_public_address_is_checked_at_the_start() {
        let told = |url| serve(&["--public-url", url]).unwrap_err().to_string();
        assert!(told("https://touch.example/tools").contains("has a path"));
        assert!(told("touch.example").contains("must begin with http"));
        assert!(told("ftp://touch.example").contains("must begin with http"));
        let kept = serve(&["--public-url", "https://Touch.example/"]).unwrap();
        assert_eq!(kept.public_url.as_deref(), Some("https://touch.example"));
        assert!(kept.secure_cookies());
    }

    #[test]
    fn links_of_a_server_that_listens_everywhere_can_be_opened() {
        let config = serve(&[]).unwrap();
        for (listening, link) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:8080", "http://[::1]:8080"),
            ("192.168.1.5:80", "http://192.168.1.5:80"),
        ] {
            assert_eq!(config.public_url(listening.parse().unwrap()), link);
        }
    }

    #[test]
    fn no_proxy_is_trusted_unless_it_is_said() {
        assert!(serve(&[]).unwrap().proxies().is_empty());
        assert_eq!(serve(&["--behind-proxy"]).unwrap().proxies(), network::private());
        let two = serve(&["--behind-proxy", "--trusted-proxies", "10.1.2.3,fd00::/8"]).unwrap();
        assert_eq!(two.proxies().len(), 2);
        assert!(serve(&["--trusted-proxies", "proxy.example"]).is_err());
    }
}

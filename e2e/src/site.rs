//! A running server with scratch data of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::Programs;

/// A server that is killed, and whose data go, when this is dropped.
#[derive(Debug)]
pub struct Site {
    process: Child,
    pub url: String,
    data: PathBuf,
}

impl Site {
    /// Starts `touchstone serve` on a free port and waits until it answers.
    pub async fn start(programs: &Programs) -> Result<Site> {
        let port = free_port()?;
        let data = std::env::temp_dir().join(format!("touchstone-e2e-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        let mut site = Site {
            process: serve(programs, port, &data)?,
            url: format!("http://127.0.0.1:{port}"),
            data,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !answers(port) {
            if let Some(status) = site.process.try_wait()? {
                bail!(
                    "the server stopped with {status}; see {}",
                    site.data.join("server.log").display()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "the server did not answer within 30 s; see {}",
                    site.data.join("server.log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(site)
    }

    /// The page's address on this server.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

fn serve(programs: &Programs, port: u16, data: &Path) -> Result<Child> {
    let log = std::fs::File::create(data.join("server.log"))?;
    let mut command = Command::new(&programs.touchstone);
    command
        .arg("serve")
        .env("TOUCHSTONE_LISTEN", format!("127.0.0.1:{port}"))
        .env("TOUCHSTONE_DATA_DIR", data)
        .env_remove("TOUCHSTONE_DATABASE_URL")
        .env_remove("TOUCHSTONE_PUBLIC_URL")
        .current_dir(data)
        .stdout(Stdio::null())
        .stderr(log);
    if let Some(base) = &programs.base_model {
        command.env("TOUCHSTONE_BASE_MODEL", base);
    }
    command
        .spawn()
        .with_context(|| format!("cannot start {}", programs.touchstone.display()))
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether someone accepts connections on this port of this machine.
pub(crate) fn answers(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

//! A running server with scratch data of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;

use crate::Programs;

/// What the server tells whoever started it.
const TERMINAL: &str = "terminal.txt";

/// A server that is killed, and whose data go, when this is dropped.
#[derive(Debug)]
pub struct Site {
    process: Child,
    port: u16,
    pub url: String,
    data: PathBuf,
}

impl Site {
    /// Starts `touchstone serve` on a free port and waits until it answers.
    pub async fn start(programs: &Programs) -> Result<Site> {
        let port = free_port()?;
        let data = std::env::temp_dir().join(format!("touchstone-e2e-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        let process = serve(programs, port, &data)?;
        let mut site = Site {
            process,
            port,
            url: format!("http://127.0.0.1:{port}"),
            data,
        };
        site.wait_until_up().await?;
        Ok(site)
    }

    /// Runs the program on the server's data, as whoever can reach the machine does, with `input` on its standard input.
    pub async fn command(&self, programs: &Programs, arguments: &[&str], input: &str) -> Result<()> {
        let mut command = tokio::process::Command::new(&programs.touchstone);
        command
            .args(arguments)
            .env("TOUCHSTONE_DATA_DIR", &self.data)
            .env_remove("TOUCHSTONE_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn()?;
        if let Some(mut stdin) = process.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = process.wait_with_output().await?;
        ensure!(
            output.status.success(),
            "touchstone {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Writes a file beside the server's data and gives its path.
    pub fn write_file(&self, name: &str, content: &str) -> Result<String> {
        let path = self.data.join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again on the same data and port.
    pub async fn restart(&mut self, programs: &Programs) -> Result<()> {
        self.process = serve(programs, self.port, &self.data)?;
        self.wait_until_up().await
    }

    /// The code that a fresh installation shows in its terminal.
    pub fn setup_code(&self) -> Result<String> {
        let told = std::fs::read_to_string(self.data.join(TERMINAL))?;
        let code = told
            .lines()
            .find_map(|line| line.strip_prefix("The set-up code is "));
        Ok(code.context("the server showed no set-up code")?.to_owned())
    }

    async fn wait_until_up(&mut self) -> Result<()> {
        let log = self.data.join("server.log");
        let deadline = Instant::now() + Duration::from_secs(30);
        while !answers(self.port) {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server stopped with {status}; see {}", log.display());
            }
            if Instant::now() > deadline {
                bail!("the server did not answer within 30 s; see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
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
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(data.join("server.log"))?;
    let mut command = Command::new(&programs.touchstone);
    command
        .arg("serve")
        .env("TOUCHSTONE_LISTEN", format!("127.0.0.1:{port}"))
        .env("TOUCHSTONE_DATA_DIR", data)
        .env_remove("TOUCHSTONE_DATABASE_URL")
        .env_remove("TOUCHSTONE_PUBLIC_URL")
        .current_dir(data)
        .stdout(std::fs::File::create(data.join(TERMINAL))?)
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

//! The server under load, in a process of its own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// A running `touchstone serve`; it and its folder go when this is dropped.
pub struct Server {
    process: Child,
    program: PathBuf,
    url: String,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it over the database at `url` and waits until it answers.
    pub fn start(program: &Path, url: &str) -> Result<Server> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = std::env::temp_dir().join(format!(
            "touchstone-load-{}-{}",
            std::process::id(),
            address.port()
        ));
        std::fs::create_dir_all(&folder)?;
        let mut server = Server {
            process: spawn(program, url, &folder, address)?,
            program: program.to_owned(),
            url: url.to_owned(),
            folder,
            address,
        };
        server.wait()?;
        Ok(server)
    }

    /// SIGKILL, and again from the start.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(&self.program, &self.url, &self.folder, self.address)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server stopped with {status}: {}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the server does not answer: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn spawn(program: &Path, url: &str, folder: &Path, address: SocketAddr) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    Command::new(program)
        .args(["serve", "--no-worker"])
        .env("TOUCHSTONE_LISTEN", address.to_string())
        .env("TOUCHSTONE_DATA_DIR", folder)
        .env("TOUCHSTONE_DATABASE_URL", url)
        .env_remove("TOUCHSTONE_PUBLIC_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

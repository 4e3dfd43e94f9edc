//! What the tasks need on this machine, installed where that may be done and named where it may not.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

use crate::process::{find_program, root, run, succeeds, target};

/// axe-core, the accessibility checker of the browser tests: a pinned version from the npm registry.
const AXE: &str = "axe-core@4.14.1";

/// Adds a target to the Rust toolchain if it is not there.
pub fn wasm_target(triple: &str) -> Result<()> {
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    if installed
        .as_ref()
        .is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(triple))
    {
        return Ok(());
    }
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let library = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim())
        .join("lib/rustlib")
        .join(triple);
    if library.exists() {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", triple]))
        .with_context(|| format!("the Rust target {triple} is missing: rustup target add {triple}"))
}

/// Chromium and its driver.
pub struct Chromium {
    pub browser: PathBuf,
    pub driver: PathBuf,
}

/// Finds Chromium and its driver, and installs them by apt if they are missing and it may.
pub fn chromium() -> Result<Chromium> {
    let find = || {
        Some(Chromium {
            browser: find_program(&["chromium", "chromium-browser", "google-chrome"])?,
            driver: find_program(&["chromedriver"])?,
        })
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    apt_install(&["chromium", "chromium-driver"]);
    find().context(
        "Chromium and ChromeDriver on the PATH, for the tests in a browser (Debian: apt-get install chromium chromium-driver)",
    )
}

/// PostgreSQL's own programs, with which the tests start a private server, or a server that `DATABASE_URL` names.
pub fn postgresql() -> Result<()> {
    // Where the tests look for them: store/src/test_db.rs.
    let installed = || Path::new("/usr/lib/postgresql").exists();
    let given = env::var("DATABASE_URL").is_ok_and(|url| url.starts_with("postgres"));
    if !given && !installed() {
        apt_install(&["postgresql"]);
    }
    if !given && !installed() {
        bail!("PostgreSQL, the second database (Debian: apt-get install postgresql; or give DATABASE_URL)");
    }
    Ok(())
}

/// The axe-core script, from npm.
pub fn axe() -> Result<PathBuf> {
    let folder = target().join("axe");
    let script = folder.join("package/axe.min.js");
    if script.exists() {
        return Ok(script);
    }
    if find_program(&["npm"]).is_none() {
        apt_install(&["npm"]);
    }
    fs::create_dir_all(&folder)?;
    let packed = run(Command::new("npm")
        .args(["pack", "--silent", AXE])
        .current_dir(&folder));
    let archive = format!("{}.tgz", AXE.replace('@', "-"));
    let unpacked =
        packed.and_then(|()| run(Command::new("tar").args(["xzf", &archive]).current_dir(&folder)));
    unpacked.context("axe-core from npm, which checks the pages for accessibility")?;
    Ok(script)
}

/// The Python with torch, transformers, sentence-transformers and peft that the parity tests ask.
pub fn python() -> Result<PathBuf> {
    let folder = root().join(".venv");
    let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
    let script = root().join("reward_model/tests/python/install.sh");
    // What it was made from: other requirements make it anew.
    let wanted = fs::read_to_string(script.with_file_name("requirements.txt")).unwrap_or_default();
    if fs::read_to_string(&ready).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        apt_install(&["python3-venv", "python3-pip"]);
    }
    run(Command::new("bash").arg(script).arg(&folder))
        .context("Python with torch and transformers, which open what is saved")?;
    fs::write(&ready, &wanted)?;
    Ok(python)
}

/// The base model's folder, fetched by the server itself.
pub fn base_model(touchstone: &Path) -> Result<PathBuf> {
    if let Some(given) = env::var_os("TOUCHSTONE_BASE_MODEL") {
        return Ok(given.into());
    }
    let data = target().join("test-data");
    run(Command::new(touchstone)
        .args(["admin", "fetch-base-model"])
        .env("TOUCHSTONE_DATA_DIR", &data))
    .context("the base model, which the tests train (or name its folder in TOUCHSTONE_BASE_MODEL)")?;
    Ok(data.join("models/base/all-MiniLM-L6-v2"))
}

/// Installs Debian packages where this is root on a machine with apt; otherwise says what to install.
fn apt_install(packages: &[&str]) {
    let root = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    if !root || find_program(&["apt-get"]).is_none() {
        eprintln!("! please install: {}", packages.join(" "));
        return;
    }
    static UPDATED: OnceLock<()> = OnceLock::new();
    UPDATED.get_or_init(|| {
        let _ = run(Command::new("apt-get").args(["update", "-qq"]));
    });
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    let mut command = Command::new("apt-get");
    command
        .args(install)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    if let Err(error) = run(command.stdout(std::process::Stdio::null())) {
        eprintln!("! {error}");
    }
}

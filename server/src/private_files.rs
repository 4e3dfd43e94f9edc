//! What is kept is for the one who runs Touchstone: other people of the machine read neither the database nor the texts
//! and models of runs.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use crate::data_folder::PRIVATE;

/// What others may do with what this program makes: nothing.
const UMASK: libc::mode_t = 0o077;

/// From here on files and folders are made for their owner alone.
pub fn by_default() {
    // SAFETY: sets a number of this process and touches no memory.
    unsafe { libc::umask(UMASK) };
}

/// Takes the others' rights away from a data folder that stands open, as versions before left it, and from what lies in it:
/// its own files are few, and what is deeper is behind its folders.
pub fn close(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if PRIVATE.iter().any(|ours| name.starts_with(ours)) {
            close_one(&path)?;
        }
    }
    Ok(())
}

fn close_one(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let mode = found.permissions().mode();
    if found.is_symlink() || mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o077)) {
        // Somebody else's file: theirs to close.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(path = %path.display(), "others of this machine can read this, and it cannot be changed");
            Ok(())
        }
        other => other,
    }
}

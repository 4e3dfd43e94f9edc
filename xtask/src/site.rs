//! The folder that the server embeds: `target/site`, with every file of /pkg named by its contents and
//! compressed once, and `manifest.json` that tells the server the names.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{browser_part, process::target, styles};

/// Builds the browser parts and the styles and lays them out. Gives the folder.
pub fn build() -> Result<PathBuf> {
    let sheet = styles::build()?;
    let style = format!("touchstone-{}.css", hash([sheet.as_bytes()]));
    let mut manifest = serde_json::Map::from_iter([("style".to_owned(), style.clone().into())]);
    let mut files = vec![(style, sheet.into_bytes())];
    for part in browser_part::PARTS {
        let bound = read_tree(&browser_part::build(part)?)?;
        let hashed = format!(
            "{}-{}",
            part.0,
            hash(bound.iter().map(|(_, contents)| contents.as_slice()))
        );
        files.extend(
            bound
                .into_iter()
                .map(|(path, contents)| (path.replacen(part.0, &hashed, 1), contents)),
        );
        manifest.insert(part.0.to_owned(), hashed.into());
    }
    let manifest = serde_json::to_string(&manifest)?;
    let site = target().join("site");
    if fs::read_to_string(site.join("manifest.json")).is_ok_and(|old| old == manifest) {
        return Ok(site);
    }
    // Built beside and moved into place, so that a build of the server never embeds half a site.
    let fresh = target().join("site.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    let pkg = fresh.join("pkg");
    for (path, contents) in &files {
        write_compressed(&pkg.join(path), contents)?;
    }
    fs::write(fresh.join("manifest.json"), manifest)?;
    if site.exists() {
        fs::remove_dir_all(&site)?;
    }
    fs::rename(&fresh, &site)?;
    Ok(site)
}

/// The files below a folder, by relative path, in a fixed order.
fn read_tree(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).with_context(|| current.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
                files.push((relative, fs::read(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The first 12 hex digits of the SHA-256 over all contents.
fn hash<'a>(contents: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    contents.into_iter().for_each(|part| hasher.update(part));
    hasher
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Writes a file, and beside it what brotli and gzip make of it.
fn write_compressed(path: &Path, contents: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, contents)?;
    let beside = |ending: &str| PathBuf::from(format!("{}.{ending}", path.display()));
    let mut brotli = brotli::CompressorWriter::new(fs::File::create(beside("br"))?, 1 << 16, 11, 22);
    brotli.write_all(contents)?;
    drop(brotli);
    let mut gzip =
        flate2::write::GzEncoder::new(fs::File::create(beside("gz"))?, flate2::Compression::best());
    gzip.write_all(contents)?;
    gzip.finish()?;
    Ok(())
}

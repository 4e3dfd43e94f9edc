//! Builds the browser's files, as `cargo xtask build` left them in target/site, into the program.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let site = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../target/site");
    let manifest = site.join("manifest.json");
    if !manifest.exists() {
        // Cargo would run this script each time if the file that it watches did not exist.
        fs::create_dir_all(&site)?;
        fs::write(&manifest, "{}")?;
    }
    println!("cargo::rerun-if-changed={}", manifest.display());
    let mut table = String::from("&[\n");
    add(&mut table, &site, "")?;
    table.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("site.rs"), table)?;
    Ok(())
}

/// Adds the files of a folder and of those in it.
fn add(table: &mut String, folder: &Path, prefix: &str) -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let name = format!(
            "{prefix}{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        if path.is_dir() {
            add(table, &path, &format!("{name}/"))?;
        } else {
            writeln!(
                table,
                "    ({name:?}, include_bytes!({:?})),",
                fs::canonicalize(&path)?
            )?;
        }
    }
    Ok(())
}

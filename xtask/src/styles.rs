//! The style sheet: `app/styles/*.css`, one after the other in the order of their names, without comments.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::process::root;

/// The whole style sheet.
pub fn build() -> Result<String> {
    let folder = root().join("app/styles");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "css"));
    files.sort();
    let mut sheet = String::new();
    for file in files {
        sheet.push_str(&without_comments(&fs::read_to_string(&file)?));
    }
    Ok(sheet)
}

/// Drops comments, indentation and blank lines; compression does the rest.
fn without_comments(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let lines = kept.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[test]
    fn comments_and_indentation_go() {
        let css = "/* a */\n@layer base {\n  a { color: red; } /* b */\n\n}\n/* never closed";
        assert_eq!(without_comments(css), "@layer base {\na { color: red; }\n}\n");
    }
}

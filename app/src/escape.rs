//! Text on its way into markup that Leptos does not escape: what stands in `<textarea>`, `<title>`, `<script>`,
//! `<style>` and `<noscript>` goes out as it is. The first two are written in one place each, the others hold no
//! text of anybody's; a test reads the sources for it.

/// Text that stays text between any two tags, in an attribute and in a `<textarea>` or `<title>`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::escape;

    #[test]
    fn no_tag_ends_early() {
        let text = "</textarea><form action=/x>&amp;</title><meta http-equiv=\"refresh\">'";
        let escaped = escape(text);
        assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped}");
        assert!(
            escaped.contains("&amp;amp;"),
            "an entity that was typed is not what it stands for"
        );
    }

    /// What Leptos writes out as it is, and the one file that may write it.
    const UNESCAPED: [(&str, &str); 12] = [
        ("<textarea", "text_area.rs"),
        ("<Title", "title.rs"),
        ("<title", ""),
        ("<script", ""),
        ("<Script", ""),
        ("<style", ""),
        ("<Style", ""),
        ("<Meta ", ""),
        ("<Link ", ""),
        ("<iframe", ""),
        ("<xmp", ""),
        ("inner_html", "text_area.rs prose.rs"),
    ];

    #[test]
    fn nobody_writes_text_where_leptos_does_not_escape_it() {
        let mut files = Vec::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 50, "the sources are not where they were");
        for file in files {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name == "escape.rs" {
                continue;
            }
            let source = fs::read_to_string(&file).unwrap();
            let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            for (markup, allowed) in UNESCAPED {
                assert!(
                    !code.contains(markup) || allowed.split(' ').any(|allowed| allowed == name),
                    "{}: {markup} does not escape what stands in it. Use TextArea, PageTitle or prose.",
                    file.display()
                );
            }
            for inside in code.split("<noscript>").skip(1) {
                let inside = inside.split("</noscript>").next().unwrap_or_default();
                assert!(
                    !inside.contains('{'),
                    "{}: <noscript> does not escape what stands in it",
                    file.display()
                );
            }
        }
    }

    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
}

//! Paths of this server that a request names and that may go into a `Location`.

/// The path if it stays on this server, else the first page. Browsers take tabs and line ends out of an address and read
/// `\` as `/`, so none of these may be in it; a header holds nothing but ASCII.
pub fn local_path(path: &str) -> &str {
    let stays = path.starts_with('/')
        && !path.starts_with("//")
        && path.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    if stays { path } else { "/" }
}

/// The path and query of a URL.
pub fn path_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    after_scheme
        .find('/')
        .map_or("/", |at| local_path(&after_scheme[at..]))
}

/// Percent-encodes what has a meaning in a query.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_off_this_server() {
        for evil in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r/evil.example",
            "/\u{b}/evil.example",
            "/\u{85}/evil.example",
            "/ /evil.example",
            "/\u{7f}",
            "/é",
            "javascript:x",
            "",
        ] {
            assert_eq!(local_path(evil), "/", "{evil:?}");
        }
        assert_eq!(local_path("/projects/1?x=2"), "/projects/1?x=2");
        assert_eq!(path_of("http://localhost:1/a?b"), "/a?b");
        assert_eq!(path_of("http://localhost:1//evil.example"), "/");
        assert_eq!(path_of("http://localhost:1/\t/evil.example"), "/");
        assert_eq!(path_of(""), "/");
    }
}

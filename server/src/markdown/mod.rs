//! Text of models and people to HTML that is safe to show: no scripts, no styles, no images, no foreign requests. And that
//! is honest: people judge what they see, so whatever was written can be seen.
//!
//! `math` takes formulas out, `writer` makes HTML of Markdown's events, `clean` lets only known tags leave. The
//! work is bounded; a text that would take more is shown as it was written.

mod clean;
mod highlight;
mod math;
mod visible;
mod writer;

use self::writer::Written;

/// Bytes of a text that are read as Markdown; a longer one is shown as it was written.
const LONGEST: usize = 128 * 1024;
/// Markers of quotes and lists at the beginning of one line: each opens a block within the one before.
const MOST_MARKERS: usize = 24;

/// Markdown to sanitised HTML, followed by the text as it was written where that is something else. Raw HTML in the
/// text is shown as text, images as links; an empty text is shown as such.
pub fn render(text: &str) -> String {
    if text.trim().is_empty() {
        return "<p><em>(empty)</em></p>".to_owned();
    }
    match render_bounded(text) {
        Some(written) if written.plain && !has_unseen_space(text) => written.html,
        Some(written) => with_source(&written.html, text),
        None => as_written(text),
    }
}

/// A text that is shown as it was written alone.
pub fn as_written(text: &str) -> String {
    format!("<pre class=\"written only\">{}</pre>", source_html(text))
}

/// None where it would take too much work.
fn render_bounded(text: &str) -> Option<Written> {
    if text.len() > LONGEST || text.lines().any(|line| markers(line) > MOST_MARKERS) {
        return None;
    }
    let extracted = math::extract(text);
    let written = writer::write(&extracted)?;
    Some(Written {
        html: clean::clean(&written.html),
        ..written
    })
}

/// Both ways to read a text. Without scripts a tick shows the other one; `w` does so for all on the page.
fn with_source(html: &str, text: &str) -> String {
    format!(
        "<div class=\"rendered\">{html}</div>\
         <label class=\"written-choice\"><input type=\"checkbox\" autocomplete=\"off\">As written</label>\
         <pre class=\"written\">{}</pre>",
        source_html(text)
    )
}

fn source_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    // A parser of pages drops the first line break in a pre.
    if text.starts_with(['\n', '\r']) {
        html.push('\n');
    }
    visible::push_text(&mut html, text);
    html
}

/// White space that HTML does not show.
fn has_unseen_space(text: &str) -> bool {
    text.contains("  ")
        || text.contains(['\t', '\\', '\r'])
        || text.contains("\n\n\n")
        || text.contains("\n ")
        || text.contains(" \n")
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace)
}

/// How many blocks a line opens at most.
fn markers(line: &str) -> usize {
    let mut count = 0;
    let mut rest = line.trim_start();
    while count <= MOST_MARKERS && !is_rule(rest) {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let behind = match rest.as_bytes().get(digits) {
            Some(b'>') if digits == 0 => &rest[1..],
            Some(b'-' | b'+' | b'*') if digits == 0 && is_space(rest, 1) => &rest[1..],
            Some(b'.' | b')') if (1..=9).contains(&digits) && is_space(rest, digits + 1) => {
                &rest[digits + 1..]
            }
            _ => break,
        };
        count += 1;
        rest = behind.trim_start();
    }
    count
}

fn is_space(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at), None | Some(b' ' | b'\t'))
}

/// `* * * *`: a line, not lists in one another.
fn is_rule(rest: &str) -> bool {
    let first = rest.bytes().next();
    matches!(first, Some(b'*' | b'-' | b'_'))
        && rest
            .bytes()
            .all(|byte| Some(byte) == first || byte == b' ' || byte == b'\t')
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;

//! Markdown's events to HTML in which everything that was written can be seen.
//!
//! Where Markdown itself hides something, it is shown: where links lead, the language of code, numbers of a list that are not
//! in a row, cells beyond a table's columns. Where it takes for markup what hardly is any (`2*3*4`, `__init__`),
//! the characters stay.

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};
use std::ops::Range;

use super::{
    highlight,
    math::{Extracted, Piece},
    visible,
};

/// Events of one text; beyond that it is shown as it was written. A screenful has some hundred.
pub const MOST_EVENTS: usize = 60_000;
/// Blocks and spans in one another.
const DEEPEST: usize = 40;

/// Bytes of a formula that stand within a line; a longer one scrolls by itself on a narrow screen.
const LONGEST_ON_A_LINE: usize = 60;

/// A text as HTML.
pub struct Written {
    pub html: String,
    /// Whether what is seen is what was written, character for character.
    pub plain: bool,
    /// How many events it took: the work.
    #[cfg(test)]
    pub events: usize,
}

/// The HTML of a text; None if that would take too much work.
pub fn write(source: &Extracted) -> Option<Written> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer {
        source,
        html: String::with_capacity(source.text.len() * 3 / 2),
        plain: source.is_empty(),
        open: Vec::new(),
    };
    let mut events = 0;
    for (event, range) in Parser::new_ext(&source.text, options).into_offset_iter() {
        events += 1;
        if events > MOST_EVENTS || writer.open.len() > DEEPEST {
            return None;
        }
        writer.event(event, range);
    }
    Some(Written {
        html: writer.html,
        plain: writer.plain,
        #[cfg(test)]
        events,
    })
}

struct Writer<'a> {
    source: &'a Extracted,
    html: String,
    plain: bool,
    open: Vec<Open>,
}

/// What is open, with what its end must know.
enum Open {
    /// Closed by this.
    Closing(&'static str),
    /// Delimiters that are shown, before and behind.
    Delimiters(String),
    List {
        next: Option<u64>,
        first: u64,
    },
    Table {
        head: bool,
    },
    /// Where its last cell ended.
    Row {
        cells_end: usize,
    },
    Code {
        info: String,
        code: String,
    },
    Link(Link),
}

struct Link {
    /// What is shown behind its text.
    target: Option<String>,
    anchor: bool,
    /// Its text so far.
    text: String,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        let paragraph = matches!(
            event,
            Event::Text(_) | Event::SoftBreak | Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph)
        );
        self.plain &= paragraph;
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(text) => self.text_event(&text, range),
            Event::Code(code) => {
                self.html.push_str("<code>");
                let code = self.source.restore(&code);
                visible::push_text(&mut self.html, &code);
                self.note_link_text(&code);
                self.html.push_str("</code>");
            }
            // Somebody's HTML is shown as what it is.
            Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => {
                self.text(&text);
            }
            Event::FootnoteReference(text) => self.text(&text),
            // An answer keeps its lines: people judge its form too.
            Event::SoftBreak | Event::HardBreak => self.html.push_str("<br>\n"),
            Event::Rule => self.html.push_str("<hr>\n"),
            Event::TaskListMarker(done) => {
                let sign = if done { "☑" } else { "☐" };
                self.html
                    .push_str(&format!("<span class=\"task\">{sign}</span> "));
            }
        }
    }

    /// Text, with entities as they were typed: `&lt;` and `<` are two answers.
    fn text_event(&mut self, text: &str, range: Range<usize>) {
        let typed = self.source.text.get(range).unwrap_or_default().trim_end();
        let entity = typed.len() > 2 && typed.starts_with('&') && typed.ends_with(';') && typed != text;
        let text = if entity { typed } else { text };
        if let Some(Open::Code { code, .. }) = self.open.last_mut() {
            code.push_str(text);
        } else {
            self.text(text);
        }
    }

    fn text(&mut self, text: &str) {
        for piece in self.source.pieces(text) {
            match piece {
                Piece::Text(text) => {
                    self.plain &= !visible::push_text(&mut self.html, text);
                    self.note_link_text(text);
                }
                Piece::Formula { source, typeset } => {
                    match typeset {
                        Some(mathml)
                            if mathml.starts_with("<math display=\"block\"")
                                || source.len() > LONGEST_ON_A_LINE =>
                        {
                            self.html.push_str("<span class=\"formula\" tabindex=\"0\">");
                            self.html.push_str(mathml);
                            self.html.push_str("</span>");
                        }
                        Some(mathml) => self.html.push_str(mathml),
                        None => {
                            self.html.push_str("<code class=\"formula\">");
                            visible::push_text(&mut self.html, source);
                            self.html.push_str("</code>");
                        }
                    }
                    self.note_link_text(source);
                }
            }
        }
    }

    fn note_link_text(&mut self, text: &str) {
        for open in &mut self.open {
            if let Open::Link(link) = open {
                link.text.push_str(text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Paragraph => self.open_tag("<p>", "</p>\n"),
            Tag::Heading { level, .. } => {
                let (open, close) = HEADINGS[level as usize - 1];
                self.open_tag(open, close);
            }
            Tag::BlockQuote(_) => self.open_tag("<blockquote>\n", "</blockquote>\n"),
            Tag::CodeBlock(kind) => self.open_code(&kind, &range),
            Tag::HtmlBlock => self.open_tag("<p class=\"raw-html\">", "</p>\n"),
            Tag::List(start) => self.open_list(start),
            Tag::Item => self.open_item(range),
            Tag::Table(_) => {
                self.html.push_str("<table>\n");
                self.open.push(Open::Table { head: true });
            }
            Tag::TableHead | Tag::TableRow => {
                let head = matches!(tag, Tag::TableHead);
                self.html.push_str(if head { "<thead><tr>" } else { "<tr>" });
                self.open.push(Open::Row {
                    cells_end: range.start,
                });
            }
            Tag::TableCell => self.open_cell(range),
            Tag::Emphasis => self.open_span(range, 1, ("<em>", "</em>")),
            Tag::Strong => self.open_span(range, 2, ("<strong>", "</strong>")),
            Tag::Strikethrough => {
                let tildes = if self.at(&range).starts_with("~~") { 2 } else { 1 };
                self.open_span(range, tildes, ("<del>", "</del>"));
            }
            Tag::Link {
                link_type,
                dest_url,
                title,
                ..
            } => self.open_link(link_type, &dest_url, &title, ""),
            Tag::Image {
                link_type,
                dest_url,
                title,
                ..
            } => self.open_link(link_type, &dest_url, &title, "image: "),
            // Not asked of the parser.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.open.push(Open::Closing("")),
        }
    }

    fn at(&self, range: &Range<usize>) -> &str {
        self.source.text.get(range.clone()).unwrap_or_default()
    }

    fn open_tag(&mut self, open: &str, close: &'static str) {
        self.html.push_str(open);
        self.open.push(Open::Closing(close));
    }

    /// Emphasis, unless its delimiters stand within a word or around an identifier.
    fn open_span(&mut self, range: Range<usize>, length: usize, (open, close): (&str, &'static str)) {
        let text = &self.source.text;
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        let written = self.at(&range);
        let inside = written
            .get(length..written.len().saturating_sub(length))
            .unwrap_or_default();
        let within_word = before.is_some_and(is_of_spaced_word) || after.is_some_and(is_of_spaced_word);
        if within_word || (length == 2 && written.starts_with('_') && is_identifier(inside)) {
            let delimiters = written.get(..length).unwrap_or_default().to_owned();
            self.html.push_str(&delimiters);
            self.open.push(Open::Delimiters(delimiters));
        } else {
            self.open_tag(open, close);
        }
    }

    /// What stands behind a fence is taken as it was typed: the event's has no entities.
    fn open_code(&mut self, kind: &CodeBlockKind<'_>, range: &Range<usize>) {
        let info = match kind {
            CodeBlockKind::Fenced(_) => {
                let fence = self.at(range).lines().next().unwrap_or_default();
                self.source.restore(fence.trim_start_matches(['`', '~']).trim())
            }
            CodeBlockKind::Indented => String::new(),
        };
        self.open.push(Open::Code {
            info,
            code: String::new(),
        });
    }

    fn open_list(&mut self, start: Option<u64>) {
        match start {
            Some(1) => self.html.push_str("<ol>\n"),
            Some(start) => self.html.push_str(&format!("<ol start=\"{start}\">\n")),
            None => self.html.push_str("<ul>\n"),
        }
        self.open.push(Open::List {
            next: start,
            first: start.unwrap_or_default(),
        });
    }

    /// An item says its number where the numbers are not in a row: `1. 3. 7.` stays so; `1. 1. 1.` counts.
    fn open_item(&mut self, range: Range<usize>) {
        let digits: String = self.at(&range).chars().take_while(char::is_ascii_digit).collect();
        let mut item = "<li>".to_owned();
        if let Some(Open::List {
            next: Some(next),
            first,
        }) = self.open.last_mut()
        {
            let number = digits.parse().unwrap_or(*next);
            if number != *next && number != *first {
                item = format!("<li value=\"{number}\">");
                *next = number;
            }
            *next = next.saturating_add(1);
        }
        self.html.push_str(&item);
        self.open.push(Open::Closing("</li>\n"));
    }

    fn open_cell(&mut self, range: Range<usize>) {
        if let Some(Open::Row { cells_end }) = self.open.last_mut() {
            *cells_end = range.end;
        }
        let head = self.open.iter().rev().find_map(|open| match open {
            Open::Table { head } => Some(*head),
            _ => None,
        });
        match head {
            Some(true) => self.open_tag("<th>", "</th>"),
            _ => self.open_tag("<td>", "</td>"),
        }
    }

    fn open_link(&mut self, kind: LinkType, target: &str, title: &str, what: &str) {
        let target = self.source.restore(target);
        let within = self
            .open
            .iter()
            .any(|open| matches!(open, Open::Link(Link { anchor: true, .. })));
        let anchor = !within && is_web_address(&target);
        if anchor {
            self.html.push_str("<a href=\"");
            visible::push_text(&mut self.html, &target.replace(visible::is_hidden, ""));
            self.html.push_str("\">");
        }
        let mut shown = format!("{what}{target}");
        if !title.is_empty() {
            shown.push_str(&format!(" “{}”", self.source.restore(title)));
        }
        let itself = matches!(kind, LinkType::Autolink | LinkType::Email);
        self.open.push(Open::Link(Link {
            target: (!itself).then_some(shown),
            anchor,
            text: String::new(),
        }));
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match self.open.pop() {
            Some(Open::Closing(close)) => self.html.push_str(close),
            Some(Open::Delimiters(delimiters)) => self.html.push_str(&delimiters),
            Some(Open::List { next, .. }) => {
                self.html
                    .push_str(if next.is_some() { "</ol>\n" } else { "</ul>\n" });
            }
            Some(Open::Table { .. }) => self.html.push_str("</tbody></table>\n"),
            Some(Open::Row { cells_end }) => {
                self.end_row(matches!(tag, TagEnd::TableHead), cells_end..range.end)
            }
            Some(Open::Code { info, code }) => self.end_code(&info, &code),
            Some(Open::Link(link)) => self.end_link(link),
            None => {}
        }
    }

    /// The row's end, with what stood beyond the last column.
    fn end_row(&mut self, head: bool, beyond: Range<usize>) {
        let beyond = self.at(&beyond).trim_matches(|character: char| {
            character == '|' || character == '>' || character.is_whitespace()
        });
        if !beyond.is_empty() {
            let beyond = beyond.to_owned();
            self.html.push_str("<td>");
            self.text(&beyond);
            self.html.push_str("</td>");
        }
        if head {
            self.html.push_str("</tr></thead>\n<tbody>");
            if let Some(Open::Table { head }) = self.open.last_mut() {
                *head = false;
            }
        } else {
            self.html.push_str("</tr>\n");
        }
    }

    fn end_code(&mut self, info: &str, code: &str) {
        let code = self.source.restore(code);
        if !info.trim().is_empty() {
            self.html.push_str("<span class=\"code-name\">");
            visible::push_text(&mut self.html, info);
            self.html.push_str("</span>");
        }
        self.html.push_str("<pre><code>");
        highlight::push_code(&mut self.html, &code, info);
        self.html.push_str("</code></pre>\n");
    }

    fn end_link(&mut self, link: Link) {
        if link.anchor {
            self.html.push_str("</a>");
        }
        if let Some(target) = link.target.filter(|target| *target != link.text) {
            self.html.push_str(" <span class=\"link-target\">(");
            visible::push_text(&mut self.html, &target);
            self.html.push_str(")</span>");
            self.note_link_text(&target);
        }
    }
}

const HEADINGS: [(&str, &str); 6] = [
    ("<h1>", "</h1>\n"),
    ("<h2>", "</h2>\n"),
    ("<h3>", "</h3>\n"),
    ("<h4>", "</h4>\n"),
    ("<h5>", "</h5>\n"),
    ("<h6>", "</h6>\n"),
];

/// A letter or digit of a script that puts spaces between words: emphasis within Chinese or Thai is emphasis.
fn is_of_spaced_word(character: char) -> bool {
    character.is_alphanumeric() && character < '\u{E00}'
}

/// `init`, `FILE`: in one case, as in `__init__`. `__Note__` is a bold word.
fn is_identifier(text: &str) -> bool {
    let letters = || text.chars().filter(|character| character.is_alphabetic());
    let word = text
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || character == '_');
    word && (letters().all(char::is_lowercase) || (text.len() > 1 && letters().all(char::is_uppercase)))
}

fn is_web_address(target: &str) -> bool {
    let start: String = target.chars().take(8).collect::<String>().to_lowercase();
    ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| start.starts_with(scheme))
}

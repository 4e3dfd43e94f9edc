//! Formulas: found before Markdown can take them apart, typeset as MathML, or left whole as they were written.
//!
//! Markdown reads `\(x*y*z\)` as emphasis between two brackets. So formulas are taken out first: each leaves a token
//! of letters that Markdown passes on, and the writer puts the formula in its place.

use std::ops::Range;

use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};

use super::visible;

/// Bytes of one formula that are typeset; a longer one stays as it was written.
const LONGEST: usize = 4_000;
/// Bytes of all formulas of a text that are typeset: MathML takes some thirty times the room.
const MOST: usize = 40_000;
/// What a formula costs beside its bytes.
const PER_FORMULA: usize = 20;
/// Braces and environments in one another.
const DEEPEST: usize = 30;

/// A text whose formulas are taken out.
pub struct Extracted {
    /// With a token for each formula and a shield in `]:`, so that nothing is a link definition, which Markdown hides.
    pub text: String,
    marks: Option<Marks>,
    formulas: Vec<Formula>,
}

/// Two characters that the text does not contain.
#[derive(Debug, Clone, Copy)]
struct Marks {
    token: char,
    shield: char,
}

struct Formula {
    source: String,
    /// MathML; None where it stays as it was written.
    typeset: Option<String>,
}

/// A piece of text that is shown: as it is, or a formula.
pub enum Piece<'a> {
    Text(&'a str),
    Formula {
        source: &'a str,
        typeset: Option<&'a str>,
    },
}

/// Takes the formulas out of a text.
pub fn extract(source: &str) -> Extracted {
    let mut unused = ('\u{E000}'..'\u{E100}').filter(|mark| !source.contains(*mark));
    let marks = match (unused.next(), unused.next()) {
        (Some(token), Some(shield)) => Some(Marks { token, shield }),
        _ => None,
    };
    let Some(marks) = marks else {
        return Extracted {
            text: source.to_owned(),
            marks: None,
            formulas: Vec::new(),
        };
    };
    let mut extracted = Extracted {
        text: String::with_capacity(source.len() + 64),
        marks: Some(marks),
        formulas: Vec::new(),
    };
    let mut typeset = 0;
    let mut done = 0;
    for found in find(source) {
        extracted.shield(&source[done..found.whole.start]);
        let body = &source[found.body.clone()];
        typeset += body.len() + PER_FORMULA;
        let fits = typeset <= MOST;
        extracted.put(Formula {
            source: source[found.whole.clone()].to_owned(),
            typeset: fits.then(|| set(body, found.display)).flatten(),
        });
        done = found.whole.end;
    }
    extracted.shield(&source[done..]);
    extracted
}

impl Extracted {
    fn put(&mut self, formula: Formula) {
        if let Some(Marks { token, .. }) = self.marks {
            self.text.push(token);
            self.text.push_str(&self.formulas.len().to_string());
            self.text.push(token);
            self.formulas.push(formula);
        }
    }

    fn shield(&mut self, text: &str) {
        let Some(Marks { shield, .. }) = self.marks else {
            return;
        };
        let mut parts = text.split("]:");
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.text.push(']');
            self.text.push(shield);
            self.text.push(':');
            self.text.push_str(part);
        }
    }

    /// What a stretch of the text stands for.
    pub fn pieces<'a>(&'a self, text: &'a str) -> Vec<Piece<'a>> {
        let Some(Marks { token, shield }) = self.marks else {
            return vec![Piece::Text(text)];
        };
        let mut pieces = Vec::new();
        for (index, part) in text.split(token).enumerate() {
            if index % 2 == 0 {
                pieces.extend(part.split(shield).map(Piece::Text));
            } else if let Some(formula) = part
                .parse()
                .ok()
                .and_then(|index: usize| self.formulas.get(index))
            {
                pieces.push(Piece::Formula {
                    source: &formula.source,
                    typeset: formula.typeset.as_deref(),
                });
            }
        }
        pieces
    }

    /// A stretch of the text as it was written.
    pub fn restore(&self, text: &str) -> String {
        let pieces = self.pieces(text).into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Formula { source, .. } => source,
        });
        pieces.collect()
    }

    /// Whether the text has none.
    pub fn is_empty(&self) -> bool {
        self.formulas.is_empty()
    }
}

struct Found {
    whole: Range<usize>,
    body: Range<usize>,
    display: bool,
}

/// Environments that are formulas without anything around them.
const ENVIRONMENTS: [&str; 20] = [
    "equation",
    "equation*",
    "align",
    "align*",
    "aligned",
    "alignat",
    "alignat*",
    "gather",
    "gather*",
    "gathered",
    "multline",
    "multline*",
    "matrix",
    "pmatrix",
    "bmatrix",
    "vmatrix",
    "Vmatrix",
    "cases",
    "array",
    "split",
];

/// Formulas in order, none in code. Linear: the text is gone through once, and each end is looked for once.
fn find(source: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut ends = Ends::default();
    for block in blocks(source) {
        let mut code = CodeSpans::default();
        let bytes = source.as_bytes();
        let mut at = block.start;
        while at < block.end {
            match bytes[at] {
                b'`' => at = code.skip(source, at, block.end),
                b'\\' | b'$' => match formula_at(source, at, &block, &mut ends) {
                    Some(formula) => {
                        at = formula.whole.end;
                        found.push(formula);
                    }
                    None if bytes[at] == b'\\' => at += 2,
                    None => at += if source[at..].starts_with("$$") { 2 } else { 1 },
                },
                _ => at += 1,
            }
        }
    }
    found
}

fn formula_at(source: &str, at: usize, block: &Range<usize>, ends: &mut Ends) -> Option<Found> {
    let rest = &source[at..block.end];
    let between = |open: &str, end: Option<usize>, display: bool| {
        let (start, end) = (at + open.len(), end?);
        let closed = open_close(open);
        (end + closed.len() <= block.end && end > start).then(|| Found {
            whole: at..end + closed.len(),
            body: start..end,
            display,
        })
    };
    if rest.starts_with("\\(") {
        between("\\(", ends.next(source, "\\)", at + 2), false)
    } else if rest.starts_with("\\[") {
        let found = between("\\[", ends.next(source, "\\]", at + 2), true)?;
        // `\[x\]` is also how brackets are kept from being a link.
        let before = source[..at].trim_end_matches([' ', '\t']);
        let behind = source[found.whole.end..].trim_start_matches([' ', '\t']);
        let starts = before.is_empty() || before.ends_with('\n');
        let alone = starts && (behind.is_empty() || behind.starts_with('\n'));
        (alone || reads_like_tex(&source[found.body.clone()])).then_some(found)
    } else if let Some(name) = rest.strip_prefix("\\begin{") {
        let name = ENVIRONMENTS
            .into_iter()
            .find(|known| name.strip_prefix(known).is_some_and(|rest| rest.starts_with('}')))?;
        let close = format!("\\end{{{name}}}");
        let end = ends.next(source, &close, at)? + close.len();
        (end <= block.end).then_some(Found {
            whole: at..end,
            body: at..end,
            display: true,
        })
    } else if rest.starts_with("$$") {
        between("$$", ends.next(source, "$$", at + 2), true)
    } else if rest.starts_with('$') {
        between("$", ends.next(source, "$", at + 1), false).filter(|found| is_inline(source, found))
    } else {
        None
    }
}

fn open_close(open: &str) -> &'static str {
    match open {
        "\\(" => "\\)",
        "\\[" => "\\]",
        "$$" => "$$",
        _ => "$",
    }
}

/// Between single dollars stands far more often money than a formula.
fn is_inline(source: &str, found: &Found) -> bool {
    let body = &source[found.body.clone()];
    let next = source[found.whole.end..].chars().next();
    let tight = !body.starts_with(char::is_whitespace) && !body.ends_with(char::is_whitespace);
    let closed = !next.is_some_and(|next| next.is_alphanumeric() || next == '$');
    tight && closed && !body.contains('\n') && (reads_like_tex(body) || is_short_formula(body))
}

fn reads_like_tex(body: &str) -> bool {
    body.contains(['\\', '^', '_', '='])
}

/// `x`, `n+1`, `f(x)`: letters stand alone.
fn is_short_formula(body: &str) -> bool {
    let words = body.split(|character: char| !character.is_alphabetic());
    body.len() <= 24
        && body.chars().any(char::is_alphabetic)
        && words.into_iter().all(|word| word.chars().count() <= 1)
}

/// Where the next of each end is: looked for from a place on only once it is behind.
#[derive(Default)]
struct Ends(Vec<(String, usize)>);

impl Ends {
    fn next(&mut self, source: &str, end: &str, from: usize) -> Option<usize> {
        let look = || source[from..].find(end).map_or(usize::MAX, |at| from + at);
        let known = match self.0.iter().position(|(known, _)| known == end) {
            Some(index) => &mut self.0[index].1,
            None => &mut self.0.push_mut((end.to_owned(), look())).1,
        };
        if *known < from {
            *known = look();
        }
        (*known != usize::MAX).then_some(*known)
    }
}

/// Lengths of runs of backticks that nothing closes in this block.
#[derive(Default)]
struct CodeSpans(u64);

impl CodeSpans {
    /// Behind the code that begins here, or behind its backticks if it does not end.
    fn skip(&mut self, source: &str, at: usize, end: usize) -> usize {
        let run = |from: usize| source[from..end].bytes().take_while(|&byte| byte == b'`').count();
        let length = run(at);
        let mut look = at + length;
        if length < 64 && self.0 & (1 << length) == 0 {
            while let Some(found) = source[look..end].find('`') {
                let (start, closing) = (look + found, run(look + found));
                if closing == length {
                    return start + closing;
                }
                look = start + closing;
            }
            self.0 |= 1 << length;
        }
        at + length
    }
}

/// Stretches without blank lines and fenced code.
fn blocks(source: &str) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    let mut open = false;
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let content = line.trim_start_matches([' ', '\t', '>']).trim_end();
        let mark = fence_of(content);
        match fence {
            Some((character, length)) => {
                if mark.is_some_and(|(other, more)| {
                    other == character && more >= length && content.chars().all(|other| other == character)
                }) {
                    fence = None;
                }
                open = false;
            }
            None if mark.is_some() => {
                fence = mark;
                open = false;
            }
            None if content.is_empty() => open = false,
            None => match blocks.last_mut().filter(|_| open) {
                Some(block) => block.end = range.end,
                None => {
                    blocks.push(range);
                    open = true;
                }
            },
        }
    }
    blocks
}

/// The character and length of the fence that a line begins with, also as the first thing in a list's item.
fn fence_of(content: &str) -> Option<(char, usize)> {
    let item = content.trim_start_matches(|character: char| character.is_ascii_digit());
    let item = item
        .strip_prefix(['-', '*', '+', '.', ')'])
        .filter(|rest| rest.starts_with(' '));
    let content = item.map_or(content, str::trim_start);
    let character = content
        .chars()
        .next()
        .filter(|first| matches!(first, '`' | '~'))?;
    let length = content.chars().take_while(|&other| other == character).count();
    let rest = &content[length..];
    (length >= 3 && !(character == '`' && rest.contains('`'))).then_some((character, length))
}

/// What hides something, lays something over something else, or makes new commands.
const NOT_TYPESET: [&str; 30] = [
    "%",
    "\\def",
    "\\gdef",
    "\\edef",
    "\\xdef",
    "\\let",
    "\\futurelet",
    "\\newcommand",
    "\\renewcommand",
    "\\providecommand",
    "\\phantom",
    "\\hphantom",
    "\\vphantom",
    "\\color",
    "\\textcolor",
    "\\colorbox",
    "\\fcolorbox",
    "\\pagecolor",
    "\\sideset",
    "\\smash",
    "\\kern",
    "\\mkern",
    "\\hskip",
    "\\mskip",
    "\\hspace",
    "\\Space",
    "\\cancel",
    "\\bcancel",
    "\\xcancel",
    "\\sout",
];

/// The answer in a box, which the library does not know.
const BOXED: &str = r"\newcommand{\boxed}[1]{\begin{array}{|c|}\hline #1 \\ \hline\end{array}}";

/// MathML; None if it is not understood, might hide something, or asks for much work.
fn set(body: &str, display: bool) -> Option<String> {
    let hides = |part: &str| body.contains(part);
    if body.len() > LONGEST
        || NOT_TYPESET.into_iter().any(hides)
        || body.contains("\n>")
        || body.chars().any(visible::is_hidden)
        || depth(body) > DEEPEST
    {
        return None;
    }
    let source = if body.contains("\\boxed") {
        format!("{BOXED}{body}")
    } else {
        body.to_owned()
    };
    let storage = Storage::new();
    let events: Result<Vec<_>, _> = Parser::new(&source, &storage).collect();
    let config = RenderConfig {
        display_mode: if display {
            DisplayMode::Block
        } else {
            DisplayMode::Inline
        },
        ..RenderConfig::default()
    };
    let mut mathml = String::new();
    let events = events.ok()?.into_iter().map(Ok::<_, std::convert::Infallible>);
    push_mathml(&mut mathml, events, config).ok()?;
    Some(mathml)
}

fn depth(body: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    let begins = body.matches("\\begin").count() + body.matches("\\left").count();
    for byte in body.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest + begins.saturating_sub(DEEPEST / 2)
}

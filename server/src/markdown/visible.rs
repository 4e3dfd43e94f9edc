//! Characters that nobody would see, or that turn the order of others, as marks that can be seen.

/// Whether a character is invisible wherever it stands, but for the joiners and selectors that scripts and emoji need.
pub fn is_hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}'
        | '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Marks of a text that say which character it is; a text with more of them is nothing to read.
const MOST_MARKS: usize = 2_000;

/// Adds text as HTML, with a mark for each hidden character. Gives whether there was one.
pub fn push_text(html: &mut String, text: &str) -> bool {
    let mut marks = 0;
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\r' if characters.peek() == Some(&'\n') => {}
            _ if is_hidden(character) && !is_needed(before, character, characters.peek().copied()) => {
                marks += 1;
                let mut times = 1;
                while characters.next_if_eq(&character).is_some() {
                    times += 1;
                }
                match marks {
                    0..=MOST_MARKS => push_mark(html, character, times),
                    _ => html.push(char::REPLACEMENT_CHARACTER),
                }
            }
            other => html.push(other),
        }
        before = Some(character);
    }
    marks > 0
}

fn push_mark(html: &mut String, character: char, times: usize) {
    html.push_str("<span class=\"hidden-mark\" title=\"");
    html.push_str(name(character));
    html.push_str(&format!("\">U+{:04X}", u32::from(character)));
    if times > 1 {
        html.push_str(&format!("×{times}"));
    }
    html.push_str("</span>");
    // Direction marks do something within the letters around them, so they also stay.
    if matches!(character, '\u{200E}' | '\u{200F}' | '\u{61C}') {
        html.push(character);
    }
}

fn name(character: char) -> &'static str {
    match character {
        '\u{200B}' => "Zero-width space",
        '\u{200C}' => "Zero-width non-joiner",
        '\u{200D}' => "Zero-width joiner",
        '\u{200E}' => "Left-to-right mark",
        '\u{200F}' | '\u{61C}' => "Right-to-left mark",
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => "Changes the direction of the text",
        '\u{2060}' | '\u{FEFF}' => "Zero-width no-break space",
        '\u{AD}' => "Soft hyphen",
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => "Control character",
        '\u{E0000}'..='\u{E0FFF}' => "Invisible tag",
        _ => "Invisible character",
    }
}

/// Joiners within Arabic, Indic and other joined scripts, and within emoji; the selector behind an emoji or sign.
fn is_needed(before: Option<char>, character: char, after: Option<char>) -> bool {
    let joins = |other: Option<char>| {
        other.is_some_and(|other| {
            matches!(other, '\u{600}'..='\u{DFF}' | '\u{E00}'..='\u{109F}' | '\u{1780}'..='\u{18AF}'
                | '\u{2190}'..='\u{2BFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE0F}' | '\u{FE70}'..='\u{FEFC}'
                | '\u{1F000}'..='\u{1FAFF}')
        })
    };
    match character {
        '\u{200C}' | '\u{200D}' => joins(before) && joins(after),
        '\u{FE0E}' | '\u{FE0F}' => {
            joins(before)
                || before.is_some_and(|before| matches!(before, '#' | '*' | '0'..='9' | '\u{A9}' | '\u{AE}' | '\u{203C}'..='\u{203D}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'))
        }
        _ => false,
    }
}

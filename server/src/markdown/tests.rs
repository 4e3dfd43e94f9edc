//! What is said can be seen, and costs no more than it is worth.

use std::fmt::Write as _;

use super::{LONGEST, math, render, visible, writer};

/// What a reader sees of HTML: the text of everything but tags, numbers of items and hidden marks resolved.
fn seen(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let tag = rest[at..].split('>').next().unwrap_or_default();
        if let Some(value) = tag
            .strip_prefix("<li value=\"")
            .or(tag.strip_prefix("<ol start=\""))
        {
            text.push_str(value.trim_end_matches('"'));
        }
        rest = &rest[at + tag.len() + 1..];
    }
    text.push_str(rest);
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{A0}")
        .replace("&amp;", "&")
}

/// The rendered half alone, without the text as written.
fn rendered(text: &str) -> String {
    let html = render(text);
    let html = html
        .split("<label class=\"written-choice\">")
        .next()
        .unwrap_or_default();
    html.to_owned()
}

fn reads(text: &str, wanted: &str) {
    let seen = seen(&rendered(text));
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>().join(" "),
        wanted,
        "of {text:?}"
    );
}

#[test]
fn checkboxes_are_seen() {
    reads("- [x] buy milk\n- [ ] call Ann", "☑ buy milk ☐ call Ann");
    assert_ne!(rendered("- [x] a"), rendered("- [ ] a"));
}

#[test]
fn signs_that_are_no_emphasis_stay() {
    reads("2*3*4", "2*3*4");
    reads("2**3**4 and 5~~6~~7", "2**3**4 and 5~~6~~7");
    reads("call __init__ and __FILE__", "call __init__ and __FILE__");
    reads("snake_case_name", "snake_case_name");
    assert!(rendered("a *b* c").contains("<em>b</em>"));
    assert!(rendered("__Note__ this").contains("<strong>Note</strong>"));
    assert!(rendered("这是**重要**的").contains("<strong>重要</strong>"));
}

#[test]
fn hidden_characters_are_marked() {
    reads("\u{200B}", "U+200B");
    reads("a\u{200B}\u{200B}\u{200B}b", "aU+200B×3b");
    reads(
        "a\u{202E}b\u{2066}c\u{AD}d\u{0}e",
        "aU+202EbU+2066cU+00ADdU+0000e",
    );
    reads("tag\u{E0041}", "tagU+E0041");
    reads("`a\u{200B}b`", "aU+200Bb");
    // What scripts and emoji are made of stays what it is.
    for needed in [
        "می\u{200C}خواهم",
        "क्\u{200D}ष",
        "👩\u{200D}🔬",
        "❤\u{FE0F}",
        "1\u{FE0F}\u{20E3}",
    ] {
        reads(needed, needed);
    }
}

#[test]
fn comments_definitions_entities_and_html_are_seen() {
    reads("<!-- hidden -->", "<!-- hidden -->");
    reads("a <!-- hidden --> b", "a <!-- hidden --> b");
    reads("[x]: https://example.org 'T'", "[x]: https://example.org 'T'");
    reads("text [^1]\n\n[^1]: note", "text [^1] [^1]: note");
    reads("a &lt; b &#8203; c", "a &lt; b &#8203; c");
    reads("<div hidden>\nx\n</div>", "<div hidden> x </div>");
    reads("<?php echo 1 ?>", "<?php echo 1 ?>");
}

#[test]
fn links_and_images_say_where_they_lead() {
    reads(
        "[here](https://a.example/x \"T\")",
        "here (https://a.example/x “T”)",
    );
    reads(
        "![alt](https://a.example/p.png)",
        "alt (image: https://a.example/p.png)",
    );
    reads("<https://a.example>", "https://a.example");
    reads(
        "[![b](https://i.example)](https://l.example)",
        "b (image: https://i.example) (https://l.example)",
    );
    assert!(!render("![x](https://evil.example/p.png)").contains("<img"));
}

#[test]
fn what_a_table_or_a_list_would_drop_is_seen() {
    reads("| a | b |\n|---|---|\n| 1 | 2 | 3 | 4 |", "ab 123 | 4");
    assert!(rendered("1. a\n3. b\n7. c").contains("<li value=\"7\">"));
    assert!(!rendered("1. a\n1. b").contains("value"));
    reads("```python title=x\n1\n```", "python title=x1");
}

#[test]
fn formulas_are_typeset_or_left_whole() {
    assert!(rendered(r"\(x*y*z\)").contains("<math"));
    for display in [
        r"\[\frac{1}{2}\]",
        "$$a_1$$",
        "\\begin{align}a&=b\\\\c&=d\\end{align}",
    ] {
        assert!(rendered(display).contains("<math display=\"block\""), "{display}");
    }
    for inline in [
        "$x$",
        "so $a^2 + b^2 = c^2$.",
        "$f(x)$",
        r"$\alpha$",
        "**\\(n\\)**",
    ] {
        assert!(rendered(inline).contains("<math display=\"inline\""), "{inline}");
    }
    // Money, shells and brackets.
    for none in [
        "$5 and $10",
        "$HOME/bin:$PATH",
        "US$5 or US$6",
        "\\[note\\] that",
        "costs 5$ or 6$.",
    ] {
        assert!(!rendered(none).contains("<math"), "{none}");
    }
    // Not understood, or hiding something: as it was written.
    for whole in [
        r"\(\unknown{x*y*z}\)",
        r"\(a \phantom{b} c\)",
        r"\(\color{white} a\)",
        "\\(a % b\\)",
        r"\(\def\a{\a\a}\a\)",
    ] {
        reads(whole, whole);
    }
    // In code nothing is a formula.
    reads("`\\(x\\)` and\n\n```\n$$a$$\n```", "\\(x\\) and $$a$$");
    assert!(rendered("The answer is \\boxed{3} or \\(\\boxed{42}\\)").contains("<mn>42</mn>"));
}

#[test]
fn a_formula_reads_from_left_to_right_in_any_text() {
    assert!(rendered("\u{633}\u{644}\u{627}\u{645} $x^2$").contains("dir=\"ltr\""));
}

#[test]
fn a_formula_brings_no_markup_of_its_own() {
    for attack in [
        r"\(\text{</math><script>alert(1)</script>}\)",
        r"\(<img src=x onerror=alert(1)>\)",
        r"\(\href{javascript:alert(1)}{x}\)",
        r"\(\class{x}{y}\)",
        "$$\\text{<form action=/x>}$$",
        r"\(\style{position:fixed}{x}\)",
    ] {
        let html = render(attack).to_lowercase();
        for bad in ["<script", "<img", "<form", "<a ", "style=", "href="] {
            assert!(!html.contains(bad), "{attack} made {html}");
        }
    }
}

#[test]
fn the_text_as_written_is_there_where_it_differs() {
    assert_eq!(
        render("Just words.\nTwo lines."),
        "<p>Just words.<br>\nTwo lines.</p>\n"
    );
    for differs in ["**b**", "a  b", "- a", " a", "a\\*b", "$x$", "a\u{200B}"] {
        assert!(render(differs).contains("<pre class=\"written\">"), "{differs}");
    }
    let html = render("\n<b> & **c**");
    assert!(
        html.contains("<pre class=\"written\">\n\n&lt;b&gt; &amp; **c**</pre>"),
        "{html}"
    );
}

/// Pieces that Markdown and LaTeX are made of.
const PIECES: [&str; 64] = [
    "a",
    "Word1 ",
    "x2",
    " ",
    "\n",
    "\n\n",
    "*",
    "**",
    "_",
    "__",
    "~~",
    "`",
    "```\n",
    "```rust\n",
    "~~~\n",
    "> ",
    "- ",
    "1. ",
    "7) ",
    "    ",
    "\t",
    "# ",
    "## ",
    "---\n",
    "===\n",
    "[",
    "]",
    "(",
    ")",
    "]:",
    "]: u1\n",
    "![",
    "](u2 \"t3\")",
    "<",
    ">",
    "<b>",
    "</b>",
    "<!-- c4 -->",
    "<!--",
    "-->",
    "<script>s5</script>",
    "&amp;",
    "&#65;",
    "&",
    "\\",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "$",
    "$$",
    "|",
    "| c6 ",
    "\n|--|--|\n",
    "|-",
    "[x] ",
    "[ ] ",
    "\\begin{align}",
    "\\end{align}",
    "\u{200B}",
    "\u{202E}",
    "https://e7.example",
    "{q}",
    "^",
];

/// A stream of numbers that is the same everywhere (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Letters and digits in order, as they are read: formulas' letters are of other alphabets, so they are left out.
fn said(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_ascii_alphanumeric())
        .collect()
}

#[test]
fn nothing_that_is_said_is_invisible() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for round in 0..4_000 {
        let mut text = String::new();
        for _ in 0..1 + numbers.below(40) {
            text.push_str(PIECES[numbers.below(PIECES.len())]);
        }
        let html = rendered(&text);
        // What became a formula is checked by its own tests; list numbers that only count are no letters.
        if html.contains("<math") || text.trim().is_empty() {
            continue;
        }
        let shown = said(&seen(&html));
        let mut left = shown.chars();
        for wanted in said(&without_list_numbers(&text)).chars() {
            assert!(
                left.any(|character| character == wanted),
                "round {round}: {wanted:?} of {text:?} is not seen in {html}"
            );
        }
    }
}

/// Checkboxes and list numbers are drawn, not written: they have tests of their own.
fn without_list_numbers(text: &str) -> String {
    let mut kept = text.replace("[x] ", "");
    for number in ["1. ", "7) "] {
        kept = kept.replace(number, " ");
    }
    kept
}

#[test]
fn the_work_for_a_text_is_bounded() {
    let deep = |open: &str, times: usize| open.repeat(times);
    let texts = [
        deep(">", 100_000),
        deep("1. ", 33_000),
        deep("- > ", 30_000),
        deep("*a _b", 40_000),
        deep("[", 100_000),
        deep("[a](", 60_000),
        format!(
            "{}|\n{}|\n{}",
            deep("|a", 15_000),
            deep("|-", 15_000),
            deep("|\n", 15_000)
        ),
        deep("\\(", 100_000),
        deep("$x^2$ ", 30_000),
        deep("<!--", 60_000),
        deep("\u{200B}", 40_000),
        deep("\u{200B}\u{2060}", 20_000),
        deep("word ", 400_000),
        format!("\\({}x{}\\)", deep("\\frac{1}{", 400), deep("}", 400)),
    ];
    for text in texts {
        let start: String = text.chars().take(20).collect();
        let extracted = math::extract(&text);
        if let Some(written) = super::render_bounded(&text) {
            assert!(
                written.events <= writer::MOST_EVENTS,
                "{start}: {} events",
                written.events
            );
            assert!(text.len() <= LONGEST, "{start}");
            let room = 48 * text.len() + 100_000;
            assert!(
                written.html.len() <= room,
                "{start}: {} bytes",
                written.html.len()
            );
        }
        let tokens = extracted.text.len();
        assert!(tokens <= 2 * text.len() + 100, "{start}: {tokens} bytes to parse");
        // And what is left of a text that would take too much is the text.
        let html = render(&text);
        assert!(
            said(&seen(&html)).len() >= said(&text).len().min(1_000),
            "{start}"
        );
    }
}

#[test]
fn deep_nesting_never_reaches_the_parser() {
    let mut text = String::new();
    for _ in 0..30 {
        let _ = write!(text, "> - ");
    }
    assert!(super::render_bounded(&text).is_none());
    assert!(super::render_bounded("* * * * * * * * * * * * * * * * * * * * * * * * * * * * * *").is_some());
    assert!(super::render_bounded(&"*a **b ".repeat(200)).is_some());
}

#[test]
fn every_hidden_character_has_a_mark() {
    for character in ('\0'..='\u{FFFF}').chain('\u{E0000}'..='\u{E007F}') {
        if visible::is_hidden(character) {
            let mut html = String::new();
            assert!(visible::push_text(&mut html, &format!("a{character}b")) || character == '\r');
            assert!(html.contains("U+"), "{:X}", u32::from(character));
        }
    }
}

//! Code in colours: comments, texts, numbers and keywords as spans with classes. It goes through the code once, without
//! grammars: those of editors run regular expressions that a hostile text can keep busy for minutes.

use super::visible;

/// Bytes of code that are coloured.
const LONGEST: usize = 64_000;

/// What tells languages apart here.
struct Language {
    line_comments: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static [char],
    keywords: &'static str,
}

/// Adds code as HTML. `info` is what stands behind the fence.
pub fn push_code(html: &mut String, code: &str, info: &str) {
    let name = info
        .split([' ', ',', '{'])
        .next()
        .unwrap_or_default()
        .to_lowercase();
    match language(&name).filter(|_| code.len() <= LONGEST) {
        Some(language) => push_coloured(html, code, &language),
        None => {
            visible::push_text(html, code);
        }
    }
}

fn push_coloured(html: &mut String, code: &str, language: &Language) {
    let mut rest = code;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first, before, language);
        let (token, behind) = rest.split_at(length);
        match class {
            Some(class) => {
                html.push_str("<span class=\"");
                html.push_str(class);
                html.push_str("\">");
                visible::push_text(html, token);
                html.push_str("</span>");
            }
            None => {
                visible::push_text(html, token);
            }
        }
        before = token.chars().next_back();
        rest = behind;
    }
}

/// The class of what begins here, and its length in bytes.
fn token(
    rest: &str,
    first: char,
    before: Option<char>,
    language: &Language,
) -> (Option<&'static str>, usize) {
    if let Some((open, close)) = language.block_comment
        && let Some(inside) = rest.strip_prefix(open)
    {
        let length = inside
            .find(close)
            .map_or(rest.len(), |at| open.len() + at + close.len());
        return (Some("code-comment"), length);
    }
    let comment = language.line_comments.iter().any(|mark| rest.starts_with(mark));
    // `$#` and `x#y` begin no comment in shells.
    if comment && (first != '#' || before.is_none_or(char::is_whitespace)) {
        return (Some("code-comment"), rest.find('\n').unwrap_or(rest.len()));
    }
    if first == '\\' {
        // With what it escapes: else each escaped quote would look for its end again.
        return (None, rest.chars().take(2).map(char::len_utf8).sum());
    }
    if language.quotes.contains(&first) {
        return quoted(rest, first);
    }
    if first.is_alphabetic() || first == '_' {
        let length = word_length(rest);
        let keyword = language
            .keywords
            .split(' ')
            .any(|keyword| keyword == &rest[..length]);
        return (keyword.then_some("code-keyword"), length);
    }
    if first.is_ascii_digit() {
        let more = |character: char| !character.is_ascii_alphanumeric() && !matches!(character, '.' | '_');
        return (Some("code-number"), rest.find(more).unwrap_or(rest.len()));
    }
    (None, first.len_utf8())
}

fn word_length(rest: &str) -> usize {
    rest.find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(rest.len())
}

/// A text in quotes, over several lines in three of them. One that does not end on its line is no text.
fn quoted(rest: &str, quote: char) -> (Option<&'static str>, usize) {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    if quote != '`'
        && let Some(inside) = rest.strip_prefix(&triple)
    {
        return match inside.find(&triple) {
            Some(at) => (Some("code-text"), at + 6),
            None => (Some("code-text"), rest.len()),
        };
    }
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '\n' if quote != '`' => break,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return (Some("code-text"), at + quote.len_utf8()),
            _ => {}
        }
    }
    match quote {
        '`' => (Some("code-text"), rest.len()),
        _ => (None, 1),
    }
}

const C_KEYWORDS: &str = "abstract as async await auto bool boolean break case catch char class const constexpr continue \
    crate debugger def default defer delete do double else enum export extends extern false final finally float fn for \
    from func function get go goto if impl implements import in inline instanceof int interface internal is let long loop \
    map match mod module move mut namespace new nil null nullptr object of operator override package private protected \
    public pub range ref return self set short signed sizeof static string struct super switch template this throw throws \
    trait true try type typedef typename typeof undefined union unsafe unsigned use using val var virtual void volatile \
    when where while with yield";

/// The family of a language, by the name behind the fence.
fn language(name: &str) -> Option<Language> {
    let c = Language {
        line_comments: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: &['"', '\'', '`'],
        keywords: C_KEYWORDS,
    };
    Some(match name {
        "c" | "h" | "cpp" | "c++" | "cc" | "cs" | "csharp" | "java" | "javascript" | "js" | "jsx"
        | "typescript" | "ts" | "tsx" | "go" | "golang" | "swift" | "kotlin" | "kt" | "scala" | "dart"
        | "php" | "json" | "jsonc" | "css" | "scss" | "groovy" | "zig" => c,
        // Lifetimes are no texts.
        "rust" | "rs" => Language { quotes: &['"'], ..c },
        "python" | "py" | "python3" | "ipython" => Language {
            line_comments: &["#"],
            block_comment: None,
            quotes: &['"', '\''],
            keywords: "False None True and as assert async await break case class continue def del elif else except finally \
                for from global if import in is lambda match nonlocal not or pass raise return self try while with yield",
        },
        "bash" | "sh" | "shell" | "zsh" | "console" | "fish" | "dockerfile" | "makefile" | "make"
        | "yaml" | "yml" | "toml" | "ini" | "r" | "ruby" | "rb" | "perl" | "pl" | "julia" | "elixir"
        | "ex" | "powershell" | "ps1" => Language {
            line_comments: &["#"],
            block_comment: None,
            quotes: &['"', '\''],
            keywords: "begin break case class def do done echo elif else elsif end esac export false fi for foreach function if \
                in let library local module my next nil null puts require rescue return self set source sub then true unless \
                until use when while FALSE NULL TRUE FROM RUN COPY CMD ENTRYPOINT ENV WORKDIR",
        },
        "sql" | "mysql" | "postgresql" | "sqlite" | "haskell" | "hs" | "lua" | "ada" | "elm" => Language {
            line_comments: &["--"],
            block_comment: Some(("/*", "*/")),
            quotes: &['"', '\''],
            keywords: "ADD ALTER AND AS ASC BY CASE CREATE DELETE DESC DISTINCT DROP ELSE END EXISTS FROM FULL GROUP HAVING IN \
                INDEX INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL ON OR ORDER OUTER PRIMARY RIGHT SELECT SET TABLE \
                THEN UNION UNIQUE UPDATE VALUES VIEW WHEN WHERE WITH add alter and as asc by case create data delete deriving \
                desc distinct do drop else elseif end exists false for from function group having if import in index inner \
                insert instance into is join key left let like limit local module nil not null of on or order outer primary \
                repeat return right select set table then true type union unique until update values view when where while \
                with",
        },
        "html" | "xml" | "svg" | "vue" | "svelte" => Language {
            line_comments: &[],
            block_comment: Some(("<!--", "-->")),
            quotes: &['"'],
            keywords: "",
        },
        "lisp" | "clojure" | "clj" | "scheme" | "elisp" => Language {
            line_comments: &[";"],
            block_comment: None,
            quotes: &['"'],
            keywords: "cond def define defn defun fn if lambda let loop nil quote recur setq",
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::push_code;

    fn coloured(code: &str, info: &str) -> String {
        let mut html = String::new();
        push_code(&mut html, code, info);
        html
    }

    #[test]
    fn comments_texts_numbers_and_keywords_have_classes() {
        let html = coloured("def f(x):  # why\n    return \"a < b\" + str(12)\n", "python");
        for part in [
            "<span class=\"code-keyword\">def</span>",
            "<span class=\"code-comment\"># why</span>",
            "<span class=\"code-text\">&quot;a &lt; b&quot;</span>",
            "<span class=\"code-number\">12</span>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("style="));
    }

    #[test]
    fn code_of_no_known_language_is_as_it_was() {
        assert_eq!(coloured("if a { 1 }", "brainfuck"), "if a { 1 }");
        assert_eq!(coloured("if a { 1 }", ""), "if a { 1 }");
    }

    #[test]
    fn what_does_not_end_does_not_swallow_the_rest() {
        assert!(coloured("don't\nreturn 1", "js").contains("<span class=\"code-keyword\">return</span>"));
        assert!(coloured("fn f<'a>() { let x = 1; }", "rust").contains("code-keyword\">let"));
    }
}

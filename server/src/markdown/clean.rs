//! The last gate: whatever the writer and the library of formulas made, only these tags and attributes leave.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

/// HTML with nothing in it that runs, loads, moves or posts.
pub fn clean(html: &str) -> String {
    CLEANER.clean(html).to_string()
}

const TAGS: [&str; 31] = [
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "strong",
    "em",
    "del",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "a",
    "span",
    "math",
    "semantics",
    "merror",
    "mtext",
    "mspace",
];

const MATHML: [&str; 23] = [
    "mfrac",
    "mi",
    "mmultiscripts",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mprescripts",
    "mroot",
    "mrow",
    "ms",
    "msqrt",
    "mstyle",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtr",
    "munder",
    "munderover",
    "mphantom",
    "none",
];

const SPANS: [&str; 9] = [
    "hidden-mark",
    "task",
    "link-target",
    "code-name",
    "formula",
    "code-comment",
    "code-text",
    "code-number",
    "code-keyword",
];

static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let mut attributes: HashMap<&str, HashSet<&str>> = [
        ("a", HashSet::from(["href", "title"])),
        ("ol", HashSet::from(["start"])),
        ("li", HashSet::from(["value"])),
        ("span", HashSet::from(["title", "tabindex"])),
        ("math", HashSet::from(["display"])),
        ("mi", HashSet::from(["mathvariant"])),
        (
            "mo",
            HashSet::from([
                "stretchy",
                "symmetric",
                "movablelimits",
                "minsize",
                "maxsize",
                "form",
                "lspace",
                "rspace",
            ]),
        ),
        ("mfrac", HashSet::from(["linethickness"])),
        ("mspace", HashSet::from(["width"])),
        ("mover", HashSet::from(["accent"])),
        ("munder", HashSet::from(["accentunder"])),
        ("mstyle", HashSet::from(["displaystyle", "scriptlevel"])),
        ("mtd", HashSet::from(["columnspan"])),
    ]
    .into();
    attributes.entry("table").or_default();
    let tables = [
        "menv-alignlike",
        "menv-align",
        "menv-arraylike",
        "menv-cells-left",
        "menv-cells-right",
        "menv-cases",
        "menv-multline",
        "menv-left-solid",
        "menv-right-solid",
        "menv-left-dashed",
        "menv-right-dashed",
        "menv-border-only",
        "menv-hline",
        "menv-hdashline",
        "menv-nonumber",
        "menv-with-eqn",
    ];
    let mut cleaner = ammonia::Builder::empty();
    cleaner
        .tags(TAGS.into_iter().chain(MATHML).collect())
        .tag_attributes(attributes)
        .allowed_classes(
            [
                ("span", HashSet::from(SPANS)),
                ("p", HashSet::from(["raw-html"])),
                ("code", HashSet::from(["formula"])),
                ("mtable", HashSet::from(tables)),
                ("mtr", HashSet::from(tables)),
                ("mtd", HashSet::from(tables)),
                ("mrow", HashSet::from(["mop-negated"])),
            ]
            .into(),
        )
        // A wide table scrolls sideways: by keyboard too.
        .set_tag_attribute_value("table", "tabindex", "0")
        // Formulas read from left to right in Arabic text too.
        .set_tag_attribute_value("math", "dir", "ltr")
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

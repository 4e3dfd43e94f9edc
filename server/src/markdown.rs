//! Text of models and people to HTML that is safe to show: no scripts, no styles, no images, no foreign requests.

use std::{collections::HashSet, sync::LazyLock};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Markdown to sanitised HTML. Raw HTML in the text is shown as text, images as links; a text that is empty, or that
/// markdown would hide, is shown as such: people judge it.
pub fn render(markdown: &str) -> String {
    if markdown.trim().is_empty() {
        return "<p><em>(empty)</em></p>".to_owned();
    }
    let html = render_visible(markdown);
    match html.trim().is_empty() {
        true => format!("<pre>{}</pre>", ammonia::clean_text(markdown)),
        false => html,
    }
}

fn render_visible(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        // A model's answer keeps its lines: people judge its form too.
        Event::SoftBreak => Event::HardBreak,
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    });
    let mut unsafe_html = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut unsafe_html, events);
    CLEANER.clean(&unsafe_html).to_string()
}

static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let tags = [
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
    ];
    let mut cleaner = ammonia::Builder::empty();
    cleaner
        .tags(HashSet::from(tags))
        .tag_attributes(
            [
                ("a", HashSet::from(["href", "title"])),
                ("ol", HashSet::from(["start"])),
            ]
            .into(),
        )
        // A wide table scrolls sideways: by keyboard too.
        .set_tag_attribute_value("table", "tabindex", "0")
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn ordinary_markdown_is_shown() {
        let html = render("# Hi\n\n**bold** and `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
        for part in [
            "<h1>Hi</h1>",
            "<strong>bold</strong>",
            "<code>code</code>",
            "<td>2</td>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn nothing_that_runs_or_loads_survives() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](https://evil.example/pixel.png)",
            "![x](javascript:alert(1))",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt&#58;alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<svg><script>alert(1)</script></svg>",
            "<p style=\"position:fixed\" onclick=alert(1)>x</p>",
            "<iframe src=https://evil.example></iframe>",
            "<form action=/sign-out method=post><button>x</button></form>",
            "`<script>`\n\n```html\n<script>alert(1)</script>\n```",
            "[x]: javascript:alert(1)\n\n[x]",
            "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "[a](https://x.example \"onmouseover=alert(1) x=\\\"\")",
        ];
        for attack in attacks {
            let html = render(attack);
            let tags: Vec<&str> = html.match_indices('<').map(|(at, _)| &html[at..]).collect();
            for tag in &tags {
                for bad in [
                    "<script", "<img", "<svg", "<iframe", "<form", "<style", "<math", "<button",
                ] {
                    assert!(!tag.to_lowercase().starts_with(bad), "{attack} made {html}");
                }
                let inside = tag.split('>').next().unwrap_or_default().to_lowercase();
                assert!(
                    !inside.contains("javascript:") && !inside.contains("data:"),
                    "{attack} made {html}"
                );
                assert!(
                    !inside.contains(" onerror=") && !inside.contains(" style="),
                    "{attack} made {html}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_invisible() {
        assert_eq!(render(" \n"), "<p><em>(empty)</em></p>");
        assert!(render("[x]: https://example.org").contains("example.org"));
    }

    #[test]
    fn html_in_the_text_is_readable_as_text() {
        assert!(render("a <b>c</b> d").contains("&lt;b&gt;c&lt;/b&gt;"));
    }
}

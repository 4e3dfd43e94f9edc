//! What must never leave, whatever comes in.

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

//! The document around every page, and the policy that the browser holds it to.

use axum::http::{header::CONTENT_SECURITY_POLICY, request::Parts};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::MetaTags;

use crate::{
    context::{self, Services, SiteFiles},
    routes::App,
};

/// The whole document. Also sets the content security policy with this response's nonce.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let Services { site, .. } = context::services();
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    context::answer_header(CONTENT_SECURITY_POLICY, &policy(&nonce));
    let theme = context::cookie("theme").filter(|theme| theme == "light" || theme == "dark");
    let scripts = part_of(&site).map(|name| {
        let mut options = options.clone();
        options.output_name = name.into();
        view! { <HydrationScripts options islands=true /> }
    });
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                {site.styles.clone().map(|path| view! { <link rel="stylesheet" href=path /> })}
                {scripts}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The browser part that the page asked for needs: the larger one only where runs and imports are watched.
fn part_of(site: &SiteFiles) -> Option<String> {
    let path = use_context::<Parts>().map_or_else(String::new, |parts| parts.uri.path().to_owned());
    let lead = path.starts_with("/runs/") || path.ends_with("/train") || path.ends_with("/import");
    if lead {
        site.lead_part.clone()
    } else {
        site.judge_part.clone()
    }
}

/// The content security policy of a page: our own files, and inline scripts of this response alone.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

//! The browser's files: built into the program, or read from a folder while styles are worked on.

use std::{borrow::Cow, collections::HashMap, path::Path, sync::Arc};

use anyhow::Context;
use app::context::SiteFiles;
use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// `(path below the site folder, content)` of each file, by `build.rs`.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// All files by path; a file `x.br` or `x.gz` is `x` compressed.
#[derive(Debug, Clone)]
pub struct Site(Arc<HashMap<String, Cow<'static, [u8]>>>);

impl Site {
    /// The files built into this program.
    pub fn built_in() -> Site {
        let files = BUILT_IN
            .iter()
            .map(|&(path, content)| (path.to_owned(), content.into()));
        Site(Arc::new(files.collect()))
    }

    /// The files in a folder, read now.
    pub fn from_folder(folder: &Path) -> anyhow::Result<Site> {
        let mut files = HashMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(current) = folders.pop() {
            for entry in
                std::fs::read_dir(&current).with_context(|| format!("cannot read {}", current.display()))?
            {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                    files.insert(name, std::fs::read(&path)?.into());
                }
            }
        }
        Ok(Site(Arc::new(files)))
    }

    /// What pages need to know of the files.
    pub fn names(&self) -> SiteFiles {
        let manifest = self
            .0
            .get("manifest.json")
            .map(|bytes| serde_json::from_slice(bytes));
        let Some(Ok(manifest)) = manifest else {
            tracing::warn!("the browser part is not built in: run `cargo xtask build`");
            return SiteFiles::default();
        };
        let manifest: serde_json::Value = manifest;
        let name = |key: &str| manifest.get(key)?.as_str().map(str::to_owned);
        SiteFiles {
            judge_part: name("judge"),
            lead_part: name("lead"),
            styles: name("style").map(|file| format!("/pkg/{file}")),
        }
    }

    /// `GET /pkg/{file}`, names hashed, cached for ever; and the icon.
    pub fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/pkg/{*file}", get(serve_file))
            .route("/favicon.svg", get(serve_icon))
            .route("/robots.txt", get(async || "User-agent: *\nDisallow: /\n"))
            .with_state(self)
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let Some(plain) = self.0.get(path) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let accepted = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok());
        let accepts = |coding: &str| {
            accepted.is_some_and(|list| {
                list.split(',')
                    .any(|part| part.split(';').next().map(str::trim) == Some(coding))
            })
        };
        let best = [("br", "br"), ("gzip", "gz")]
            .into_iter()
            .filter(|(coding, _)| accepts(coding))
            .find_map(|(coding, ending)| Some((coding, self.0.get(&format!("{path}.{ending}"))?)));
        let body = best.map_or(plain, |(_, body)| body).clone();
        let mut response = (
            [
                (header::CONTENT_TYPE, content_type(path)),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::VARY, "accept-encoding"),
            ],
            body,
        )
            .into_response();
        if let Some((coding, _)) = best {
            let coding = header::HeaderValue::from_static(coding);
            response.headers_mut().insert(header::CONTENT_ENCODING, coding);
        }
        response
    }
}

async fn serve_file(
    State(site): State<Site>,
    UrlPath(file): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    site.answer(&format!("pkg/{file}"), &headers)
}

async fn serve_icon() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, include_str!("favicon.svg"))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

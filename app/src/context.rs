//! What the server hands to pages and server functions.

use std::{path::Path, sync::Arc};

use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use store::Store;

use crate::{rendering::Rendering, scoring::Scoring};

/// The services of the running server. Clones share everything.
#[derive(Clone)]
pub struct Services {
    pub store: Store,
    /// Markdown to sanitised HTML; the only way that anybody's text becomes markup.
    pub rendering: Arc<dyn Rendering>,
    /// What is kept of a secret that somebody carries.
    pub hash_secret: fn(&str) -> String,
    /// The folder of models, uploads and, by default, the database.
    pub data_dir: Arc<Path>,
    pub site: Arc<SiteFiles>,
    /// The address under which people reach the server, without a slash at the end.
    pub public_url: Arc<str>,
    /// The server's model threads.
    pub scoring: Arc<dyn Scoring>,
}

/// Where the browser finds the built files; names carry a hash of the content.
#[derive(Debug, Clone, Default)]
pub struct SiteFiles {
    /// `/pkg/{part}.js` and `/pkg/{part}_bg.wasm` for those who judge; None if the browser parts were not built.
    pub judge_part: Option<String>,
    /// The same with the islands of leads' pages.
    pub lead_part: Option<String>,
    /// The stylesheet's path.
    pub styles: Option<String>,
}

/// The address that links from this request's page are made of; the server's middleware puts it into the extensions.
#[derive(Debug, Clone)]
pub struct BaseUrl(pub Arc<str>);

/// The address that links are made of, without a slash at the end.
pub fn base_url() -> Arc<str> {
    let told = use_context::<Parts>().and_then(|parts| parts.extensions.get::<BaseUrl>().cloned());
    told.map_or_else(|| services().public_url, |base| base.0)
}

/// The services of this request.
///
/// # Panics
/// Outside a request: the server provides them to each.
pub fn services() -> Services {
    expect_context::<Services>()
}

/// The store of this request's server.
pub fn store() -> Store {
    services().store
}

/// Markdown to safe HTML.
pub async fn render(text: &str) -> String {
    let rendered = render_all(vec![text.to_owned()]).await;
    rendered.into_iter().next().unwrap_or_default()
}

/// Whether a file is there on the server.
pub async fn file_exists(path: &str) -> bool {
    tokio::fs::try_exists(path).await.unwrap_or(false)
}

/// Texts in Markdown to safe HTML, in their order.
pub async fn render_all(texts: Vec<String>) -> Vec<String> {
    services().rendering.render(texts).await
}

/// A cookie of the current request.
pub fn cookie(name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    let cookies = parts.headers.get_all(header::COOKIE);
    cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Gives the response this status.
pub fn answer_status(status: u16) {
    if let (Some(options), Ok(status)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(status)) {
        options.set_status(status);
    }
}

/// Whether a browser posted a plain form, which wants a page for an answer; scripts ask otherwise.
pub fn is_plain_form() -> bool {
    use_context::<Parts>().is_some_and(|parts| {
        let accepts = parts
            .headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        accepts.is_some_and(|accepts| accepts.contains("text/html"))
    })
}

/// As [`answer_status`], unless a plain form was posted, which is redirected and shown the error as a flash.
pub fn answer_status_unless_form(status: u16) {
    if !is_plain_form() {
        answer_status(status);
    }
}

/// Sends the browser to another path of this server after a form (303).
pub fn redirect(path: &str) {
    leptos_axum::redirect(path);
}

/// Adds a header to the response.
pub(crate) fn answer_header(name: header::HeaderName, value: &str) {
    if let (Some(options), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(value)) {
        options.append_header(name, value);
    }
}

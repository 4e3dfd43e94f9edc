//! The page for addresses at which nothing stands.

use leptos::prelude::*;

use crate::{components::error_page, error::AppError};

/// 404.
#[component]
pub fn MissingPage() -> impl IntoView {
    error_page(
        AppError::NotFound("There is nothing at this address.".into()),
        Vec::new(),
    )
}

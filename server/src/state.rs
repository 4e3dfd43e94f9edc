//! What the running server shares among its requests.

use std::sync::Arc;

use app::context::Services;
use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use store::Store;

use crate::auth::throttle::Throttle;

/// The state of the router. Clones share everything.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub services: Services,
    pub leptos: LeptosOptions,
    pub throttle: Arc<Throttle>,
    pub settings: Settings,
}

/// What handlers need of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Cookies over TLS alone.
    pub secure_cookies: bool,
    /// Believe X-Forwarded-For.
    pub behind_proxy: bool,
    /// The largest upload, in MB.
    pub max_upload_mb: u32,
}

impl AppState {
    /// The state over the services.
    pub fn new(services: Services, settings: Settings) -> AppState {
        AppState {
            services,
            leptos: LeptosOptions::builder().output_name("touchstone").build(),
            throttle: Arc::default(),
            settings,
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.services.store
    }
}

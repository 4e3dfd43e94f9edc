//! What the running server shares among its requests.

use std::sync::Arc;

use app::context::Services;
use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use store::Store;

use crate::{
    address::Address,
    auth::{departures::Departures, setup_code::SetupCode, throttle::Throttle},
    limits::quota::Quota,
    network::Network,
};

/// The state of the router. Clones share everything.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub services: Services,
    pub leptos: LeptosOptions,
    pub throttle: Arc<Throttle>,
    pub quota: Arc<Quota>,
    pub setup_code: SetupCode,
    pub departures: Departures,
    pub address: Address,
    pub settings: Settings,
}

/// What handlers need of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Cookies over TLS alone.
    pub secure_cookies: bool,
    /// Nobody gave the public address: it is made of the one that the server listens on.
    pub address_is_guessed: bool,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Arc<[Network]>,
    /// The largest upload, in MB.
    pub max_upload_mb: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            secure_cookies: false,
            address_is_guessed: false,
            trusted_proxies: Arc::new([]),
            max_upload_mb: 512,
        }
    }
}

impl AppState {
    /// The state over the services.
    pub fn new(services: Services, settings: Settings) -> AppState {
        AppState {
            address: Address::new(&services.public_url, settings.address_is_guessed),
            services,
            leptos: LeptosOptions::builder().output_name("touchstone").build(),
            throttle: Arc::default(),
            quota: Arc::default(),
            setup_code: SetupCode::default(),
            departures: Departures::default(),
            settings,
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.services.store
    }
}

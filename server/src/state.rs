//! What the running server shares among its requests.

use std::sync::Arc;

use app::{
    context::Services,
    scoring::{Answer, ItemScores, Scoring, ScoringError},
};
use axum::extract::FromRef;
use domain::{
    run::{Method, Settings as TrainSettings},
    score::ScoreItem,
};
use leptos::config::LeptosOptions;
use store::Store;
use uuid::Uuid;

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

/// Stands in where no model can be asked: in tests of everything else.
#[derive(Debug)]
pub struct NoScoring;

impl Scoring for NoScoring {
    fn defaults(&self, method: Method) -> TrainSettings {
        TrainSettings {
            method,
            seed: 1,
            epochs: 1,
            batch_pairs: 1,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            warmup_share: 0.0,
            max_tokens: 256,
            evaluate_every: 1.0,
            checkpoint_every_steps: 0,
        }
    }

    fn check(&self, _: &TrainSettings) -> Result<(), String> {
        Ok(())
    }

    fn score(&self, _: Uuid, _: Vec<ScoreItem>) -> Answer<Result<ItemScores, ScoringError>> {
        Box::pin(async { Err(ScoringError::NoModel) })
    }
}

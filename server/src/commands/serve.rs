//! `touchstone serve`.

use std::sync::Arc;

use anyhow::Context;
use app::context::Services;
use tokio::sync::watch;

use super::open_store;
use crate::{
    auth::secret::hash_secret,
    config::{Config, ServeConfig},
    housekeeping::keep_house,
    limits::connections::{self, Limits},
    rendering::Renderer,
    router::router,
    site::Site,
    state::{AppState, Settings},
    worker::WorkerContext,
};

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    serve: ServeConfig,
}

/// Serves until it is told to stop, then finishes what is in flight.
pub async fn run(config: Config, Args { serve }: Args) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let site = match &serve.site_dir {
        Some(folder) => Site::from_folder(folder)?,
        None => Site::built_in(),
    };
    let listener = tokio::net::TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("cannot listen on {}", serve.listen))?;
    let listening = listener.local_addr()?;
    let public_url = serve.public_url(listening);
    let settings = Settings {
        secure_cookies: serve.secure_cookies(),
        address_is_guessed: serve.public_url.is_none(),
        trusted_proxies: serve.proxies().into(),
        max_upload_mb: serve.max_upload_mb,
    };
    let limits = Limits {
        proxies: serve.proxies(),
        ..Limits::default()
    };
    let services = Services {
        store: store.clone(),
        rendering: Arc::new(Renderer::new()),
        hash_secret,
        data_dir: config.data_dir.as_path().into(),
        site: Arc::new(site.names()),
        public_url: public_url.as_str().into(),
        scoring: Arc::new(crate::scoring::ScoringService::on(
            &config.data_dir,
            config.base_model.clone(),
        )),
    };
    let state = AppState::new(services, settings);
    let (stop, stopped) = watch::channel(false);
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    let working = (!serve.no_worker).then(|| tokio::spawn(worker.work(stopped)));
    let house = tokio::spawn(keep_house(store.clone(), config.data_dir.clone()));
    if store.is_fresh().await? {
        let code = state.setup_code.as_str();
        println!("Set Touchstone up at {public_url}/setup?code={code}");
        println!("The set-up code is {code}");
    } else {
        println!("Touchstone is at {public_url}");
    }
    tracing::info!(%listening, "serving");
    let stop = async move {
        stop_signal().await;
        stop.send_replace(true);
        crate::worker::live::end_all();
    };
    connections::serve(listener, router(state, site), limits, stop).await;
    house.abort();
    if let Some(working) = working {
        working.await.context("the worker panicked")?;
    }
    tracing::info!("stopped");
    Ok(store.close().await?)
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

//! All routes, and the layers that every request passes.

use app::{routes::App, shell::shell};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{any, post},
};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};
use tower_http::{CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer};

use crate::{
    address::tell_pages,
    auth::{
        self,
        identify::{gate, identify},
    },
    limits::{MAX_API, bodies},
    routes::{api, events, export, health, import, run_files},
    security::{add_headers, after_panic, api_missing, check_origin, errors_to_flash, log_forbidden},
    site::Site,
    state::AppState,
};

/// The whole server as one router.
pub fn router(state: AppState, site: Site) -> Router {
    let context = {
        let services = state.services.clone();
        move || provide_context(services.clone())
    };
    let page = {
        let options = state.leptos.clone();
        move || shell(options.clone())
    };
    let functions = Router::new().route("/fn/{*path}", post(server_function));

    let dynamic = Router::new()
        .merge(auth::routes(&state))
        .merge(functions)
        .merge(api::routes())
        .merge(events::routes())
        .merge(export::routes())
        .merge(run_files::routes())
        .merge(import::routes(state.settings.max_upload_mb))
        .route("/api/{*path}", any(api_missing))
        .leptos_routes_with_context(&state, generate_route_list(App), context.clone(), page.clone())
        .fallback(leptos_axum::render_app_async_with_context(context, page))
        // Not on `functions` alone: leptos_routes brings exact routes to them of its own, which win.
        .layer(from_fn_with_state(state.clone(), errors_to_flash))
        .layer(from_fn_with_state(state.clone(), tell_pages))
        .layer(from_fn_with_state(state.clone(), bodies::limit))
        .layer(from_fn_with_state(state.clone(), gate))
        .layer(from_fn_with_state(state.clone(), log_forbidden))
        .layer(from_fn_with_state(state.clone(), identify))
        .layer(from_fn_with_state(state.clone(), check_origin))
        // `bodies::limit` is narrower, but for uploads, which set their own.
        .layer(DefaultBodyLimit::max(MAX_API))
        .layer(
            CompressionLayer::new()
                .br(true)
                .gzip(true)
                .quality(CompressionLevel::Precise(5)),
        );

    Router::new()
        .merge(health::routes())
        .merge(site.routes())
        .fallback_service(dynamic.with_state::<()>(state.clone()))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(from_fn_with_state(state.clone(), add_headers))
        .with_state(state)
}

async fn server_function(State(state): State<AppState>, request: Request) -> Response {
    let services = state.services.clone();
    leptos_axum::handle_server_fns_with_context(move || provide_context(services.clone()), request)
        .await
        .into_response()
}

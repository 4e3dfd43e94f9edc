//! All routes, and the layers that every request passes.

use app::{routes::App, shell::shell};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use axum_login::AuthManagerLayerBuilder;
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};
use tower_http::{CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tower_sessions::{
    Expiry, SessionManagerLayer,
    cookie::{SameSite, time::Duration},
};

use crate::{
    auth::{
        self,
        backend::Backend,
        identify::{gate, identify},
        sessions::Sessions,
    },
    routes::{api, events, export, health, import, run_log},
    security::{add_headers, after_panic, api_missing, check_origin, errors_to_flash},
    site::Site,
    state::AppState,
};

/// The most bytes of a request's body; routes that take files set their own.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// How long a browser stays signed in.
const SESSION: Duration = Duration::days(14);

/// The whole server as one router.
pub fn router(state: AppState, site: Site) -> Router {
    let sessions = SessionManagerLayer::new(Sessions(state.store().clone()))
        .with_name("session")
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(state.settings.secure_cookies)
        .with_expiry(Expiry::OnInactivity(SESSION));
    let who = AuthManagerLayerBuilder::new(Backend(state.store().clone()), sessions).build();

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
        .merge(auth::routes())
        .merge(functions)
        .merge(api::routes())
        .merge(events::routes())
        .merge(export::routes())
        .merge(run_log::routes())
        .merge(import::routes(state.settings.max_upload_mb))
        .route("/api/{*path}", any(api_missing))
        .leptos_routes_with_context(&state, generate_route_list(App), context.clone(), page.clone())
        .fallback(leptos_axum::render_app_async_with_context(context, page))
        // Not on `functions` alone: leptos_routes brings exact routes to them of its own, which win.
        .layer(from_fn_with_state(state.clone(), errors_to_flash))
        .layer(from_fn_with_state(state.clone(), gate))
        .layer(from_fn_with_state(state.clone(), identify))
        .layer(who)
        .layer(from_fn_with_state(state.clone(), check_origin))
        .layer(DefaultBodyLimit::max(MAX_BODY))
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
        .layer(from_fn(add_headers))
        .with_state(state)
}

async fn server_function(State(state): State<AppState>, request: Request) -> Response {
    let services = state.services.clone();
    leptos_axum::handle_server_fns_with_context(move || provide_context(services.clone()), request)
        .await
        .into_response()
}

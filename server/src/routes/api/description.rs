//! What the API says of itself, as OpenAPI.

use app::scoring::ItemScores;
use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use uuid::Uuid;

use super::request::{Item, Prompt, Role, ScoreRequest, Turn};
use crate::routes::export;

/// The rewards, item by item.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreAnswer {
    pub run: Uuid,
    #[schema(value_type = Vec<Vec<Reward>>)]
    pub scores: ItemScores,
}

/// What the model makes of one response.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes `domain::score::Scored`, which knows nothing of OpenAPI"
)]
struct Reward {
    /// Unbounded; only differences between responses to one prompt mean something.
    reward: f64,
    /// Tokens read.
    tokens: u64,
    /// Tokens left out at the beginning because the text was too long.
    cut_tokens: u64,
}

/// Why there is no answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ApiError`")]
pub struct Failure {
    /// `signed_out`, `forbidden`, `not_found`, `invalid`, `too_many`, `unavailable` or `internal`.
    kind: String,
    /// A sentence for people.
    message: String,
}

/// The description of this API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Touchstone", description = "Rewards from models trained on people's preferences, and the preferences."),
    paths(super::score, super::openapi, export::download),
    components(schemas(ScoreRequest, ScoreAnswer, Item, Prompt, Turn, Role, Reward, Failure)),
    modifiers(&Token)
)]
pub struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components
            .get_or_insert_default()
            .add_security_scheme("token", scheme);
    }
}

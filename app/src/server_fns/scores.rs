//! Score any prompt and responses with a run's model.

use domain::score::Scored;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// A prompt with responses and what the model made of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    pub prompt: String,
    pub responses: Vec<String>,
    pub scores: Vec<Scored>,
}

/// Scores responses to a prompt; empty ones are left out. A plain form is sent back to the run's scores, which show
/// the result. Needs `Review`.
#[server(prefix = "/fn", endpoint = "scores/try")]
pub async fn try_scores(
    run: Uuid,
    prompt: String,
    #[server(default)] responses: Vec<String>,
) -> Result<Tried, AppError> {
    use domain::{
        permission::Permission,
        run::State,
        score::{PromptText, ScoreItem, check_items},
    };

    use crate::{context, viewer};
    viewer::require(Permission::Review)?;
    let services = context::services();
    if services.store.find_run(run).await?.state != State::Done {
        return Err(AppError::Unavailable(
            "This run has no model: it is not done.".into(),
        ));
    }
    let responses: Vec<String> = responses
        .into_iter()
        .filter(|text| !text.trim().is_empty())
        .collect();
    if responses.is_empty() {
        return Err(AppError::Invalid("Write at least one response to score.".into()));
    }
    let items = vec![ScoreItem {
        prompt: PromptText::Plain(prompt.clone()),
        responses: responses.clone(),
    }];
    check_items(&items).map_err(|error| AppError::Invalid(error.to_string()))?;
    let scores = services
        .scoring
        .score(run, items)
        .await?
        .pop()
        .unwrap_or_default();
    let tried = Tried {
        prompt,
        responses,
        scores,
    };
    if context::is_plain_form() {
        let key = kept::keep(tried.clone());
        context::redirect(&format!("/runs/{run}/scores?tried={key}#try"));
    }
    Ok(tried)
}

/// Results of plain forms, until the page that shows them is loaded: they are too long for a URL.
#[cfg(feature = "ssr")]
pub mod kept {
    use std::{
        collections::VecDeque,
        sync::{LazyLock, Mutex, PoisonError},
    };

    use uuid::Uuid;

    use super::Tried;

    /// So many are kept; the oldest goes first.
    const ROOM: usize = 100;

    static KEPT: LazyLock<Mutex<VecDeque<(Uuid, Tried)>>> = LazyLock::new(Mutex::default);

    /// Keeps a result under a key that nobody can guess.
    pub fn keep(tried: Tried) -> Uuid {
        let key = Uuid::new_v4();
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == ROOM {
            kept.pop_front();
        }
        kept.push_back((key, tried));
        key
    }

    /// The result of this key, if it is still kept.
    pub fn find(key: Uuid) -> Option<Tried> {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .find(|(of, _)| *of == key)
            .map(|(_, tried)| tried.clone())
    }
}

//! What a run tells, live, as server-sent events.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use domain::{
    permission::Permission,
    run::event::{RunEvent, SeqEvent},
};
use futures::{Stream, stream};
use serde::Deserialize;
use store::Store;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use crate::{
    auth::{
        departures::Key,
        identify::{ApiError, Viewer},
    },
    state::AppState,
    worker::live,
};

/// How often the table is read when another process trains the run.
const POLL: Duration = Duration::from_secs(1);

/// How often the table is read although the run is trained here: nothing is missed for longer.
const CHECK: Duration = Duration::from_secs(15);

/// Events read at a time.
const PAGE: u64 = 500;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new().route("/runs/{id}/events", get(run_events))
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

/// `GET /runs/{id}/events?after=SEQ`: the run's events after that one (or after `Last-Event-ID`, which a browser sends
/// when it reconnects), then those to come, until the run has ended; 204 when there is nothing more. Needs `Review`.
async fn run_events(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    Query(After { after }): Query<After>,
    Extension(key): Extension<Option<Key>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    viewer.may(Permission::Review)?;
    let last_seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let run = state.store().find_run(id).await?;
    let mut feed = Feed {
        store: state.store().clone(),
        run: id,
        last: last_seen.unwrap_or(after),
        ready: VecDeque::new(),
        live: live::subscribe(id),
        key,
        departures: state.departures.subscribe(),
        over: false,
    };
    if run.state.is_final() {
        feed.read().await?;
        if feed.ready.is_empty() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(feed.into_stream()).keep_alive(alive).into_response())
}

/// One watcher of one run.
struct Feed {
    store: Store,
    run: Uuid,
    /// The newest event that was sent.
    last: i64,
    ready: VecDeque<SeqEvent>,
    live: broadcast::Receiver<SeqEvent>,
    /// By what the watcher is here; looked at again each time that this waits for the table.
    key: Option<Key>,
    departures: watch::Receiver<()>,
    over: bool,
}

impl Feed {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            let data = serde_json::to_string(&event).unwrap_or_default();
            Some((Ok(Event::default().id(event.seq.to_string()).data(data)), feed))
        })
    }

    async fn next(&mut self) -> Option<SeqEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last = event.seq;
                // A run that failed may have gone on since.
                let ended = matches!(&event.event, RunEvent::State { state, .. } if state.is_final());
                self.over = ended && self.ready.is_empty();
                return Some(event);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.read().await {
                tracing::warn!(run = %self.run, %error, "cannot read what the run tells");
                return None;
            }
            if self.ready.is_empty() {
                self.wait().await;
            }
        }
    }

    /// Events from the table.
    async fn read(&mut self) -> Result<(), store::StoreError> {
        self.ready
            .extend(self.store.list_run_events(self.run, self.last, PAGE).await?);
        Ok(())
    }

    /// Until there may be more: what is published here directly follows the last one, or the table is due.
    async fn wait(&mut self) {
        let pause = if live::is_here(self.run) { CHECK } else { POLL };
        tokio::select! {
            told = self.live.recv() => match told {
                Ok(event) if event.seq == self.last + 1 => self.ready.push_back(event),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => {
                    tokio::time::sleep(POLL).await;
                    self.live = live::subscribe(self.run);
                }
            },
            () = tokio::time::sleep(pause) => self.look_who_watches().await,
            _ = self.departures.changed() => self.look_who_watches().await,
            () = live::ending() => self.over = true,
        }
    }

    /// Ends the stream of someone who has signed out or may no longer see it.
    async fn look_who_watches(&mut self) {
        let stays = match &self.key {
            Some(key) => key.still_opens(&self.store, Permission::Review).await,
            None => Ok(false),
        };
        self.over = !matches!(stays, Ok(true));
    }
}

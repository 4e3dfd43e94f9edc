//! What this page has in hand is held for its person: renewed while somebody is at it, given back when the page goes.

use std::time::Duration;

use leptos::{ev, prelude::*, server_fn::ServerFn, task::spawn_local};
use serde_json::json;

use super::state::Desk;
use crate::server_fns::judge::{GiveBackTasks, hold_tasks};

/// How often leases are renewed, if anything moved since; well within a lease.
const RENEW: Duration = Duration::from_secs(60);

/// Renews from now on, and gives back in the end.
pub fn keep_holding(desk: Desk) {
    let active = StoredValue::new(false);
    let alive = move || active.set_value(true);
    drop(window_event_listener(ev::keydown, move |_| alive()));
    drop(window_event_listener(ev::pointermove, move |_| alive()));
    drop(window_event_listener(ev::wheel, move |_| alive()));
    drop(window_event_listener(ev::touchstart, move |_| alive()));
    set_interval(
        move || {
            if active.get_value() {
                active.set_value(false);
                renew(desk);
            }
        },
        RENEW,
    );
    drop(window_event_listener(ev::online, move |_| renew(desk)));
    drop(window_event_listener_untyped("visibilitychange", move |_| {
        if !document().hidden() {
            renew(desk);
        }
    }));
    drop(window_event_listener_untyped("pagehide", move |_| {
        give_back(desk)
    }));
    // A page that comes back as it was has given away what it shows.
    drop(window_event_listener_untyped("pageshow", move |_| renew(desk)));
}

fn renew(desk: Desk) {
    let (shown, ahead) = desk.in_hand();
    let all = [shown.as_slice(), &ahead].concat();
    if all.is_empty() {
        return;
    }
    spawn_local(async move {
        if let Ok(held) = hold_tasks(desk.project, desk.kind, desk.seat, shown, ahead).await {
            let lost: Vec<_> = all.into_iter().filter(|id| !held.contains(id)).collect();
            if !lost.is_empty() {
                desk.let_go(&lost);
            }
        }
    });
}

/// By a beacon, which outlives the page. What was begun stays, and what is still to be sent.
fn give_back(desk: Desk) {
    let (mut shown, ahead) = desk.in_hand();
    if desk.has_draft() {
        shown.clear();
    }
    let unsent = desk.outbox.comparisons();
    shown.retain(|comparison| !unsent.contains(comparison));
    shown.extend(ahead);
    if shown.is_empty() {
        return;
    }
    let body = json!({"seat": desk.seat, "comparisons": shown}).to_string();
    // A browser that refuses lets the leases run out.
    drop(
        window()
            .navigator()
            .send_beacon_with_opt_str(GiveBackTasks::PATH, Some(&body)),
    );
}

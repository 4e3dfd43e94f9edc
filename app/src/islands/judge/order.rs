//! Putting responses into order: letters come best first, and one that is left over comes last.

use domain::{comparison::MAX_RESPONSES, task::letter};
use leptos::prelude::*;

use super::state::Desk;

/// The response that a key names, if there is one.
pub fn response_of(desk: Desk, key: &str) -> Option<usize> {
    let &[byte @ b'a'..=b'z'] = key.as_bytes() else {
        return None;
    };
    let index = usize::from(byte - b'a');
    (index < count(desk)).then_some(index)
}

/// How many responses there are to be put into order.
fn count(desk: Desk) -> usize {
    desk.draft.places.with_untracked(Vec::len).min(MAX_RESPONSES)
}

/// Gives a response the next place; after `=` it shares the place of the one before.
pub fn place(desk: Desk, index: usize) {
    let tie = desk.tie_next.get_untracked();
    desk.tie_next.set(false);
    desk.draft.places.update(|places| {
        places[index] = None;
        let worst = worst(places);
        places[index] = Some(if tie { worst.max(1) } else { worst + 1 });
    });
}

/// Takes away the worst place.
pub fn unplace(desk: Desk) {
    desk.tie_next.set(false);
    desk.draft.places.update(|places| {
        let worst = worst(places);
        for place in places.iter_mut().filter(|place| **place == Some(worst)) {
            *place = None;
        }
    });
}

/// If one response alone has no place, it comes last.
pub fn place_the_last(desk: Desk) {
    desk.draft.places.update(|places| {
        let worst = worst(places);
        let mut open = places.iter_mut().filter(|place| place.is_none());
        if let (Some(place), None) = (open.next(), open.next()) {
            *place = Some(worst + 1);
        }
    });
}

fn worst(places: &[Option<u8>]) -> u8 {
    places.iter().flatten().max().copied().unwrap_or(0)
}

/// The letters of those that have no place yet, followed by whoever asks.
fn open(desk: Desk) -> Vec<char> {
    desk.draft.places.with(|places| {
        let open = places.iter().enumerate().filter(|(_, place)| place.is_none());
        open.map(|(index, _)| letter(index)).collect()
    })
}

/// Whether the order can be kept: all have a place, or one alone has none and comes last.
pub fn is_complete(desk: Desk) -> bool {
    open(desk).len() < 2
}

/// What the button says: whether the order can be kept, and else what is missing.
pub fn button_text(desk: Desk) -> String {
    match open(desk).as_slice() {
        [] => "Keep this order".to_owned(),
        [last] => format!("Keep this order, {last} last"),
        more => format!("{} still to place", more.len()),
    }
}

/// The order as given so far: `B > A = C`; before that, how one is given.
pub fn so_far(desk: Desk) -> String {
    let mut placed: Vec<(u8, char)> = desk.draft.places.with(|places| {
        let placed = places.iter().enumerate();
        placed
            .filter_map(|(index, place)| Some(((*place)?, letter(index))))
            .collect()
    });
    placed.sort_unstable();
    let groups = placed.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let letters: Vec<String> = group.iter().map(|(_, letter)| letter.to_string()).collect();
        letters.join(" = ")
    });
    let mut order = groups.collect::<Vec<_>>().join(" > ");
    if desk.tie_next.get() {
        order.push_str(" = …");
    }
    if order.is_empty() && count(desk) > 0 && desk.awake.get() {
        order.push_str("Best first: press letters or numbers.");
    }
    order
}

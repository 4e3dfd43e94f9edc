//! Nothing is judged unseen. A double click, a key pressed twice or a finger that comes down again would give the next
//! comparison the grade of the one before; so nothing is taken for what has only just appeared.

use std::time::Duration;

use leptos::prelude::*;

/// Nobody has begun to read before this.
const READING_BEGINS: Duration = Duration::from_millis(400);

/// Open once what is on the screen has been painted and [`READING_BEGINS`] has passed.
#[derive(Clone, Copy)]
pub struct Gate {
    open: RwSignal<bool>,
    turn: StoredValue<u32>,
}

impl Gate {
    pub fn new() -> Gate {
        Gate {
            open: RwSignal::new(false),
            turn: StoredValue::new(0),
        }
    }

    /// Something else is on the screen. In a window that is not in view no frame is painted, and the gate stays shut.
    pub fn shut(self) {
        self.open.set(false);
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        let turn = self.turn.get_value();
        let open = move || {
            if self.turn.get_value() == turn {
                self.open.set(true);
            }
        };
        // The first callback comes before its frame is painted, the second after that.
        request_animation_frame(move || {
            request_animation_frame(move || set_timeout(open, READING_BEGINS));
        });
    }

    /// Whether what is said now can be meant for what is on the screen.
    pub fn is_open(self) -> bool {
        self.open.get_untracked()
    }

    /// As [`Gate::is_open`], followed by whoever asks.
    pub fn follow(self) -> bool {
        self.open.get()
    }
}

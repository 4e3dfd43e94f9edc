//! How far training or scoring is, on standard error: a bar on a terminal, lines elsewhere.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use reward_model::Event;

/// How often a line says where it stands, where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// A bar that follows what it is told.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    said: Cell<Instant>,
}

impl Progress {
    /// Nothing done yet.
    pub fn new(what: &'static str) -> Progress {
        let bar = ProgressBar::new(0).with_message(what);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {eta} left");
        // The template is fixed and sound; a bar that looks otherwise would be no reason to stop.
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Progress {
            bar,
            said: Cell::new(Instant::now()),
        }
    }

    /// So many done, of so many.
    pub fn set(&self, done: usize, of: usize) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        self.say_where();
    }

    /// Follows training.
    pub fn follow(&self, event: &Event) {
        match event {
            Event::Embedding { done, total, .. } => {
                self.bar.set_message("reads the texts");
                self.set(*done, *total);
            }
            Event::Note { text } => self.say(text),
            Event::Started {
                train_pairs,
                held_out_pairs,
                steps,
                first_step,
                alike,
                ..
            } => {
                self.bar.set_length(*steps);
                self.bar.set_position(*first_step);
                self.bar.reset_eta();
                self.bar.set_message("trains");
                let from = match first_step {
                    0 => String::new(),
                    step => format!(", from step {step} on"),
                };
                self.say(&format!(
                    "{train_pairs} pairs to learn from, {held_out_pairs} held out, {steps} steps{from}"
                ));
                if let Some(sentence) = alike_words(*alike) {
                    self.say(&sentence);
                }
            }
            Event::Step {
                step,
                loss,
                pairs_per_second,
                ..
            } => {
                self.bar
                    .set_message(format!("loss {loss:.4}, {pairs_per_second:.1} pairs a second"));
                self.bar.set_position(*step);
                self.say_where();
            }
            Event::Evaluated { step, steps, metrics } => self.say(&format!(
                "step {step} of {steps}: held-out accuracy {:.1} %, log loss {:.4}",
                100.0 * metrics.accuracy.value,
                metrics.log_loss
            )),
            Event::Checkpointed { .. } | Event::Finished { .. } => {}
        }
    }

    fn say_where(&self) {
        if self.bar.is_hidden() && self.said.get().elapsed() >= EVERY {
            self.said.set(Instant::now());
            let of = self.bar.length().unwrap_or_default();
            eprintln!("{}: {} of {of}", self.bar.message(), self.bar.position());
        }
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

/// Training and held-out pairs that are left out because they are one text to the model; nothing where there are none.
pub fn alike_words([train, held_out]: [usize; 2]) -> Option<String> {
    (train + held_out > 0).then(|| {
        format!(
            "{train} pairs to learn from and {held_out} held-out ones are left out: to the model their two responses are one text, \
             cut before they differ or not told apart by its tokenizer."
        )
    })
}

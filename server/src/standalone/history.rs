//! What a run told, kept in its folder, so that curves are whole when it goes on after a stop.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use reward_model::{Event, Metrics};

/// Steps and evaluations of a run, in their order.
#[derive(Debug, Default)]
pub struct History {
    events: Vec<Event>,
}

/// A [`History`] and the file that it is kept in.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    pub history: History,
}

/// One step, as curves show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub step: u64,
    pub loss: f64,
    pub learning_rate: f64,
    pub grad_norm: f64,
}

impl History {
    fn push(&mut self, event: Event) {
        let new = place(&event);
        // A run that was killed behind its checkpoint takes these steps again, to the same numbers.
        while self.events.last().is_some_and(|last| place(last) >= new) {
            self.events.pop();
        }
        self.events.push(event);
    }

    /// The steps that were told.
    pub fn steps(&self) -> Vec<Step> {
        let step = |event: &Event| match *event {
            Event::Step {
                step,
                loss,
                learning_rate,
                grad_norm,
                ..
            } => Some(Step {
                step,
                loss,
                learning_rate,
                grad_norm,
            }),
            _ => None,
        };
        self.events.iter().filter_map(step).collect()
    }

    /// The evaluations, each with the steps done before.
    pub fn evaluations(&self) -> Vec<(u64, Metrics)> {
        let evaluation = |event: &Event| match *event {
            Event::Evaluated { step, metrics, .. } => Some((step, metrics)),
            _ => None,
        };
        self.events.iter().filter_map(evaluation).collect()
    }
}

/// Step and, within it, what comes later.
fn place(event: &Event) -> (u64, u8) {
    match *event {
        Event::Step { step, .. } => (step, 0),
        Event::Evaluated { step, .. } => (step, 1),
        _ => (0, 0),
    }
}

impl Recorder {
    /// What the folder's earlier starts told, to be gone on with.
    pub fn open(folder: &Path) -> io::Result<Recorder> {
        let path = folder.join("events.jsonl");
        let mut history = History::default();
        match fs::read(&path) {
            Ok(bytes) => bytes
                .split(|&byte| byte == b'\n')
                // The last line of a killed process may be half a line.
                .filter_map(|line| serde_json::from_slice(line).ok())
                .for_each(|event| history.push(event)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Recorder {
            path,
            file: None,
            history,
        })
    }

    /// Takes up an event.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { first_step, .. } => self.start(*first_step),
            Event::Step { .. } | Event::Evaluated { .. } => {
                self.history.push(event.clone());
                self.write(event)
            }
            Event::Checkpointed { .. } | Event::Finished { .. } => self.flush(),
            Event::Embedding { .. } | Event::Note { .. } => Ok(()),
        }
    }

    /// Forgets what comes after the checkpoint that the run goes on from.
    fn start(&mut self, first_step: u64) -> io::Result<()> {
        self.history.events.retain(|event| place(event).0 <= first_step);
        self.file = Some(BufWriter::new(File::create(&self.path)?));
        for event in std::mem::take(&mut self.history.events) {
            self.write(&event)?;
            self.history.events.push(event);
        }
        self.flush()
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        serde_json::to_writer(&mut *file, event)?;
        file.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f64) -> Event {
        Event::Step {
            step,
            steps: 9,
            epoch: 0.0,
            loss,
            learning_rate: 0.1,
            grad_norm: 1.0,
            accuracy: 0.5,
            margin: 0.0,
            reward_mean: 0.0,
            reward_spread: 0.0,
            pairs_per_second: 1.0,
            tokens_per_second: 1.0,
            seconds_left: 1.0,
        }
    }

    fn started(first_step: u64) -> Event {
        Event::Started {
            train_pairs: 1,
            held_out_pairs: 0,
            steps: 9,
            first_step,
            train_cut: reward_model::Cut::default(),
            held_out_cut: reward_model::Cut::default(),
            alike: [0, 0],
        }
    }

    fn losses(recorder: &Recorder) -> Vec<f64> {
        recorder.history.steps().iter().map(|step| step.loss).collect()
    }

    #[test]
    fn a_run_that_goes_on_keeps_what_led_to_its_checkpoint() {
        let folder = std::env::temp_dir().join(format!("touchstone-history-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let mut first = Recorder::open(&folder).unwrap();
        for event in [started(0), step(1, 0.9), step(2, 0.8), step(3, 0.7)] {
            first.record(&event).unwrap();
        }
        drop(first);
        let torn = fs::read_to_string(folder.join("events.jsonl")).unwrap() + "{\"kind\":\"st";
        fs::write(folder.join("events.jsonl"), torn).unwrap();

        let mut second = Recorder::open(&folder).unwrap();
        assert_eq!(losses(&second), [0.9, 0.8, 0.7]);
        second.record(&started(2)).unwrap();
        second.record(&step(3, 0.75)).unwrap();
        drop(second);
        assert_eq!(losses(&Recorder::open(&folder).unwrap()), [0.9, 0.8, 0.75]);
        fs::remove_dir_all(&folder).unwrap();
    }
}

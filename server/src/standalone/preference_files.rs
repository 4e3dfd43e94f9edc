//! Preference files as pairs that the engine learns from.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use domain::{
    formats::{Fault, Lines, Problem, Row, RowReader},
    import::OnError,
    prompt::conversation_hash,
};
use reward_model::Pair;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    model,
    worker::jobs::import::reader::{ReadError, unpacked},
};

/// Faults that are listed; more are only counted.
const LISTED: usize = 20;

/// A pair and the conversation that it belongs to.
#[derive(Debug, Clone)]
pub struct FilePair {
    pub pair: Pair,
    /// The same for all pairs of one prompt.
    pub prompt_hash: String,
}

/// What some files hold.
#[derive(Debug, Default)]
pub struct Preferences {
    pub pairs: Vec<FilePair>,
    /// Lines that are left out, each with its file, line and field.
    pub notes: Vec<String>,
    broken: usize,
}

/// `margin` as TRL means it: by how much the chosen reward is to lead.
#[derive(Deserialize)]
struct Margin {
    margin: Option<Value>,
}

/// Reads files one after the other. Lines that prefer nothing are left out; broken ones are refused together, or left out
/// too, as chosen.
pub fn read(paths: &[PathBuf], on_error: OnError) -> anyhow::Result<Preferences> {
    let mut preferences = Preferences::default();
    for path in paths {
        preferences
            .add(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    if preferences.broken > 0 && on_error == OnError::Stop {
        bail!(
            "{}\n{} broken: mend what is named, or leave it out with --on-error skip",
            listed(&preferences.notes),
            match preferences.broken {
                1 => "1 line is".to_owned(),
                more => format!("{more} lines are"),
            }
        );
    }
    Ok(preferences)
}

/// Notes as lines, the first of them if there are many.
pub fn listed(notes: &[String]) -> String {
    let mut text = notes[..notes.len().min(LISTED)].join("\n");
    if notes.len() > LISTED {
        text.push_str(&format!("\n… and {} more lines like these", notes.len() - LISTED));
    }
    text
}

impl Preferences {
    fn add(&mut self, path: &Path) -> Result<(), ReadError> {
        let explain = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ReadError::Truncated,
            _ => ReadError::Io(error),
        };
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(ReadError::Io)?);
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, unpacked(file)?));
        let mut reader = RowReader::default();
        // Without its folders: a run whose files have moved is still the same run.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        while let Some((number, line)) = lines.next_line().map_err(explain)? {
            let read = line.map_err(|problem| problem.on(number)).and_then(|line| {
                let row = reader.read(number, line)?;
                Ok((row, margin(number, line)?))
            });
            match read {
                Ok((row, margin)) => self.add_row(row, margin, &format!("{name}:{number}")),
                Err(fault) => {
                    self.broken += usize::from(fault.broken);
                    self.notes.push(fault.located(&path.display().to_string()));
                }
            }
        }
        Ok(())
    }

    /// Each response of a better group over each of a worse one.
    fn add_row(&mut self, row: Row, margin: f32, id: &str) {
        let prompt = model::messages(&row.prompt);
        let prompt_hash = conversation_hash(&row.prompt);
        for opinion in row.comparisons.iter().filter_map(|one| one.opinion.as_ref()) {
            for (place, better) in opinion.ranking.iter().enumerate() {
                let worse = opinion.ranking[place + 1..].iter().flatten();
                for (&chosen, &rejected) in worse.flat_map(|worse| better.iter().map(move |one| (one, worse)))
                {
                    self.pairs.push(FilePair {
                        pair: Pair {
                            id: id.to_owned(),
                            prompt: prompt.clone(),
                            chosen: row.responses[chosen].content.clone(),
                            rejected: row.responses[rejected].content.clone(),
                            margin,
                            weight: 1.0,
                            belief: 1.0,
                            tied: false,
                            lower: Vec::new(),
                        },
                        prompt_hash: prompt_hash.clone(),
                    });
                }
            }
        }
    }
}

/// A line's margin; 0 where it has none.
fn margin(number: u64, line: &[u8]) -> Result<f32, Fault> {
    let bad = |found: String| Problem::BadMargin(found).at(number, Some("margin".to_owned()));
    let read: Margin = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
    match read.margin {
        None | Some(Value::Null) => Ok(0.0),
        Some(value) => match value.as_f64().map(|margin| margin as f32) {
            Some(margin) if margin >= 0.0 && margin.is_finite() => Ok(margin),
            _ => Err(bad(value.to_string().chars().take(40).collect())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, on_error: OnError) -> anyhow::Result<Preferences> {
        let path = std::env::temp_dir().join(format!("touchstone-{}.jsonl", uuid::Uuid::new_v4()));
        std::fs::write(&path, text)?;
        let read = read(std::slice::from_ref(&path), on_error);
        std::fs::remove_file(&path)?;
        read
    }

    #[test]
    fn margins_are_taken_as_they_stand_and_missing_ones_are_none() {
        let text = "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"margin\":2.5}\n\
                    {\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"strength\":3}\n";
        let pairs = read_text(text, OnError::Stop).unwrap().pairs;
        let margins: Vec<f32> = pairs.iter().map(|one| one.pair.margin).collect();
        assert_eq!(margins, [2.5, 0.0]);
        assert_eq!(pairs[0].prompt_hash, pairs[1].prompt_hash);
    }

    #[test]
    fn broken_lines_stop_or_are_left_out_and_equal_answers_are_always_left_out() {
        let text = "{\"prompt\":\"a\",\"chosen\":\"b\"}\n\
                    {\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n\
                    {\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"b\"}\n\
                    {\"prompt\":\"a\",\"chosen\":\"b\"}\n";
        let error = read_text(text, OnError::Stop).unwrap_err().to_string();
        assert!(error.contains(".jsonl:4: rejected: is missing"), "{error}");
        let read = read_text(text, OnError::Skip).unwrap();
        assert_eq!((read.pairs.len(), read.notes.len()), (1, 3));
    }
}

//! Preference files as pairs that the engine learns from.

use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use domain::{
    formats::{Fault, FileNotes, Row, RowReader},
    import::OnError,
    judgement::preferences,
    prompt::near_hash,
};
use reward_model::Pair;

use crate::{
    model,
    reading::{ReadError, Records},
};

/// Faults that are listed; more are only counted.
const LISTED: usize = 20;

/// A pair and the conversation that it belongs to.
#[derive(Debug, Clone)]
pub struct FilePair {
    pub pair: Pair,
    /// The same for all pairs of one prompt, and of those that differ from it in white space alone.
    pub prompt_hash: String,
}

/// What some files hold.
#[derive(Debug, Default)]
pub struct Preferences {
    pub pairs: Vec<FilePair>,
    pub left_out: LeftOut,
}

/// Lines that are left out.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Each of the first ones, with its file, line and field.
    notes: Vec<String>,
    /// How many they are.
    pub lines: usize,
    broken: usize,
    /// How the others were read.
    pub told: FileNotes,
}

/// Takes a pair; a break ends the reading without an error.
type Take<'a> = dyn FnMut(FilePair) -> anyhow::Result<ControlFlow<()>> + 'a;

/// Reads files one after the other into memory; as [`each`].
pub fn read(paths: &[PathBuf], on_error: OnError) -> anyhow::Result<Preferences> {
    let mut pairs = Vec::new();
    let left_out = each(paths, on_error, &mut |pair| {
        pairs.push(pair);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Preferences { pairs, left_out })
}

/// Goes through files one after the other and hands over their pairs, which are never all in memory. Lines that prefer
/// nothing are left out; broken ones are refused together, at the end, or left out too, as chosen.
///
/// # Errors
/// A file that cannot be read, the broken lines, and what `take` fails with.
pub fn each(paths: &[PathBuf], on_error: OnError, take: &mut Take) -> anyhow::Result<LeftOut> {
    let mut left_out = LeftOut::default();
    for path in paths {
        if left_out.each_of(path, take)?.is_break() {
            return Ok(left_out);
        }
    }
    if left_out.broken > 0 && on_error == OnError::Stop {
        bail!(
            "{left_out}\n{} broken: mend what is named, or leave it out with --on-error skip",
            match left_out.broken {
                1 => "1 line is".to_owned(),
                more => format!("{more} lines are"),
            }
        );
    }
    Ok(left_out)
}

/// As lines, the first of them if there are many.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.notes.join("\n"))?;
        match self.lines - self.notes.len() {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more lines like these"),
        }
    }
}

impl LeftOut {
    fn each_of(&mut self, path: &Path, take: &mut Take) -> anyhow::Result<ControlFlow<()>> {
        let unread = |error: ReadError| anyhow!("cannot read {}: {error}", path.display());
        let mut records = Records::of_file(path).map_err(unread)?;
        let reader = RowReader::default();
        // Without its folders: a run whose files have moved is still the same run.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        while let Some((number, record)) = records.next_record().map_err(unread)? {
            let read = record
                .map_err(|problem| problem.on(number))
                .and_then(|record| reader.read(number, record)?.into_judged(number));
            match read {
                Ok(row) => {
                    self.told.add(&row);
                    if each_pair(&row, &format!("{name}:{number}"), take)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Err(fault) => self.note(&fault, path),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn note(&mut self, fault: &Fault, path: &Path) {
        self.lines += 1;
        self.broken += usize::from(fault.broken);
        if self.notes.len() < LISTED {
            self.notes.push(fault.located(&path.display().to_string()));
        }
    }
}

/// Each response of a better group over each of a worse one.
fn each_pair(row: &Row, id: &str, take: &mut Take) -> anyhow::Result<ControlFlow<()>> {
    let prompt = model::messages(&row.prompt);
    let prompt_hash = near_hash(&row.prompt);
    for opinion in row.comparisons.iter().filter_map(|one| one.opinion.as_ref()) {
        for (chosen, rejected) in preferences(&opinion.ranking) {
            let response = |place: usize| row.responses[place].content.as_str();
            let pair = Pair {
                margin: opinion.margin.unwrap_or(0.0) as f32,
                ..Pair::new(id, prompt.clone(), response(chosen), response(rejected))
            };
            let prompt_hash = prompt_hash.clone();
            if take(FilePair { pair, prompt_hash })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
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
        assert_eq!((read.pairs.len(), read.left_out.lines), (1, 3));
    }
}

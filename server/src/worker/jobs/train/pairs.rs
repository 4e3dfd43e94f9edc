//! A run's pairs, frozen in its folder when it first starts: what people judge meanwhile changes nothing, and a run
//! that goes on learns from the same.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use domain::run::{
    Run,
    data::{DataCounts, margin_of},
};
use reward_model::{Pair, PairSource, Take, TrainError};
use store::{
    Store,
    pair::{SelectedPair, TextPair},
};

use super::Failure;
use crate::model;

/// Pairs whose texts are read from the store at a time.
const CHUNK: usize = 500;

/// What a run learns from and is held against.
pub struct Frozen {
    pub train: PairFile,
    pub held_out: Vec<Pair>,
    pub counts: DataCounts,
}

/// Pairs in a file, one JSON object a line, read anew each time that they are gone through: they are never all in memory.
#[derive(Debug, PartialEq, Eq)]
pub struct PairFile(PathBuf);

impl PairFile {
    fn lines(&self) -> io::Result<impl Iterator<Item = io::Result<Pair>>> {
        let lines = BufReader::new(File::open(&self.0)?).lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}

impl PairSource for PairFile {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        let broken = |error| TrainError::Source(format!("{}: {error}", self.0.display()));
        for pair in self.lines().map_err(broken)? {
            if let ControlFlow::Break(()) = take(&pair.map_err(broken)?)? {
                break;
            }
        }
        Ok(())
    }
}

/// The run's pairs: as frozen, else as selected now, and frozen.
pub async fn freeze(store: &Store, run: &Run, run_dir: &Path) -> Result<Frozen, Failure> {
    let folder = run_dir.join("pairs");
    let place = folder.clone();
    if let Some(frozen) = tokio::task::spawn_blocking(move || read(&place)).await?? {
        return Ok(frozen);
    }
    let choice = &run.data.choice;
    let selection = store.select_pairs(run.project_id, choice).await?;
    // Written beside, then moved: a folder that is there is whole.
    let part = PathBuf::from(format!("{}.part", folder.display()));
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    for (name, selected) in [(TRAIN, &selection.train), (HELD_OUT, &selection.held_out)] {
        write(store, selected, choice.margins, &part.join(name)).await?;
    }
    let counts = serde_json::to_vec(&selection.counts)?;
    let frozen = tokio::task::spawn_blocking(move || {
        let mut file = File::create(part.join(COUNTS))?;
        file.write_all(&counts)?;
        file.sync_all()?;
        fs::rename(&part, &folder)?;
        read(&folder)
    });
    let missing = || anyhow::anyhow!("the frozen pairs are gone");
    Ok(frozen.await??.ok_or_else(missing)?)
}

const TRAIN: &str = "train.jsonl";
const HELD_OUT: &str = "held_out.jsonl";
const COUNTS: &str = "counts.json";

/// Nothing if nothing is frozen yet.
fn read(folder: &Path) -> io::Result<Option<Frozen>> {
    let counts = match fs::read(folder.join(COUNTS)) {
        Ok(json) => serde_json::from_slice(&json)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Frozen {
        train: PairFile(folder.join(TRAIN)),
        held_out: PairFile(folder.join(HELD_OUT))
            .lines()?
            .collect::<Result<_, _>>()?,
        counts,
    }))
}

/// Writes pairs with their texts, some at a time.
async fn write(store: &Store, selected: &[SelectedPair], margins: bool, path: &Path) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    for chunk in selected.chunks(CHUNK) {
        let texts = store.load_pairs(chunk).await?;
        file = tokio::task::spawn_blocking(move || -> io::Result<_> {
            for text in texts {
                serde_json::to_writer(&mut file, &pair(text, margins))?;
                file.write_all(b"\n")?;
            }
            Ok(file)
        })
        .await??;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(tokio::task::spawn_blocking(move || file.sync_all()).await??)
}

fn pair(text: TextPair, margins: bool) -> Pair {
    Pair {
        id: text.source.to_string(),
        prompt: model::messages(&text.prompt),
        chosen: text.chosen.to_string(),
        rejected: text.rejected.to_string(),
        margin: match (margins, text.margin) {
            (false, _) => 0.0,
            (true, Some(margin)) => margin as f32,
            (true, None) => margin_of(text.strength),
        },
        weight: 1.0,
        belief: 1.0,
        tied: text.tied,
        lower: text.lower.iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn frozen(folder: &Path, lines: &str) -> Frozen {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(TRAIN), lines).unwrap();
        fs::write(folder.join(HELD_OUT), "").unwrap();
        let counts = serde_json::to_vec(&DataCounts::default()).unwrap();
        fs::write(folder.join(COUNTS), counts).unwrap();
        read(folder).unwrap().unwrap()
    }

    #[test]
    fn what_is_frozen_comes_back_each_time() {
        let folder = std::env::temp_dir().join(format!("touchstone-pairs-{}", uuid::Uuid::new_v4()));
        assert!(read(&folder).unwrap().is_none());
        let text = TextPair {
            source: uuid::Uuid::nil(),
            prompt: Arc::default(),
            chosen: "a\u{2028}\nb".into(),
            rejected: "c".into(),
            lower: vec!["d".into()],
            strength: Some(2),
            margin: None,
            tied: false,
        };
        let said = TextPair {
            margin: Some(0.25),
            ..text.clone()
        };
        assert_eq!(
            pair(said.clone(), true).margin,
            0.25,
            "a dataset's own goes first"
        );
        assert_eq!(pair(said, false).margin, 0.0);
        let pair = pair(text, true);
        assert_eq!((pair.margin, pair.lower.len()), (0.5, 1));
        let line = serde_json::to_string(&pair).unwrap();
        let frozen = frozen(&folder, &format!("{line}\n{line}\n"));
        for _ in 0..2 {
            let mut back = Vec::new();
            let mut take = |pair: &Pair| {
                back.push(pair.clone());
                Ok(ControlFlow::Continue(()))
            };
            frozen.train.each(&mut take).unwrap();
            assert_eq!(back, [pair.clone(), pair.clone()]);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = std::env::temp_dir().join(format!("touchstone-pairs-{}", uuid::Uuid::new_v4()));
        let frozen = frozen(&folder, "{\n");
        let failed = frozen.train.each(&mut |_| Ok(ControlFlow::Continue(())));
        assert!(failed.unwrap_err().to_string().contains("train.jsonl"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

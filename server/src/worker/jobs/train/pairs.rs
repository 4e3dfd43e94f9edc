//! A run's pairs, frozen in its folder when it first starts: what people judge meanwhile changes nothing, and a run
//! that goes on learns from the same.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use domain::run::{
    Run,
    data::{DataCounts, HeldOut, margin_of},
};
use reward_model::Pair;
use store::{Store, pair::TextPair};

use super::Failure;
use crate::model;

/// What a run learns from and is held against.
pub struct Frozen {
    pub train: Vec<Pair>,
    pub held_out: Vec<Pair>,
    pub counts: DataCounts,
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
    let held_out_project = match choice.held_out {
        HeldOut::Project { id } => id,
        HeldOut::Share { .. } => run.project_id,
    };
    let train = store.load_pairs(run.project_id, &selection.train).await?;
    let held_out = store.load_pairs(held_out_project, &selection.held_out).await?;
    let frozen = Frozen {
        train: pairs(train, choice.margins),
        held_out: pairs(held_out, choice.margins),
        counts: selection.counts,
    };
    Ok(tokio::task::spawn_blocking(move || write(&folder, &frozen).map(|()| frozen)).await??)
}

fn pairs(texts: Vec<TextPair>, margins: bool) -> Vec<Pair> {
    texts
        .into_iter()
        .map(|text| Pair {
            id: text.source.to_string(),
            prompt: model::messages(&text.prompt),
            chosen: text.chosen.to_string(),
            rejected: text.rejected.to_string(),
            margin: if margins { margin_of(text.strength) } else { 0.0 },
            weight: 1.0,
            belief: 1.0,
            tied: text.tied,
            lower: text.lower.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

/// Nothing if nothing is frozen yet.
fn read(folder: &Path) -> io::Result<Option<Frozen>> {
    let counts = match fs::read(folder.join("counts.json")) {
        Ok(json) => serde_json::from_slice(&json)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let part = |name: &str| -> io::Result<Vec<Pair>> {
        let file = BufReader::new(File::open(folder.join(name))?);
        file.lines()
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect()
    };
    Ok(Some(Frozen {
        train: part("train.jsonl")?,
        held_out: part("held_out.jsonl")?,
        counts,
    }))
}

/// Written beside, then moved: a folder that is there is whole.
fn write(folder: &Path, frozen: &Frozen) -> io::Result<()> {
    let part = PathBuf::from(format!("{}.part", folder.display()));
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    let lines = |name: &str, pairs: &[Pair]| -> io::Result<()> {
        let mut file = BufWriter::new(File::create(part.join(name))?);
        for pair in pairs {
            serde_json::to_writer(&mut file, pair)?;
            file.write_all(b"\n")?;
        }
        file.into_inner()?.sync_all()
    };
    lines("train.jsonl", &frozen.train)?;
    lines("held_out.jsonl", &frozen.held_out)?;
    let counts = File::create(part.join("counts.json"))?;
    serde_json::to_writer(&counts, &frozen.counts)?;
    counts.sync_all()?;
    fs::rename(&part, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_comes_back() {
        let folder = std::env::temp_dir().join(format!("touchstone-pairs-{}", uuid::Uuid::new_v4()));
        assert!(read(&folder).unwrap().is_none());
        let pair = Pair {
            id: "1".into(),
            prompt: Vec::new(),
            chosen: "a\u{2028}\nb".into(),
            rejected: "c".into(),
            margin: 0.5,
            weight: 1.0,
            belief: 1.0,
            tied: false,
            lower: Vec::new(),
        };
        let frozen = Frozen {
            train: vec![pair.clone()],
            held_out: Vec::new(),
            counts: DataCounts {
                train: 1,
                ..DataCounts::default()
            },
        };
        write(&folder, &frozen).unwrap();
        let back = read(&folder).unwrap().unwrap();
        assert_eq!(
            (back.train, back.held_out.len(), back.counts),
            (vec![pair], 0, frozen.counts)
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}

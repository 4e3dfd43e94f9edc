//! Models by their names on the Hugging Face hub: out of the cache that Python's libraries keep too, else fetched into it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use domain::run::{Device, Precision};
use hf_hub::{Cache, api::sync::ApiBuilder};
use reward_model::Scorer;
use serde_json::Value;

use crate::{
    base_model::reachable,
    model::{engine_device, engine_precision},
};

/// What every model has, and what some have besides its weights.
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
const USEFUL: [&str; 7] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
];
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The folder of a model that is named by its folder or by its name on the hub, such as `answerdotai/ModernBERT-base`. Blocks,
/// for as long as fetching takes. `HF_HOME`, `HF_ENDPOINT` and a saved token count as they do for Python's libraries.
///
/// # Errors
/// When there is no such folder and the name is none of the hub's, or when the hub cannot be reached or lacks a file.
pub fn find_or_fetch(model: &Path) -> anyhow::Result<PathBuf> {
    if model.exists() {
        return Ok(model.to_owned());
    }
    let Some(name) = model.to_str().filter(|name| is_hub_name(name)) else {
        bail!("there is no folder {}", model.display());
    };
    let cache = Cache::from_env();
    if let Some(folder) = cached(&cache, name) {
        return Ok(folder);
    }
    let endpoint = std::env::var("HF_ENDPOINT").ok();
    if endpoint.is_none() {
        reachable("huggingface.co").map_err(|error| {
            anyhow!("there is no folder {name}, and the Hugging Face hub cannot be asked for it: {error}")
        })?;
    }
    fetch(cache, endpoint, name).with_context(|| format!("cannot fetch {name} from the Hugging Face hub"))
}

/// A model to score with on a device, by its folder or its name on the hub.
///
/// # Errors
/// As [`find_or_fetch`], and what of the model is missing or broken.
pub fn load_scorer(model: &Path, precision: Precision, device: Device) -> anyhow::Result<Scorer> {
    let (precision, device) = (engine_precision(precision), engine_device(device));
    let load = |folder: PathBuf| Ok(Scorer::load_on(&folder, precision, device)?);
    let loaded = find_or_fetch(model).and_then(load);
    loaded.map_err(|error| anyhow!("cannot load the model in {}: {error:#}", model.display()))
}

/// `organisation/model`, of the characters that the hub allows.
fn is_hub_name(name: &str) -> bool {
    let sound = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
    };
    matches!(name.split('/').collect::<Vec<_>>().as_slice(), [a, b] if sound(a) && sound(b))
}

/// The snapshot in the cache, if all that is needed is in it.
fn cached(cache: &Cache, name: &str) -> Option<PathBuf> {
    let repository = cache.model(name.to_owned());
    let folder = repository.get(NEEDED[0])?.parent()?.to_owned();
    repository.get(NEEDED[1])?;
    let weights = match repository.get(WEIGHTS) {
        Some(_) => return Some(folder),
        None => shards(&repository.get(INDEX)?).ok()?,
    };
    let is_there = |shard: &String| repository.get(shard).is_some();
    weights.iter().all(is_there).then_some(folder)
}

fn fetch(cache: Cache, endpoint: Option<String>, name: &str) -> anyhow::Result<PathBuf> {
    let mut builder = ApiBuilder::from_cache(cache);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let repository = builder.build()?.model(name.to_owned());
    let mut folder = PathBuf::new();
    for file in NEEDED {
        let path = repository
            .get(file)
            .with_context(|| format!("it has no {file}"))?;
        folder = path.parent().map(Path::to_owned).unwrap_or_default();
    }
    for file in USEFUL {
        // Most models lack most of these.
        drop(repository.get(file));
    }
    if folder.join("2_Dense/config.json").exists() {
        drop(repository.get("2_Dense/model.safetensors"));
    }
    if repository.get(WEIGHTS).is_err() {
        let index = repository
            .get(INDEX)
            .with_context(|| format!("it has neither {WEIGHTS} nor {INDEX}"))?;
        for shard in shards(&index)? {
            repository.get(&shard)?;
        }
    }
    Ok(folder)
}

/// The files that an index of shards lists.
fn shards(index: &Path) -> anyhow::Result<Vec<String>> {
    let json: Value = serde_json::from_str(&std::fs::read_to_string(index)?)?;
    let map = json["weight_map"]
        .as_object()
        .context("the index lists no weights")?;
    let mut files: Vec<String> = map
        .values()
        .filter_map(|file| file.as_str().map(str::to_owned))
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader, Write},
        net::TcpListener,
    };

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hub-{name}-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_names_of_the_hub_are_looked_for_there() {
        assert!(is_hub_name("answerdotai/ModernBERT-base"));
        for name in ["bert", "a/b/c", "../up", "a/..", "a/b c", "/a"] {
            assert!(!is_hub_name(name), "{name}");
            let error = find_or_fetch(Path::new(name)).unwrap_err();
            if !Path::new(name).exists() {
                assert!(error.to_string().contains("no folder"), "{error}");
            }
        }
    }

    /// A hub of one model, whose weights are in two shards.
    fn serve(listener: TcpListener) {
        let files = [
            ("config.json", "{}"),
            ("tokenizer.json", "{}"),
            (
                INDEX,
                r#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#,
            ),
            ("m-1.safetensors", "one"),
            ("m-2.safetensors", "two"),
        ];
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut request).unwrap() > 2 {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let found = files
                .iter()
                .find(|(name, _)| path == format!("/one/model/resolve/main/{name}"));
            let answer = match found {
                None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
                Some((name, content)) => {
                    let size = content.len();
                    let whole = !request.to_lowercase().contains("range: bytes=0-0");
                    let part = if whole { content } else { &content[..1] };
                    format!(
                        "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes 0-{}/{size}\r\n\
                         etag: \"{name}\"\r\nx-repo-commit: abc\r\nconnection: close\r\n\r\n{part}",
                        part.len(),
                        part.len() - 1
                    )
                }
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_model_is_fetched_once_and_then_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || serve(listener));
        let cache = || Cache::new(scratch_of_test());
        let folder = fetch(cache(), Some(endpoint.clone()), "one/model").unwrap();
        assert_eq!(fs::read_to_string(folder.join("m-2.safetensors")).unwrap(), "two");
        assert_eq!(cached(&cache(), "one/model"), Some(folder));
        let error = fetch(cache(), Some(endpoint), "no/model").unwrap_err();
        assert!(error.to_string().contains("no config.json"), "{error}");
    }

    fn scratch_of_test() -> PathBuf {
        static PLACE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
        PLACE.get_or_init(|| scratch("cache")).clone()
    }
}

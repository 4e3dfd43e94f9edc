//! Models by their names on the Hugging Face hub: out of the cache that Python's libraries keep too, else fetched into it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use hf_hub::{Cache, api::sync::ApiBuilder};
use recipe::{Device, Precision};
use reward_model::Scorer;
use serde_json::Value;

use crate::base_model::reachable;

/// What every backbone has, and what some have besides its weights.
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
const USEFUL: [&str; 4] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "sentence_bert_config.json",
];
const MODULES: &str = "modules.json";
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
    find_or_fetch_named(name)
}

/// The folder of a model of the hub: never a folder of the same name here, so that who may name a model names no path.
///
/// # Errors
/// When the hub cannot be reached or lacks a file.
pub(crate) fn find_or_fetch_named(name: &str) -> anyhow::Result<PathBuf> {
    let cache = Cache::from_env();
    if let Some(folder) = cached(&cache, name) {
        return Ok(folder);
    }
    if is_offline(std::env::var("HF_HUB_OFFLINE").ok().as_deref()) {
        bail!(
            "there is no folder {name}, the cache of the Hugging Face hub does not hold all of it, and HF_HUB_OFFLINE forbids to fetch it"
        );
    }
    let endpoint = std::env::var("HF_ENDPOINT").ok();
    if endpoint.is_none() {
        reachable("huggingface.co").map_err(|error| {
            anyhow!("there is no folder {name}, and the Hugging Face hub cannot be asked for it: {error}")
        })?;
    }
    fetch(cache, endpoint, name).with_context(|| format!("cannot fetch {name} from the Hugging Face hub"))
}

/// The folder of a model of the hub, if the cache holds all of it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    cached(&Cache::from_env(), name)
}

/// A model to score with on a device, by its folder or its name on the hub.
///
/// # Errors
/// As [`find_or_fetch`], and what of the model is missing or broken.
pub fn load_scorer(model: &Path, precision: Precision, device: Device) -> anyhow::Result<Scorer> {
    let load = |folder: PathBuf| Ok(Scorer::load_on(&folder, precision, device)?);
    let loaded = find_or_fetch(model).and_then(load);
    loaded.map_err(|error| anyhow!("cannot load the model in {}: {error:#}", model.display()))
}

/// `organisation/model`, of the characters that the hub allows.
pub(crate) fn is_hub_name(name: &str) -> bool {
    let sound = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
    };
    matches!(name.split('/').collect::<Vec<_>>().as_slice(), [a, b] if sound(a) && sound(b))
}

/// Whether the variable `HF_HUB_OFFLINE` has one of the values that Python's libraries take for yes.
pub(crate) fn is_offline(variable: Option<&str>) -> bool {
    variable.is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()))
}

/// The snapshot in the cache, if all that is needed is in it.
fn cached(cache: &Cache, name: &str) -> Option<PathBuf> {
    let repository = cache.model(name.to_owned());
    gather(&|file| repository.get(file).context("not in the cache")).ok()
}

fn fetch(cache: Cache, endpoint: Option<String>, name: &str) -> anyhow::Result<PathBuf> {
    let mut builder = ApiBuilder::from_cache(cache);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let repository = builder.build()?.model(name.to_owned());
    gather(&|file| Ok(repository.get(file)?))
}

/// Gets a file of a model by its name.
type Get<'a> = dyn Fn(&str) -> anyhow::Result<PathBuf> + 'a;

/// Gets all files of a model, and gives its folder.
fn gather(get: &Get) -> anyhow::Result<PathBuf> {
    let needed = |file: &str| get(file).with_context(|| format!("it has no {file}"));
    let folder = needed(NEEDED[0])?
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    let modules = match get(MODULES) {
        Ok(list) => modules(&list)?,
        // Most models are no sentence encoders.
        Err(_) => Vec::new(),
    };
    let backbone = modules.first().map_or("", |module| &module.folder);
    let in_backbone = |file: &str| format!("{backbone}{file}");
    for file in NEEDED {
        needed(&in_backbone(file))?;
    }
    for file in USEFUL {
        // Most models lack most of these.
        drop(get(&in_backbone(file)));
    }
    for module in modules.iter().skip(1) {
        let (config, weights) = (
            format!("{}config.json", module.folder),
            format!("{}{WEIGHTS}", module.folder),
        );
        if module.is_dense {
            needed(&config)?;
            needed(&weights)?;
        } else {
            drop(get(&config));
        }
    }
    if get(&in_backbone(WEIGHTS)).is_err() {
        let index = get(&in_backbone(INDEX)).with_context(|| {
            format!("it has neither {WEIGHTS} nor {INDEX}, the only weights that are read")
        })?;
        for shard in shards(&index)? {
            get(&in_backbone(&shard))?;
        }
    }
    Ok(folder)
}

/// A part of a sentence encoder.
struct Module {
    /// Empty, or a folder's name and a slash.
    folder: String,
    is_dense: bool,
}

/// The parts that a list of modules names, the backbone first.
fn modules(list: &Path) -> anyhow::Result<Vec<Module>> {
    let json: Value = serde_json::from_str(&std::fs::read_to_string(list)?)?;
    let module = |module: &Value| {
        let folder = module["path"].as_str().unwrap_or_default();
        Ok(Module {
            folder: match folder {
                "" => String::new(),
                name => format!("{}/", plain(name, MODULES)?),
            },
            is_dense: module["type"].as_str().unwrap_or_default().ends_with("Dense"),
        })
    };
    json.as_array().into_iter().flatten().map(module).collect()
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
    files.iter().try_for_each(|file| plain(file, INDEX).map(drop))?;
    Ok(files)
}

/// A name that a model's author wrote, and that becomes a path in the cache: one with folders in it could lead out of there.
fn plain<'n>(name: &'n str, from: &str) -> anyhow::Result<&'n str> {
    let is_plain = !name.contains(['/', '\\', '\0']) && Path::new(name).file_name() == Some(name.as_ref());
    match is_plain {
        true => Ok(name),
        false => {
            bail!("{from} names {name:?}, which is no file or folder of the model's own: it is not fetched")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader, Write},
        net::TcpListener,
    };

    use serde_json::json;

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

    /// What is asked for, and whether there is such a thing.
    fn gathered(files: &[(&str, &str)]) -> (anyhow::Result<PathBuf>, Vec<String>) {
        let (place, asked) = (scratch("gather"), std::cell::RefCell::new(Vec::new()));
        let get = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            let (_, content) = files
                .iter()
                .find(|(file, _)| *file == name)
                .context("no such file")?;
            let path = place.join(name.replace('/', "-"));
            fs::write(&path, content)?;
            Ok(path)
        };
        let gathered = gather(&get);
        fs::remove_dir_all(&place).unwrap();
        (gathered, asked.into_inner())
    }

    #[test]
    fn names_that_lead_out_of_the_model_are_not_asked_for() {
        for bad in [
            "../../../../.ssh/authorized_keys",
            "/etc/passwd",
            "a/b.safetensors",
            "..",
            ".",
            "a\\b",
        ] {
            let index = json!({"weight_map": {"a": "m-1.safetensors", "b": bad}}).to_string();
            let plain = [
                ("config.json", "{}"),
                ("tokenizer.json", "{}"),
                ("m-1.safetensors", ""),
            ];
            let (refused, asked) = gathered(&[&plain[..], &[(INDEX, &index)]].concat());
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(INDEX) && error.contains("not fetched"), "{error}");
            assert!(!asked.iter().any(|name| name == bad), "{asked:?}");

            let list =
                json!([{"path": "", "type": "Transformer"}, {"path": bad, "type": "a.Dense"}]).to_string();
            let (refused, asked) = gathered(&[&plain[..], &[(MODULES, &list)]].concat());
            assert!(refused.unwrap_err().to_string().contains(MODULES), "{bad}");
            assert!(
                !asked.iter().any(|name| name.starts_with(bad) && bad != "."),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn a_backbone_in_a_folder_of_its_own_and_every_layer_on_top_are_fetched() {
        let list = json!([
            {"path": "0_Transformer", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"},
            {"path": "2_Dense", "type": "x.Dense"}, {"path": "3_Dense", "type": "x.Dense"},
        ])
        .to_string();
        let mut files = vec![
            ("config.json", "{}"),
            (MODULES, &list),
            ("0_Transformer/config.json", "{}"),
            ("0_Transformer/tokenizer.json", "{}"),
            ("0_Transformer/model.safetensors", ""),
            ("1_Pooling/config.json", "{}"),
            ("2_Dense/config.json", "{}"),
            ("2_Dense/model.safetensors", ""),
            ("3_Dense/config.json", "{}"),
            ("3_Dense/model.safetensors", ""),
        ];
        let (found, asked) = gathered(&files);
        found.unwrap();
        for (file, _) in &files {
            assert!(asked.iter().any(|name| name == file), "{file}");
        }
        files.pop();
        let error = gathered(&files).0.unwrap_err().to_string();
        assert!(error.contains("3_Dense/model.safetensors"), "{error}");
    }

    #[test]
    fn offline_is_what_pythons_libraries_take_for_it() {
        for yes in ["1", "true", "Yes", "ON"] {
            assert!(is_offline(Some(yes)), "{yes}");
        }
        for no in [None, Some(""), Some("0"), Some("false")] {
            assert!(!is_offline(no), "{no:?}");
        }
    }

    fn scratch_of_test() -> PathBuf {
        static PLACE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
        PLACE.get_or_init(|| scratch("cache")).clone()
    }
}

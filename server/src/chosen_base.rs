//! The base model of a project's run: this installation's own, or the one that was chosen for the run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use app::scoring::Base;
use reward_model::{backbone_folder, longest_text};
use uuid::Uuid;

use crate::{
    base_model::{self, BaseModel},
    data_folder, hub,
};

/// What a run names.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    /// Nothing: the installation's own.
    Own,
    /// The model that a run has trained.
    Trained(Uuid),
    /// A folder among the data folder's models.
    Kept(String),
    /// A name on the Hugging Face hub.
    Hub(String),
}

impl Chosen {
    fn read(name: &str) -> Option<Chosen> {
        if name.is_empty() {
            return Some(Chosen::Own);
        }
        if let Ok(run) = name.parse() {
            return Some(Chosen::Trained(run));
        }
        if hub::is_hub_name(name) {
            return Some(Chosen::Hub(name.to_owned()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let plain = !name.starts_with('.') && name.chars().all(is_plain);
        plain.then(|| Chosen::Kept(name.to_owned()))
    }

    /// Where it is on this machine, if it can be told without asking the hub.
    fn folder(&self, data_dir: &Path, own: &BaseModel) -> Option<PathBuf> {
        let folder = match self {
            Chosen::Own => own.folder()?.to_owned(),
            Chosen::Trained(run) => data_folder::model(data_dir, *run),
            Chosen::Kept(name) => data_folder::models(data_dir).join(name),
            Chosen::Hub(name) => hub::find(name)?,
        };
        backbone_folder(&folder)
            .ok()?
            .join("config.json")
            .is_file()
            .then_some(folder)
    }
}

/// Why a name is no base model that there is, as far as can be told without asking the hub; nothing if it is.
pub fn refusal(name: &str, data_dir: &Path, own: &BaseModel) -> Option<String> {
    match Chosen::read(name) {
        None => Some(
            "it is neither a model trained here, nor a folder among this installation's models, nor a name on the Hugging Face hub \
             (organisation/model)"
                .to_owned(),
        ),
        Some(Chosen::Own | Chosen::Hub(_)) => None,
        Some(chosen) if chosen.folder(data_dir, own).is_some() => None,
        Some(Chosen::Trained(run)) => Some(format!("run {run} has left no model on this machine")),
        Some(Chosen::Kept(name)) => Some(format!("there is no {name} among this installation's models")),
    }
}

/// The most tokens that a base model reads, where it is on this machine.
pub fn longest(name: &str, data_dir: &Path, own: &BaseModel) -> Option<usize> {
    let folder = Chosen::read(name)?.folder(data_dir, own)?;
    longest_text(&folder).ok()
}

/// The folder of the base model that a run names, fetched if it is missing. Blocks, for minutes at worst.
///
/// # Errors
/// Why it cannot be had, as a sentence for the page.
pub fn find_or_fetch(name: &str, data_dir: &Path, own: &BaseModel) -> Result<PathBuf, String> {
    let unknown = || {
        format!(
            "The base model {name} cannot be used: {}.",
            refusal(name, data_dir, own).unwrap_or_default()
        )
    };
    match Chosen::read(name) {
        Some(Chosen::Own) => own.fetch().map_err(|error| error.to_string()),
        Some(Chosen::Hub(name)) => hub::find_or_fetch_named(&name).map_err(|error| format!("{error:#}.")),
        Some(chosen) => chosen.folder(data_dir, own).ok_or_else(unknown),
        None => Err(unknown()),
    }
}

/// What is on this machine: the installation's own, and the folders among its models.
pub fn offered(data_dir: &Path, own: &BaseModel) -> Vec<Base> {
    let reads_english_alone = base_model::NAME.ends_with(&own.name());
    let mut said = match own.folder() {
        Some(folder) => described(folder),
        None => vec!["fetched when the first run needs it".to_owned()],
    };
    if reads_english_alone {
        said.push("English".to_owned());
    }
    let own = Base {
        name: String::new(),
        what: format!("{}: {}", own.name(), said.join(", ")),
        reads_english_alone,
    };
    let kept = fs::read_dir(data_folder::models(data_dir))
        .into_iter()
        .flatten()
        .flatten();
    let mut kept: Vec<Base> = kept
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let folder = Chosen::read(&name)
                .filter(|chosen| matches!(chosen, Chosen::Kept(_)))?
                .folder(data_dir, &BaseModel::new(data_dir, None))?;
            Some(Base {
                what: described(&folder).join(", "),
                name,
                reads_english_alone: false,
            })
        })
        .collect();
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    std::iter::once(own).chain(kept).collect()
}

/// Size, longest text and languages, as far as the folder says.
fn described(folder: &Path) -> Vec<String> {
    let backbone = backbone_folder(folder).unwrap_or_else(|_| folder.to_owned());
    let files = fs::read_dir(&backbone).into_iter().flatten().flatten();
    let bytes: u64 = files
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|ending| ending == "safetensors")
        })
        .filter_map(|file| fs::metadata(file.path()).ok())
        .map(|about| about.len())
        .sum();
    let mut said = vec![format!("{} MB", bytes.div_ceil(1_000_000))];
    said.extend(
        longest_text(folder)
            .ok()
            .map(|tokens| format!("reads {tokens} tokens")),
    );
    let card = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let languages = languages(&card);
    if !languages.is_empty() {
        said.push(format!("languages {}", languages.join(" ")));
    }
    said
}

/// What a model card's YAML lists under `language`.
fn languages(card: &str) -> Vec<&str> {
    let Some(yaml) = card.strip_prefix("---") else {
        return Vec::new();
    };
    let mut lines = yaml.lines().skip(1).take_while(|line| line.trim() != "---");
    let Some(first) = lines.find_map(|line| line.strip_prefix("language:")) else {
        return Vec::new();
    };
    let of_list = lines.map_while(|line| line.trim_start().strip_prefix("- "));
    let inline = first.trim().trim_matches(['[', ']']).split(',');
    let all = inline
        .chain(of_list)
        .map(|language| language.trim().trim_matches(['"', '\'']));
    all.filter(|language| !language.is_empty()).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_kind_of_model_and_leads_nowhere_else() {
        let run = Uuid::from_u128(7);
        for (name, chosen) in [
            ("", Some(Chosen::Own)),
            (
                "intfloat/multilingual-e5-small",
                Some(Chosen::Hub("intfloat/multilingual-e5-small".into())),
            ),
            ("my-model", Some(Chosen::Kept("my-model".into()))),
            (&run.to_string(), Some(Chosen::Trained(run))),
            ("..", None),
            ("../../etc", None),
            ("/etc", None),
            ("a/b/c", None),
            (".hidden", None),
        ] {
            assert_eq!(Chosen::read(name), chosen, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_without_a_path() {
        let nowhere = Path::new("/nowhere");
        let own = BaseModel::new(nowhere, None);
        let said = |name: &str| refusal(name, nowhere, &own);
        assert_eq!(said("some/model"), None, "the hub is asked when the run begins");
        for (name, reason) in [
            ("mine", "there is no mine among this installation's models"),
            ("../mine", "it is neither a model trained here"),
            (
                &Uuid::from_u128(7).to_string(),
                "has left no model on this machine",
            ),
        ] {
            let told = said(name).unwrap();
            assert!(told.contains(reason) && !told.contains("/nowhere"), "{told}");
        }
        // A folder of the working directory is none of these, although it is there and named like a model of the hub.
        assert!(Path::new("src/auth").is_dir() && hub::find("src/auth").is_none());
    }

    #[test]
    fn languages_are_those_of_the_card() {
        assert_eq!(languages("---\nlanguage: en\n---\n"), ["en"]);
        assert_eq!(
            languages("---\nlicense: mit\nlanguage:\n- ar\n- \"de\"\ntags:\n- x\n---\n"),
            ["ar", "de"]
        );
        assert_eq!(languages("---\nlanguage: [ar, de]\n---\n"), ["ar", "de"]);
        assert_eq!(languages("# A model\nlanguage: none\n"), ["none"; 0]);
    }
}

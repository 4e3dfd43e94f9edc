//! A model's card: what `touchstone.json` says, for people, with the head that the Hugging Face hub reads.

use std::fmt::Write;
use std::path::{Component, Path};

use serde_json::{Map, Value};

use super::{About, Kind};
use crate::evaluate::{Metrics, Share};
use recipe::{Method, Pooling, Recipe};

/// `README.md`.
pub(super) fn card(about: &About, kind: Kind) -> String {
    let base = Base::of(&about.config.base_model);
    let parts = [
        head(&base, kind),
        opening(kind, about.config.method),
        made(about, &base),
        about.metrics.as_ref().map_or_else(String::new, figures),
    ];
    parts.join("\n")
}

/// What a base model is called.
struct Base {
    name: String,
    /// On the hub.
    is_published: bool,
}

impl Base {
    /// By its place in the hub's cache, else by its folder.
    fn of(folder: &Path) -> Self {
        let parts = folder.components().filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        });
        let mut published = parts.filter_map(|part| part.strip_prefix("models--")?.split_once("--"));
        match published.next_back() {
            Some((organisation, model)) => Self {
                name: format!("{organisation}/{model}"),
                is_published: true,
            },
            None => Self {
                name: folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .replace(['`', '\n'], " "),
                is_published: false,
            },
        }
    }
}

fn head(base: &Base, kind: Kind) -> String {
    let library = match kind {
        Kind::Classifier => "transformers",
        Kind::Modules => "sentence-transformers",
    };
    let mut head = format!("---\nlibrary_name: {library}\npipeline_tag: text-classification\n");
    if base.is_published {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(head, "base_model: {}", base.name);
    }
    head + "tags:\n- reward-model\n- preference\n- touchstone\n---\n\n# A reward model\n\nIt gives a response in its conversation a \
            number, the higher the better people are likely to find it. Only differences between responses to one prompt mean \
            something: the difference of two is the log odds that the first is preferred.\n"
}

fn opening(kind: Kind, method: Method) -> String {
    let mut text = String::from(
        "## How to open it\n\n```sh\ntouchstone score --model FOLDER < items.jsonl\n```\n\nIn Python:\n\n```python\n",
    );
    text += match kind {
        Kind::Classifier => {
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n\
             tokenizer = AutoTokenizer.from_pretrained(FOLDER)\n\
             model = AutoModelForSequenceClassification.from_pretrained(FOLDER)\n\
             rewards = model(**tokenizer(texts, padding=True, truncation=True, return_tensors=\"pt\")).logits[:, 0]\n"
        }
        Kind::Modules => {
            "from sentence_transformers import SentenceTransformer\n\n\
             model = SentenceTransformer(FOLDER)\n\
             rewards = model.encode(texts)[:, 0]\n"
        }
    };
    text += "```\n\nA text is the conversation with the response last: as the folder's chat template writes it, or without one\n\
             `Human: …`, a blank line, `Assistant: …`, and so on.\n";
    if kind == Kind::Modules {
        text += "\nThe reward is read from the mean over the tokens, for which transformers has no classifier: `AutoModelForSequenceClassification`\n\
                 and `CrossEncoder` refuse this folder.\n";
    }
    if method == Method::Lora {
        text += "\n`adapter/` holds what was learnt beside the base model, for `peft`.\n";
    }
    text
}

fn made(about: &About, base: &Base) -> String {
    let (config, cut) = (&about.config, &about.train_cut);
    let [alike, held_out_alike] = about.alike;
    format!(
        "## How it was made\n\n\
         - Base model: `{}`\n\
         - Data: {} pairs to learn from, {} held out; {alike} and {held_out_alike} more were left out, which are one text to the model. \
         SHA-256 of the pairs: `{}`\n\
         - Texts longer than {} tokens lost a part: {} of {}\n\
         - Recipe: `{}`, reward from {}, {} steps, {:.0} s; what differs from the method's defaults: {}\n\
         - Made by Touchstone {}; all settings are in `touchstone.json`\n",
        base.name,
        about.train_pairs,
        about.held_out_pairs,
        about.data_hash,
        config.max_tokens,
        cut.cut_texts,
        cut.texts,
        word(&config.method),
        match config.pooling {
            Pooling::Mean => "the mean over the tokens",
            Pooling::Family | Pooling::Auto => "what the family has in transformers",
        },
        about.step,
        about.seconds,
        differing(config),
        about.code_version,
    )
}

/// Settings that are not the method's, as JSON.
fn differing(config: &Recipe) -> String {
    let table = |config: &Recipe| match serde_json::to_value(config) {
        Ok(Value::Object(table)) => table,
        _ => Map::new(),
    };
    let defaults = table(&Recipe::of(config.method));
    let mut own = table(config);
    own.retain(|name, value| {
        !["base_model", "pooling"].contains(&name.as_str()) && defaults.get(name) != Some(value)
    });
    match own.is_empty() {
        true => "nothing".to_owned(),
        false => format!("`{}`", Value::Object(own)),
    }
}

fn word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn figures(metrics: &Metrics) -> String {
    let share = |share: &Share| {
        let [value, low, high] = [share.value, share.low, share.high].map(|part| 100.0 * part);
        format!("{value:.1} % ({low:.1} to {high:.1})")
    };
    let mut text = format!(
        "## Figures\n\nOn {} held-out pairs, with 95 % intervals. ECE is over ten bins of σ(|margin|) between 0.5 and 1.\n\n\
         | measure | value |\n| --- | --- |\n",
        metrics.pairs
    );
    let mut rows = vec![
        ("accuracy", share(&metrics.accuracy)),
        (
            "always choosing the longer response",
            share(&metrics.longest_wins),
        ),
        ("log loss", format!("{:.4}", metrics.log_loss)),
        ("AUC", format!("{:.4}", metrics.auc)),
        ("ECE", format!("{:.4}", metrics.ece)),
        ("mean margin", format!("{:.4}", metrics.mean_margin)),
        (
            "correlation of reward and length",
            format!("{:.3}", metrics.length_correlation),
        ),
    ];
    rows.extend(
        metrics
            .spread
            .map(|spread| ("mean spread of the ensemble", format!("{spread:.4}"))),
    );
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_called_as_the_hub_calls_it_and_never_by_its_place() {
        let of = |folder: &str| {
            let base = Base::of(Path::new(folder));
            (base.name, base.is_published)
        };
        let cached = "/home/me/.cache/huggingface/hub/models--answerdotai--ModernBERT-base/snapshots/abc";
        assert_eq!(of(cached), ("answerdotai/ModernBERT-base".to_owned(), true));
        assert_eq!(of("/home/me/minilm"), ("minilm".to_owned(), false));
    }
}

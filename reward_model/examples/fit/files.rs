//! Preference files as they are published.

use std::error::Error;
use std::io::Read;
use std::path::Path;

use reward_model::{Message, Pair};
use serde_json::Value;

/// Pairs of a `.jsonl` or `.jsonl.gz` file in Anthropic's HH or TRL's conversational form.
pub fn read(path: &Path) -> Result<Vec<Pair>, Box<dyn Error>> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)?;
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text)?;
    }
    let rows = text.lines().enumerate();
    rows.map(|(i, line)| {
        pair(i, &serde_json::from_str(line)?).ok_or_else(|| format!("line {}", i + 1).into())
    })
    .collect()
}

fn pair(i: usize, row: &Value) -> Option<Pair> {
    let (prompt, chosen, rejected) = match (&row["chosen"], &row["rejected"]) {
        (Value::String(chosen), Value::String(rejected)) => {
            let (mut chosen, mut rejected) = (transcript(chosen), transcript(rejected));
            let (last, other) = (chosen.pop()?, rejected.pop()?);
            (chosen, last.content, other.content)
        }
        (chosen, rejected) => {
            let last = |messages: &Value| {
                messages.as_array()?.last()?["content"]
                    .as_str()
                    .map(str::to_owned)
            };
            (
                serde_json::from_value(row["prompt"].clone()).ok()?,
                last(chosen)?,
                last(rejected)?,
            )
        }
    };
    Some(Pair {
        id: i.to_string(),
        prompt,
        chosen,
        rejected,
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    })
}

/// Turns of `\n\nHuman: … \n\nAssistant: …`.
fn transcript(text: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for part in format!("\n\n{}", text.trim()).split("\n\n") {
        let turn = [("Human:", "user"), ("Assistant:", "assistant")]
            .into_iter()
            .find_map(|(speaker, role)| Some((part.strip_prefix(speaker)?, role)));
        match (turn, messages.last_mut()) {
            (Some((content, role)), _) => {
                messages.push(Message {
                    role: role.to_owned(),
                    content: content.trim_start().to_owned(),
                });
            }
            (None, Some(last)) => last.content.push_str(&format!("\n\n{part}")),
            (None, None) => {}
        }
    }
    messages
}

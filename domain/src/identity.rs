//! Identifiers derived from content, so that reading the same data twice makes the same rows.
//!
//! Prompts, responses and comparisons, and the judgements of imported annotators, get their identifier from what
//! they say (UUID version 8 over SHA-256). Two imports of one file, two imports at once, or one that was killed and
//! starts again all meet in the same rows, without looking anything up.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::{
    formats::{ResponseText, Row},
    prompt::{conversation_hash, text_hash},
};

/// The identity of a row's prompt within a project: of its words, and of what else its messages came with.
pub fn prompt_hash(row: &Row) -> String {
    with_original(conversation_hash(&row.prompt), row.original.as_deref())
}

/// The identity of a response among those to one prompt, in the same way.
pub fn response_hash(response: &ResponseText) -> String {
    with_original(text_hash(&response.content), response.original.as_deref())
}

fn with_original(hash: String, original: Option<&[Value]>) -> String {
    match original {
        None => hash,
        Some(messages) => text_hash(&format!("{hash} {}", Value::from(messages))),
    }
}

/// The identifier of a prompt: one per project and [`prompt_hash`].
pub fn prompt_id(project: Uuid, conversation_hash: &str) -> Uuid {
    derive("prompt", &[project.as_bytes(), conversation_hash.as_bytes()])
}

/// The identifier of a response: one per prompt and [`response_hash`].
pub fn response_id(prompt: Uuid, text_hash: &str) -> Uuid {
    derive("response", &[prompt.as_bytes(), text_hash.as_bytes()])
}

/// The identity of a comparison within its project: which responses are compared, in any order.
pub fn comparison_hash(responses: &[Uuid]) -> String {
    let mut sorted = responses.to_vec();
    sorted.sort_unstable();
    let text: Vec<String> = sorted.iter().map(Uuid::to_string).collect();
    text_hash(&text.join(" "))
}

/// The identifier of a comparison: one per project and [`comparison_hash`].
pub fn comparison_id(project: Uuid, comparison_hash: &str) -> Uuid {
    derive("comparison", &[project.as_bytes(), comparison_hash.as_bytes()])
}

/// The identifier of the imported annotator of that name.
pub fn annotator_id(name: &str) -> Uuid {
    derive("annotator", &[name.as_bytes()])
}

/// The identifier of what an imported annotator said of a comparison: one per ranking.
pub fn imported_judgement_id(annotator: Uuid, comparison: Uuid, ranking: &[Vec<Uuid>]) -> Uuid {
    let groups: Vec<String> = ranking
        .iter()
        .map(|group| {
            let mut group: Vec<String> = group.iter().map(Uuid::to_string).collect();
            group.sort_unstable();
            group.join("=")
        })
        .collect();
    derive(
        "judgement",
        &[
            annotator.as_bytes(),
            comparison.as_bytes(),
            groups.join(">").as_bytes(),
        ],
    )
}

/// The identifier of the job that does what was answered to the question of another: a question has one answer.
pub fn answer_id(asking_job: Uuid) -> Uuid {
    derive("answer", &[asking_job.as_bytes()])
}

/// Whether an identifier is of the kind that this module makes. None that a client makes may be.
pub fn is_derived(id: Uuid) -> bool {
    id.get_version_num() == 8
}

fn derive(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    Builder::from_custom_bytes(std::array::from_fn(|i| digest[i])).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_depend_on_what_is_said_and_on_where() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(prompt_id(here, "aa"), prompt_id(here, "aa"));
        assert_ne!(prompt_id(here, "aa"), prompt_id(there, "aa"));
        assert_ne!(prompt_id(here, "aa"), response_id(here, "aa"));
        assert!(is_derived(prompt_id(here, "aa")));
    }

    #[test]
    fn a_comparison_is_the_same_in_any_order_a_judgement_is_not() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(comparison_hash(&[a, b]), comparison_hash(&[b, a]));
        let judgement = |ranking: &[Vec<Uuid>]| imported_judgement_id(a, b, ranking);
        assert_ne!(judgement(&[vec![a], vec![b]]), judgement(&[vec![b], vec![a]]));
        assert_eq!(judgement(&[vec![a, b]]), judgement(&[vec![b, a]]));
    }
}

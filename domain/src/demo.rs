//! The demo project: prompts and responses of our own, in several languages and of very different quality.

use serde::Deserialize;

use crate::{
    formats::{ComparedResponses, ResponseText, Row},
    prompt::Message,
};

/// Its name, unless that is taken.
pub const NAME: &str = "Demo";

/// What those who judge it are told, in Markdown.
pub const INSTRUCTIONS: &str = "\
Read the whole conversation, then both answers, and say which one you would rather have been given.

- **Right before polite**: an answer that is wrong or dangerous loses to one that is right.
- **Kind before clever**: an answer that belittles the asker loses to one that helps.
- **Short before padded**: length is worth nothing by itself.
- If neither is acceptable, say so (both bad); if you cannot judge it, skip and say why.
";

/// Each prompt comes with four responses: every round compares other pairs of them, so that whoever judges the first
/// fifty pairs has seen every prompt.
const ROUNDS: [[usize; 2]; 3] = [[0, 1], [2, 3], [1, 2]];

#[derive(Deserialize)]
struct Line {
    category: String,
    language: String,
    prompt: Vec<Message>,
    responses: Vec<Answer>,
}

/// `quality` stands in the file for those who maintain it; nobody else is told.
#[derive(Deserialize)]
struct Answer {
    model: String,
    content: String,
}

/// The content, in the order in which it is to be judged: one ranking and three pairs per prompt.
pub fn rows() -> Vec<Row> {
    let lines: Vec<Line> = include_str!("../demo/demo.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("our own file, read in the tests"))
        .collect();
    let round =
        |(index, pair): (usize, [usize; 2])| lines.iter().map(move |line| row(line, pair, index == 0));
    ROUNDS.into_iter().enumerate().flat_map(round).collect()
}

fn row(line: &Line, pair: [usize; 2], ranked: bool) -> Row {
    let compare = |responses: &[usize]| ComparedResponses {
        responses: responses.to_vec(),
        opinion: None,
    };
    let mut comparisons = vec![compare(&pair)];
    if ranked {
        comparisons.push(compare(&[0, 1, 2, 3]));
    }
    Row {
        prompt: line.prompt.clone(),
        category: Some(line.category.clone()),
        language: Some(line.language.clone()),
        responses: line
            .responses
            .iter()
            .map(|answer| ResponseText {
                content: answer.content.clone(),
                model: Some(answer.model.clone()),
                ..ResponseText::default()
            })
            .collect(),
        comparisons,
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_is_as_large_and_as_varied_as_promised() {
        let rows = rows();
        let distinct = |of: fn(&Row) -> String| rows.iter().map(of).collect::<HashSet<_>>().len();
        assert!(distinct(|row| format!("{:?}", row.prompt)) >= 40);
        assert!(distinct(|row| format!("{:?}", row.category)) >= 8);
        assert!(distinct(|row| format!("{:?}", row.language)) >= 4);
        for row in &rows {
            let contents: HashSet<_> = row.responses.iter().map(|response| &response.content).collect();
            assert_eq!(contents.len(), 4, "{:?}", row.prompt);
        }
    }
}

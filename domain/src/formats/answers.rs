//! The two answers of a preference: what comes before them in common belongs to the prompt, the rest is what was judged.

use super::{
    ComparedResponses, Fault, Opinion, Problem, ResponseText, Row,
    fields::Fields,
    messages::{self, Text, Turn},
    notes::RowNotes,
};
use crate::prompt::Speaker;

/// The columns of the better answer and of the worse one.
const NAMES: [[&str; 2]; 2] = [["chosen", "rejected"], ["response_j", "response_k"]];

/// Whether the line prefers one answer, be the other missing.
pub(super) fn has_preference(fields: &Fields) -> bool {
    NAMES.iter().flatten().any(|name| fields.contains(name))
}

/// The columns of this line's answers.
pub(super) fn names(fields: &Fields) -> [&'static str; 2] {
    NAMES
        .into_iter()
        .find(|names| names.iter().any(|name| fields.contains(name)))
        .unwrap_or(NAMES[0])
}

/// What one of two answers says.
#[derive(Debug, PartialEq)]
pub(super) struct Answer(Vec<Turn>);

impl Answer {
    pub fn plain(content: String) -> Answer {
        Answer(vec![Turn::plain(Speaker::Assistant, content)])
    }

    /// Turns of which the first must be the assistant's.
    pub fn of(fields: &Fields, name: &str, turns: Vec<Turn>) -> Result<Answer, Fault> {
        match turns.first() {
            None => Err(fields.fault(Problem::NoMessages, name)),
            Some(first) if first.role() == Speaker::Assistant => Ok(Answer(turns)),
            Some(first) => Err(fields.fault(Problem::NotAssistant(first.role().as_str()), name)),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(&self.0[..], [turn] if turn.original.is_none() && turn.message.content.trim().is_empty())
    }

    /// One message as its text; several as a transcript, whose first speaker needs no name.
    pub fn into_response(self) -> ResponseText {
        let several = self.0.len() > 1;
        let (messages, mut original) = messages::split(self.0);
        if several && original.is_none() {
            let plain = messages.iter().map(
                |message| serde_json::json!({"role": message.role.as_str(), "content": message.content}),
            );
            original = Some(plain.collect());
        }
        let mut content = String::new();
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                let who = match message.role {
                    Speaker::System => "System",
                    Speaker::User => "Human",
                    Speaker::Assistant => "Assistant",
                    Speaker::Tool => "Tool",
                };
                content.push_str(&format!("\n\n{who}: "));
            }
            content.push_str(&message.content);
        }
        ResponseText {
            content,
            original,
            ..ResponseText::default()
        }
    }
}

/// Where the turns that both begin with end, such that both go on with an answer; one may end where the other goes on, and the
/// last turn in common is then the answer of the one.
pub(super) fn shared_turns(left: &[Turn], right: &[Turn]) -> usize {
    let shared = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    match shared == left.len() || shared == right.len() {
        true => shared.saturating_sub(1),
        false => shared,
    }
}

/// A preference: the row, with what else the line tells of it. `was_cut` says whether the answers stood behind their prompt, so
/// that one without words became so by reading.
pub(super) fn preference(
    fields: &mut Fields,
    prompt: Vec<Turn>,
    [chosen, rejected]: [Answer; 2],
    was_cut: bool,
) -> Result<Row, Fault> {
    if chosen == rejected {
        return Err(Problem::Identical.on(fields.line()));
    }
    let emptied = match was_cut {
        true => u64::from(chosen.is_empty()) + u64::from(rejected.is_empty()),
        false => 0,
    };
    let mut response = |answer: Answer, model: &str| ResponseText {
        model: fields.label(model),
        ..answer.into_response()
    };
    let responses = vec![
        response(chosen, "chosen_model"),
        response(rejected, "rejected_model"),
    ];
    let opinion = Opinion {
        ranking: vec![vec![0], vec![1]],
        strength: fields.strength()?,
        margin: fields.margin()?,
    };
    let (prompt, original) = messages::split(prompt);
    let (category, language) = (fields.label("category"), fields.label("language"));
    let (columns, unkept) = fields.rest();
    Ok(Row {
        prompt,
        original,
        category,
        language,
        responses,
        comparisons: vec![ComparedResponses {
            responses: vec![0, 1],
            opinion: Some(opinion),
        }],
        columns,
        notes: RowNotes {
            emptied,
            unkept,
            ..RowNotes::default()
        },
    })
}

/// The turns of an answer: a plain text is one of the assistant.
pub(super) fn turns(text: Text) -> Vec<Turn> {
    match text {
        Text::Plain(content) => vec![Turn::plain(Speaker::Assistant, content)],
        Text::Turns(turns) => turns,
    }
}

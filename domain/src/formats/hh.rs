//! Anthropic's HH transcripts: `\n\nHuman: …\n\nAssistant: …`, chosen and rejected sharing all but the end.

use super::{
    Fault, Problem, Row,
    answers::{self, Answer},
    fields::Fields,
    messages, prompt_columns,
};
use crate::prompt::Speaker;

const HUMAN: &str = "\n\nHuman:";
const ASSISTANT: &str = "\n\nAssistant:";

/// Whether a text begins as a transcript does.
pub(super) fn looks_like_transcript(text: &str) -> bool {
    text.trim_start().starts_with(HUMAN.trim_start())
}

/// `chosen` and `rejected` are transcripts. What they share is the prompt; what follows, from the assistant's turn on,
/// is the response. Where the rest holds further turns (it does in a few of the published lines, whose answers imitate
/// the other speaker), they stay in the response as they stand, because there they are what was judged.
pub(super) fn read(fields: &mut Fields) -> Result<Row, Fault> {
    // As transcripts from Windows have them.
    let unix = |text: String| text.replace("\r\n", "\n");
    let (chosen, rejected) = (unix(fields.string("chosen")?), unix(fields.string("rejected")?));
    if chosen == rejected {
        return Err(Problem::Identical.on(fields.line()));
    }
    let chosen_turns = turns(&chosen).ok_or_else(|| fields.fault(Problem::NotATranscript, "chosen"))?;
    let rejected_turns = turns(&rejected).ok_or_else(|| fields.fault(Problem::NotATranscript, "rejected"))?;
    let same = |(a, b): &(&Turn, &Turn)| a.role == b.role && a.content == b.content;
    let mut shared = chosen_turns.iter().zip(&rejected_turns).take_while(same).count();
    // One may end where the other goes on: the last shared turn is then the answer of the one.
    let whole = |turns: &[Turn]| shared == turns.len();
    if (whole(&chosen_turns) || whole(&rejected_turns)) && shared > 0 {
        shared -= 1;
    }
    let answer = |text: &str, turns: &[Turn]| match turns.get(shared) {
        Some(turn) if turn.role == Speaker::Assistant => Some(text[turn.start..].trim().to_owned()),
        _ => None,
    };
    let answers = answer(&chosen, &chosen_turns).zip(answer(&rejected, &rejected_turns));
    let (chosen_answer, rejected_answer) =
        answers.ok_or_else(|| Problem::DifferBeforeAnswer.on(fields.line()))?;
    if shared == 0 {
        return Err(Problem::NoSharedPrompt.on(fields.line()));
    }
    let turn = |turn: &Turn| messages::Turn::plain(turn.role, turn.content.to_owned());
    let mut prompt = chosen_turns[..shared].iter().map(turn).collect();
    prompt_columns::add_system(fields, &mut prompt)?;
    let both = [chosen_answer, rejected_answer].map(Answer::plain);
    answers::preference(fields, prompt, both, false)
}

struct Turn<'a> {
    role: Speaker,
    content: &'a str,
    /// Where the words of this turn begin in the transcript.
    start: usize,
}

/// The turns of a transcript, or `None` if it does not begin with one of the human.
fn turns(text: &str) -> Option<Vec<Turn<'_>>> {
    let lead = text.len() - text.trim_start().len();
    let opening = HUMAN.trim_start();
    let mut start = text[lead..]
        .starts_with(opening)
        .then_some(lead + opening.len())?;
    let mut role = Speaker::User;
    let mut turns = Vec::new();
    loop {
        let rest = &text[start..];
        let next = [(HUMAN, Speaker::User), (ASSISTANT, Speaker::Assistant)]
            .into_iter()
            .filter_map(|(mark, role)| rest.find(mark).map(|at| (at, mark.len(), role)))
            .min_by_key(|(at, ..)| *at);
        let end = next.map_or(rest.len(), |(at, ..)| at);
        turns.push(Turn {
            role,
            content: rest[..end].trim(),
            start,
        });
        match next {
            Some((at, length, speaker)) => (start, role) = (start + at + length, speaker),
            None => return Some(turns),
        }
    }
}

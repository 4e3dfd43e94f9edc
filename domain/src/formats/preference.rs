//! A preference with its prompt in a column: TRL's explicit form, and the same under other names.

use super::{
    Fault, Row,
    answers::{self, Answer},
    fields::Fields,
    messages::{Text, Turn},
    prompt_columns,
};
use crate::prompt::Speaker;

/// A prompt and two answers: strings or message lists, also mixed. Some datasets repeat the prompt at the start of both answers,
/// as text or as a conversation, or give whole conversations beside it; it is taken off, and turns that the conversations share
/// beyond it belong to the prompt.
pub(super) fn read(fields: &mut Fields) -> Result<Row, Fault> {
    let names = answers::names(fields);
    let mut prompt = prompt_columns::read(fields)?;
    let texts = [fields.text(names[0])?, fields.text(names[1])?];
    if let [Text::Plain(chosen), Text::Plain(rejected)] = &texts {
        let both = [chosen.as_str(), rejected.as_str()];
        prompt_ends_with_answer(&mut prompt, both);
        let cut = behind_prompt(&prompt, both);
        let [chosen, rejected] = cut.unwrap_or(both);
        let both = [chosen, rejected].map(|text| Answer::plain(text.to_owned()));
        return answers::preference(fields, prompt, both, cut.is_some());
    }
    let [mut chosen, mut rejected] = texts.map(answers::turns);
    if let Some(whole) = whole_prompt(&prompt, &chosen, &rejected) {
        rejected.drain(..whole);
        prompt = chosen.drain(..whole).collect();
        let shared = match chosen == rejected {
            true => 0,
            false => answers::shared_turns(&chosen, &rejected),
        };
        rejected.drain(..shared);
        prompt.extend(chosen.drain(..shared));
    } else {
        for answer in [&mut chosen, &mut rejected] {
            if answer.len() > prompt.len() && begins_with(answer, &prompt) {
                answer.drain(..prompt.len());
            }
        }
    }
    let chosen = Answer::of(fields, names[0], chosen)?;
    let rejected = Answer::of(fields, names[1], rejected)?;
    answers::preference(fields, prompt, [chosen, rejected], false)
}

/// What follows the prompt, if both texts begin with it.
fn behind_prompt<'a>(prompt: &[Turn], answers: [&'a str; 2]) -> Option<[&'a str; 2]> {
    let [turn] = prompt else { return None };
    let words = turn.message.content.trim();
    let rest = |text: &'a str| text.trim_start().strip_prefix(words).map(str::trim_start);
    match (words.is_empty(), answers.map(rest)) {
        (false, [Some(chosen), Some(rejected)]) => Some([chosen, rejected]),
        _ => None,
    }
}

/// A conversation that is given with one of the answers at its end: that turn is no part of the prompt.
fn prompt_ends_with_answer(prompt: &mut Vec<Turn>, answers: [&str; 2]) {
    let is_answer = |turn: &Turn| {
        turn.role() == Speaker::Assistant
            && answers
                .iter()
                .any(|text| text.trim() == turn.message.content.trim())
    };
    if prompt.len() > 1 && prompt.last().is_some_and(is_answer) {
        prompt.pop();
    }
}

/// Where the prompt ends in two conversations that both hold it, be there more before it in both.
fn whole_prompt(prompt: &[Turn], chosen: &[Turn], rejected: &[Turn]) -> Option<usize> {
    let shared = chosen.iter().zip(rejected).take_while(|(a, b)| a == b).count();
    let longest = chosen.len().min(rejected.len()).saturating_sub(1).min(shared);
    (prompt.len()..=longest).find(|&end| begins_with(&chosen[end - prompt.len()..end], prompt))
}

fn begins_with(turns: &[Turn], prompt: &[Turn]) -> bool {
    turns.len() >= prompt.len() && turns.iter().zip(prompt).all(|(a, b)| a.resembles(b))
}

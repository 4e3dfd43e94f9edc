//! TRL's preference format without a prompt: `chosen` and `rejected` are whole and share their beginning.

use super::{
    Fault, Problem, Row,
    answers::{self, Answer},
    fields::Fields,
    messages::{Text, Turn},
    prompt_columns,
};
use crate::prompt::Speaker;

/// Whole conversations, or whole strings where no other column can hold the prompt.
pub(super) fn read(fields: &mut Fields) -> Result<Row, Fault> {
    let names = answers::names(fields);
    match (fields.text(names[0])?, fields.text(names[1])?) {
        (Text::Plain(chosen), Text::Plain(rejected)) => of_strings(fields, &chosen, &rejected),
        (Text::Turns(chosen), Text::Turns(rejected)) => of_conversations(fields, chosen, rejected),
        (Text::Plain(_), Text::Turns(_)) => Err(mixed(fields, names[1], "text", "a list")),
        (Text::Turns(_), Text::Plain(_)) => Err(mixed(fields, names[1], "a list of messages", "text")),
    }
}

fn of_conversations(
    fields: &mut Fields,
    mut chosen: Vec<Turn>,
    mut rejected: Vec<Turn>,
) -> Result<Row, Fault> {
    let names = answers::names(fields);
    if chosen == rejected && !chosen.is_empty() {
        return Err(Problem::Identical.on(fields.line()));
    }
    let shared = answers::shared_turns(&chosen, &rejected);
    rejected.drain(..shared);
    let mut prompt: Vec<Turn> = chosen.drain(..shared).collect();
    let chosen = Answer::of(fields, names[0], chosen)?;
    let rejected = Answer::of(fields, names[1], rejected)?;
    if prompt.is_empty() {
        return Err(no_prompt(fields));
    }
    prompt_columns::add_system(fields, &mut prompt)?;
    answers::preference(fields, prompt, [chosen, rejected], false)
}

fn of_strings(fields: &mut Fields, chosen: &str, rejected: &str) -> Result<Row, Fault> {
    if chosen == rejected {
        return Err(Problem::Identical.on(fields.line()));
    }
    let elsewhere = prompt_columns::candidates(fields, answers::names(fields));
    if !elsewhere.is_empty() {
        return Err(Problem::PromptElsewhere(elsewhere).on(fields.line()));
    }
    let cut = shared_words(chosen, rejected);
    let prompt = chosen[..cut].trim();
    if prompt.is_empty() {
        return Err(Problem::NoSharedPrompt.on(fields.line()));
    }
    let rest = |text: &str| Answer::plain(text[cut..].trim_start().to_owned());
    let prompt = vec![Turn::plain(Speaker::User, prompt.to_owned())];
    answers::preference(fields, prompt, [rest(chosen), rest(rejected)], true)
}

/// Nothing is shared; another column may be what is missed.
fn no_prompt(fields: &Fields) -> Fault {
    let elsewhere = prompt_columns::candidates(fields, answers::names(fields));
    match elsewhere.is_empty() {
        true => Problem::NoSharedPrompt.on(fields.line()),
        false => Problem::PromptElsewhere(elsewhere).on(fields.line()),
    }
}

fn mixed(fields: &Fields, name: &str, expected: &'static str, found: &'static str) -> Fault {
    fields.fault(Problem::WrongType { expected, found }, name)
}

/// Where the words end that both texts begin with: a place at which both have white space, or end.
fn shared_words(left: &str, right: &str) -> usize {
    let same = left
        .char_indices()
        .zip(right.chars())
        .take_while(|((_, a), b)| a == b);
    let shared = same.map(|((at, c), _)| at + c.len_utf8()).last().unwrap_or(0);
    let ends_word = |text: &str| text[shared..].chars().next().is_none_or(char::is_whitespace);
    if ends_word(left) && ends_word(right) {
        return shared;
    }
    left[..shared]
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace())
        .map_or(0, |(at, c)| at + c.len_utf8())
}

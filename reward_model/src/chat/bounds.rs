//! What a text may cost. minijinja counts instructions and the bytes of texts, but a list only by its own places: one that
//! holds another twice, which holds another twice, is made in forty steps and written for ever.
//!
//! What writes values is therefore paid for in advance here: `{{ … }}`, `tojson`, `string` and `join`. Two ways stay that
//! minijinja gives nobody to hold: `~` between such a list and a text, and `==` between two of them.

use minijinja::value::{Kwargs, StringInput, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter, filters};

use super::json;

/// What one text may cost: a unit for each instruction and for 64 bytes that are made, so that 128 MB is the most that a template can
/// ask for. A conversation of a thousand turns takes some hundred thousand, a template that never ends takes all.
const FUEL: u64 = 2_000_000;

/// Bytes that a unit pays for; minijinja's own.
const BYTES: u64 = 64;

/// What each value in a list costs besides its text, in bytes; minijinja's own.
const ITEM: u64 = 32;

/// Bounds what the environment's templates may do, and sets the filters that write.
pub(super) fn set(environment: &mut Environment<'_>) {
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write);
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", string);
    environment.add_filter("join", join);
}

fn write(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    affordable(state, value)?;
    escape_formatter(out, state, value)
}

fn tojson(state: &State, value: &Value, options: Kwargs) -> Result<Value, Error> {
    affordable(state, value)?;
    json::tojson(value, options)
}

fn string(state: &State, value: &Value) -> Result<Value, Error> {
    affordable(state, value)?;
    filters::string(state, value)
}

fn join(
    state: &mut State,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    options: Kwargs,
) -> Result<Value, Error> {
    affordable(state, value)?;
    filters::join(state, value, joiner, attribute, options)
}

/// Whether what is left pays for all that a value holds.
fn affordable(state: &State, value: &Value) -> Result<(), Error> {
    if value.as_object().is_none() {
        return Ok(());
    }
    let fuel = state.fuel_levels().map_or(FUEL, |(_, left)| left);
    let mut left = fuel.saturating_mul(BYTES);
    let mut open = vec![value.clone()];
    while let Some(value) = open.pop() {
        let cost = ITEM + value.as_str().map_or(0, |text| text.len() as u64);
        left = left
            .checked_sub(cost)
            .ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
        if !matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
        ) {
            continue;
        }
        // One by one: what is too long is never in memory.
        for item in value.try_iter()? {
            let held = match value.kind() {
                ValueKind::Map => value.get_item(&item)?,
                _ => item,
            };
            left = left
                .checked_sub(ITEM)
                .ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
            open.push(held);
        }
    }
    Ok(())
}

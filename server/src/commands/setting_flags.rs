//! A run's settings on the command line: a flag for each row of [`SETTINGS`].

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use recipe::{Kind, Method, Refusal, SETTINGS, Setting, Typed, values};
use serde_json::{Map, Value};

/// Settings as flags; what is not given is the method's default.
#[derive(Debug, Default)]
pub struct SettingFlags(Typed);

impl SettingFlags {
    /// What was given, by the fields of [`recipe::Recipe`].
    ///
    /// # Errors
    /// The setting whose text cannot be read.
    pub fn given(&self) -> Result<Map<String, Value>, Refusal> {
        values(SETTINGS.iter(), &self.0)
    }
}

impl SettingFlags {
    /// Refuses what the method does not have, instead of leaving it out without a word.
    ///
    /// # Errors
    /// The first flag that goes with other methods.
    pub fn check_method(&self, method: Method) -> anyhow::Result<()> {
        let foreign = SETTINGS
            .iter()
            .find(|setting| self.0.contains_key(setting.name) && !setting.is_of(method));
        match foreign {
            None => Ok(()),
            Some(setting) => {
                let methods: Vec<&str> = setting.methods.iter().map(|method| method.as_str()).collect();
                bail!(
                    "--{}: goes with --method {}, not with {}",
                    setting.name.replace('_', "-"),
                    methods.join(", "),
                    method.as_str()
                )
            }
        }
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let heading = "Settings; those not given are the method's defaults";
        flagged()
            .map(flag)
            .fold(command, |command, flag| command.arg(flag.help_heading(heading)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags, Error> {
        let mut typed = BTreeMap::new();
        for setting in flagged() {
            let Some(text) = matches.get_one::<String>(setting.name) else {
                continue;
            };
            // The model of ties and its number in one: `--ties davidson=1.5`.
            match text.split_once('=').filter(|_| setting.name == "ties") {
                Some((model, number)) => {
                    typed.insert("ties".to_owned(), model.to_owned());
                    typed.insert("ties_number".to_owned(), number.to_owned());
                }
                None => drop(typed.insert(setting.name.to_owned(), text.clone())),
            }
        }
        Ok(SettingFlags(typed))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The base model has a flag of the command's own.
fn flagged() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.kind != Kind::Base)
}

fn flag(setting: &'static Setting) -> Arg {
    let methods: Vec<&str> = setting.methods.iter().map(|method| method.as_str()).collect();
    let only = match methods.is_empty() {
        true => String::new(),
        false => format!(" For {}.", methods.join(", ")),
    };
    let arg = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .help(format!("{}. {}{only}", setting.label, setting.about))
        .value_parser(move |text: &str| readable(setting, text));
    match setting.kind {
        Kind::Whole | Kind::Decimal => arg.value_name("NUMBER").allow_negative_numbers(true),
        Kind::YesNo => arg
            .value_name("true|false")
            .num_args(0..=1)
            .default_missing_value("true"),
        Kind::Choice(words) => arg.value_name(words.join("|")),
        Kind::Names => arg.value_name("NAME,NAME"),
        Kind::Base => arg.value_name("NAME"),
        Kind::Device => arg.value_name("cpu|cuda|cuda:1"),
    }
}

/// The text, if a setting can be read from it.
fn readable(setting: &Setting, text: &str) -> Result<String, String> {
    let (word, number) = match text.split_once('=').filter(|_| setting.name == "ties") {
        Some((word, number)) => (word, Some(number)),
        None => (text, None),
    };
    setting.kind.parse(word)?;
    number.map(|number| Kind::Decimal.parse(number)).transpose()?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SettingFlags,
    }

    fn parsed(line: &str) -> Result<Value, String> {
        let words = std::iter::once("train").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(line.flags.given().unwrap().into())
    }

    fn given(line: &str) -> Value {
        parsed(line).unwrap()
    }

    #[test]
    fn only_what_is_given_is_told() {
        assert_eq!(given(""), json!({}));
        let line = "--from-scratch --shuffle false --lora-rank 4 --lora-target-modules key,dense --keep best --ties davidson";
        let told = json!({
            "from_scratch": true, "shuffle": false, "lora": { "rank": 4, "target_modules": ["key", "dense"] },
            "keep": "best", "ties": { "model": "davidson", "weight": 1.0 },
        });
        assert_eq!(given(line), told);
        let one = |line: &str, told: Value| assert_eq!(given(line), told, "{line}");
        one("--dropout 0.1", json!({ "dropout": 0.1 }));
        one("--lora-dropout 0.1", json!({ "lora": { "dropout": 0.1 } }));
        one(
            "--ties rao_kupper=0.25",
            json!({ "ties": { "model": "rao_kupper", "threshold": 0.25 } }),
        );
        assert_eq!(given("--ties none"), json!({ "ties": null }));
    }

    #[test]
    fn what_the_method_does_not_have_is_refused() {
        let flags = |line: &str| Line::parse_from(std::iter::once("train").chain(line.split(' '))).flags;
        let refused = flags("--lora-rank 8")
            .check_method(Method::Head)
            .unwrap_err()
            .to_string();
        assert_eq!(refused, "--lora-rank: goes with --method lora, not with head");
        assert!(flags("--lora-rank 8").check_method(Method::Lora).is_ok());
        assert!(flags("--epochs 8").check_method(Method::Head).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_flag() {
        for (line, said) in [
            ("--ties rao_kupper=much", "“much” is not a number"),
            ("--epochs -1", "“-1” is not a whole number"),
            ("--optimizer adamax", "--optimizer"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}

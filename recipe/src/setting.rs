//! A setting as people meet it: its words, how it is typed, and what it may be.

use serde_json::{Value, json};

use crate::{Device, Method, Recipe, SETTINGS};

/// One row of [`SETTINGS`].
#[derive(Debug)]
pub struct Setting {
    /// The field of [`Recipe`]; those of `lora` with `lora_` before, and beside `ties` its number.
    pub name: &'static str,
    pub label: &'static str,
    /// What it does and when to change it.
    pub about: &'static str,
    pub group: Group,
    pub kind: Kind,
    /// The methods that have it; none for all.
    pub methods: &'static [Method],
    /// What it may be, and among which others.
    pub(crate) sound: fn(&Recipe) -> bool,
    /// The sentence where it is not.
    pub(crate) expects: &'static str,
}

/// What stands together in the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    WhatLearns,
    StepsAndRates,
    Loss,
    HeldOut,
    Checkpoints,
}

/// How a setting is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Whole,
    Decimal,
    YesNo,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Names with commas between them.
    Names,
    /// A processor or GPU.
    Device,
    /// The name of a base model.
    Base,
}

/// A setting that training does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct Refusal {
    /// Its [`Setting::name`], or a field of [`Recipe`] that has no row.
    pub setting: &'static str,
    pub reason: String,
}

impl Refusal {
    /// The field of [`Recipe`] that it is of.
    pub fn field(&self) -> &'static str {
        let row = SETTINGS.iter().find(|setting| setting.name == self.setting);
        row.map_or(self.setting, Setting::field)
    }
}

impl Recipe {
    /// Checks every setting on its own and with the others; whether the base model and the device are there shows when training
    /// starts.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), Refusal> {
        match SETTINGS.iter().find(|setting| !(setting.sound)(self)) {
            Some(setting) => Err(Refusal {
                setting: setting.name,
                reason: setting.expects.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Setting {
    /// Whether this method has it.
    pub fn is_of(&self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }

    /// The field of [`Recipe`] that it is, or is a part of.
    pub fn field(&self) -> &'static str {
        match self.part() {
            Some(_) => "lora",
            None if self.name == "ties_number" => "ties",
            None => self.name,
        }
    }

    /// Its name within `lora`.
    pub(crate) fn part(&self) -> Option<&'static str> {
        self.name.strip_prefix("lora_")
    }
}

/// The settings of a group.
pub fn of_group(group: Group) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.group == group)
}

/// A setting as a sentence calls it; its field's name where it has no row.
pub fn label_of(name: &str) -> String {
    let found = SETTINGS.iter().find(|setting| setting.name == name);
    found.map_or_else(|| name.replace('_', " "), |setting| setting.label.to_owned())
}

impl Group {
    pub const ALL: [Group; 5] = [
        Group::WhatLearns,
        Group::StepsAndRates,
        Group::Loss,
        Group::HeldOut,
        Group::Checkpoints,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Group::WhatLearns => "What learns",
            Group::StepsAndRates => "Steps and rates",
            Group::Loss => "Loss",
            Group::HeldOut => "Held-out pairs and stopping",
            Group::Checkpoints => "Checkpoints",
        }
    }
}

impl Kind {
    /// A value as it is typed, as JSON has it.
    ///
    /// # Errors
    /// Why it is none, as a sentence's predicate.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let not = |what: &str| format!("“{text}” is not {what}");
        match self {
            Kind::Whole => match text.parse::<u64>() {
                Ok(number) if number <= u64::from(u32::MAX) => Ok(json!(number)),
                Ok(_) => Err(not("a number below 4,294,967,296")),
                Err(_) => Err(not("a whole number")),
            },
            Kind::Decimal => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(json!(number)),
                _ => Err(not("a number")),
            },
            Kind::YesNo => match text {
                "yes" | "true" => Ok(json!(true)),
                "no" | "false" => Ok(json!(false)),
                _ => Err(not("yes or no")),
            },
            Kind::Base => Ok(json!(text)),
            Kind::Choice(choices) if choices.contains(&text) => Ok(json!(text)),
            Kind::Choice(choices) => Err(not(&choices.join(" or "))),
            Kind::Device => match text.parse::<Device>() {
                Ok(device) => Ok(json!(device)),
                Err(_) => Err(not("cpu, cuda or cuda:1")),
            },
            Kind::Names => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                Ok(json!(names.collect::<Vec<_>>()))
            }
        }
    }
}

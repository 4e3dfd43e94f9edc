//! A run's settings as people meet them: in groups, each with a label and a line that says what it does and when to
//! change it. What they are is [`domain::run::Settings`]; here they go by the names of its fields.

mod table;
mod typed;

use domain::run::Method;

pub use table::SETTINGS;
pub use typed::{Typed, differing, read, shown};

/// One setting of the form.
#[derive(Debug)]
pub struct Setting {
    /// The field of [`domain::run::Settings`]; those of `lora` with `lora_` before.
    pub name: &'static str,
    pub label: &'static str,
    /// What it does and when to change it.
    pub about: &'static str,
    pub group: Group,
    pub kind: Kind,
    /// The methods that have it; none for all.
    pub methods: &'static [Method],
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

impl Setting {
    /// Whether this method has it.
    pub fn is_of(&self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }

    /// Whether the engine's word for a refused setting means this one: it knows `lora` as one.
    pub fn is_meant_by(&self, refused: &str) -> bool {
        self.name == refused || (refused == "lora" && self.name.starts_with("lora_"))
    }
}

/// The settings of a group.
pub fn of_group(group: Group) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.group == group)
}

/// A setting as a sentence calls it; the engine's own word where the form has none.
pub fn label_of(name: &str) -> String {
    let found = SETTINGS.iter().find(|setting| setting.name == name);
    found.map_or_else(|| name.replace('_', " "), |setting| setting.label.to_owned())
}

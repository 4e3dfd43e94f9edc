//! Between settings and what is typed for them.

use std::collections::BTreeMap;

use domain::run::{Device, Settings, Ties};
use serde_json::{Map, Value, json};

use super::{Kind, SETTINGS, Setting};
use crate::scoring::Refusal;

/// Texts by the settings' names; what is missing or empty means the default.
pub type Typed = BTreeMap<String, String>;

/// The settings that are typed, over the defaults of a method. What other methods alone have is left out.
pub fn read(defaults: Settings, typed: &Typed) -> Result<Settings, Refusal> {
    let mut table = as_table(&defaults);
    let given = |name: &str| {
        typed
            .get(name)
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    };
    for setting in SETTINGS.iter().filter(|setting| setting.is_of(defaults.method)) {
        let Some(text) = given(setting.name) else { continue };
        let value = setting.kind.parse(text).map_err(|reason| Refusal {
            setting: setting.name.to_owned(),
            reason,
        })?;
        match setting.name.strip_prefix("lora_") {
            // They are read together below.
            None if setting.name.starts_with("ties") => {}
            None => drop(table.insert(setting.name.to_owned(), value)),
            Some(inner) => {
                if let Some(Value::Object(lora)) = table.get_mut("lora") {
                    lora.insert(inner.to_owned(), value);
                }
            }
        }
    }
    let mut settings: Settings = serde_json::from_value(Value::Object(table)).map_err(|error| Refusal {
        setting: "settings".to_owned(),
        reason: error.to_string(),
    })?;
    let number = given("ties_number").and_then(|text| text.parse().ok());
    settings.ties = match given("ties") {
        None => settings.ties,
        Some("rao_kupper") => Some(Ties::RaoKupper {
            threshold: number.unwrap_or(Ties::THRESHOLD),
        }),
        Some("davidson") => Some(Ties::Davidson {
            weight: number.unwrap_or(Ties::WEIGHT),
        }),
        Some(_) => None,
    };
    Ok(settings)
}

/// A setting as it would be typed; empty for none.
pub fn shown(settings: &Settings, name: &str) -> String {
    let ties = match settings.ties {
        None => ("none", String::new()),
        Some(Ties::RaoKupper { threshold }) => ("rao_kupper", threshold.to_string()),
        Some(Ties::Davidson { weight }) => ("davidson", weight.to_string()),
    };
    let table = as_table(settings);
    let value = match (name, name.strip_prefix("lora_")) {
        ("ties", _) => return ties.0.to_owned(),
        ("ties_number", _) => return ties.1,
        (_, Some(inner)) => table.get("lora").and_then(|lora| lora.get(inner)),
        (_, None) => table.get(name),
    };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(", ")
        }
        // Without an exponent or a needless “.0”, as a person would type it.
        Some(Value::Number(number)) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        Some(other) => other.to_string(),
    }
}

/// What has to be typed over the defaults to get these settings.
pub fn differing(settings: &Settings, defaults: &Settings) -> Typed {
    let changed = |setting: &Setting| {
        let text = shown(settings, setting.name);
        (text != shown(defaults, setting.name)).then(|| (setting.name.to_owned(), text))
    };
    SETTINGS
        .iter()
        .filter(|setting| setting.is_of(settings.method))
        .filter_map(changed)
        .collect()
}

fn as_table(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

impl Kind {
    fn parse(self, text: &str) -> Result<Value, String> {
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
                "yes" => Ok(json!(true)),
                "no" => Ok(json!(false)),
                _ => Err(not("yes or no")),
            },
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

#[cfg(test)]
mod tests {
    use domain::run::{Device, Keep, Lora, Method, Optimizer, Pooling, Precision, Schedule, Truncation};

    use super::*;

    fn typed(texts: &[(&str, &str)]) -> Typed {
        texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn of(method: Method) -> Settings {
        Settings {
            method,
            ..Settings::default()
        }
    }

    /// Nothing that can be set is missing from the form: all differs, and all comes back.
    #[test]
    fn every_setting_survives_the_form() {
        let all = Settings {
            method: Method::Lora,
            pooling: Pooling::Mean,
            last_layers: 4,
            lora: Lora {
                rank: 3,
                alpha: 7.5,
                dropout: 0.25,
                target_modules: vec!["key".into(), "dense".into()],
            },
            from_scratch: true,
            ensemble: 5,
            seed: 7,
            epochs: 9,
            precision: Precision::Bf16,
            device: Device::Cuda(1),
            batch_pairs: 13,
            accumulate: 4,
            shuffle: false,
            optimizer: Optimizer::Sgd,
            schedule: Schedule::Cosine,
            learning_rate: 2e-5,
            head_learning_rate: Some(0.5),
            layer_decay: 0.5,
            dropout: 0.25,
            weight_decay: 0.75,
            warmup_share: 0.5,
            max_tokens: 99,
            truncation: Truncation::Middle,
            margin_scale: 2.0,
            label_smoothing: 0.125,
            ties: Some(Ties::RaoKupper { threshold: 0.75 }),
            centring: 0.5,
            max_grad_norm: 3.0,
            evaluate_every: 0.5,
            evaluate_every_steps: 17,
            patience: 6,
            keep: Keep::Best,
            checkpoint_every_steps: 23,
        };
        for method in Method::ALL {
            let asked = Settings {
                method: *method,
                ..all.clone()
            };
            let typed = differing(&asked, &of(*method));
            let read = read(of(*method), &typed).unwrap();
            for setting in SETTINGS {
                let expected = if setting.is_of(*method) {
                    &asked
                } else {
                    &of(*method)
                };
                assert_eq!(
                    shown(&read, setting.name),
                    shown(expected, setting.name),
                    "{}",
                    setting.name
                );
                assert_ne!(shown(&asked, setting.name), shown(&of(*method), setting.name));
            }
        }
        assert_eq!(differing(&of(Method::Full), &of(Method::Full)), Typed::new());
        let fields = as_table(&all).len() - 1;
        let lora = SETTINGS
            .iter()
            .filter(|setting| setting.name.starts_with("lora_"))
            .count();
        // The number of the ties is not a field of its own, `lora` is one of four.
        assert_eq!(SETTINGS.len() - 1 - lora + 1, fields);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, text, said) in [
            ("epochs", "many", "epochs: “many” is not a whole number"),
            ("learning_rate", "inf", "learning_rate: “inf” is not a number"),
            (
                "schedule",
                "<b>",
                "schedule: “<b>” is not linear or constant or cosine",
            ),
            ("shuffle", "perhaps", "shuffle: “perhaps” is not yes or no"),
            ("device", "gpu", "device: “gpu” is not cpu, cuda or cuda:1"),
            (
                "batch_pairs",
                "99999999999",
                "batch_pairs: “99999999999” is not a number below 4,294,967,296",
            ),
        ] {
            let refused = read(of(Method::Head), &typed(&[(name, text)])).unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }

    #[test]
    fn settings_of_other_methods_are_left_out() {
        let asked = typed(&[
            ("ensemble", "4"),
            ("lora_rank", "2"),
            ("epochs", "3"),
            ("ties", "davidson"),
        ]);
        let head = read(of(Method::Head), &asked).unwrap();
        assert_eq!((head.ensemble, head.lora.rank, head.epochs), (4, 16, 3));
        assert_eq!(head.ties, Some(Ties::Davidson { weight: Ties::WEIGHT }));
        let lora = read(of(Method::Lora), &asked).unwrap();
        assert_eq!((lora.ensemble, lora.lora.rank), (1, 2));
    }
}

//! Between settings and what is typed for them: in a form, or behind flags.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Recipe, Refusal, SETTINGS, Setting, Ties};

/// Texts by the settings' names; what is missing or empty means the default.
pub type Typed = BTreeMap<String, String>;

/// What is typed, by the fields of [`Recipe`]: only what is given, within `lora` too.
///
/// # Errors
/// The first setting whose text cannot be read.
pub fn values<'a>(
    settings: impl Iterator<Item = &'a Setting>,
    typed: &Typed,
) -> Result<Map<String, Value>, Refusal> {
    let (mut values, mut number) = (Map::new(), None);
    for setting in settings {
        let text = typed.get(setting.name).map_or("", |text| text.trim());
        if text.is_empty() {
            continue;
        }
        let value = setting.kind.parse(text).map_err(|reason| Refusal {
            setting: setting.name,
            reason,
        })?;
        match (setting.name, setting.part()) {
            ("ties_number", _) => number = value.as_f64(),
            (_, Some(part)) => {
                let lora = values.entry("lora").or_insert_with(|| Map::new().into());
                if let Value::Object(lora) = lora {
                    lora.insert(part.to_owned(), value);
                }
            }
            (name, None) => drop(values.insert(name.to_owned(), value)),
        }
    }
    if let Some(Value::String(model)) = values.get("ties") {
        let ties = serde_json::to_value(Ties::named(model, number)).unwrap_or_default();
        values.insert("ties".to_owned(), ties);
    }
    Ok(values)
}

/// The settings that are typed, over the defaults of a method. What other methods alone have is left out.
///
/// # Errors
/// The first setting whose text cannot be read.
pub fn read(defaults: &Recipe, typed: &Typed) -> Result<Recipe, Refusal> {
    let of_method = SETTINGS.iter().filter(|setting| setting.is_of(defaults.method));
    defaults.with(values(of_method, typed)?)
}

impl Recipe {
    /// This recipe with other values, by the names of its fields; within `lora` those that are given win.
    ///
    /// # Errors
    /// When a value is of another type than its field.
    pub fn with(&self, values: Map<String, Value>) -> Result<Recipe, Refusal> {
        let mut table = as_table(self);
        for (field, value) in values {
            match (table.get_mut(&field), value) {
                (Some(Value::Object(lora)), Value::Object(parts)) if field == "lora" => lora.extend(parts),
                (_, value) => drop(table.insert(field, value)),
            }
        }
        serde_json::from_value(Value::Object(table)).map_err(|error| Refusal {
            setting: "settings",
            reason: error.to_string(),
        })
    }
}

/// A setting as it would be typed; empty for none.
pub fn shown(recipe: &Recipe, name: &str) -> String {
    let table = as_table(recipe);
    let value = match (name, name.strip_prefix("lora_")) {
        ("ties", _) => return recipe.ties.map_or("none", |ties| ties.parts().0).to_owned(),
        ("ties_number", _) => {
            return recipe
                .ties
                .map_or_else(String::new, |ties| ties.parts().1.to_string());
        }
        (_, Some(part)) => table.get("lora").and_then(|lora| lora.get(part)),
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

/// What has to be typed over the defaults to get this recipe.
pub fn differing(recipe: &Recipe, defaults: &Recipe) -> Typed {
    let changed = |setting: &Setting| {
        let text = shown(recipe, setting.name);
        (text != shown(defaults, setting.name)).then(|| (setting.name.to_owned(), text))
    };
    SETTINGS
        .iter()
        .filter(|setting| setting.is_of(recipe.method))
        .filter_map(changed)
        .collect()
}

fn as_table(recipe: &Recipe) -> Map<String, Value> {
    match serde_json::to_value(recipe) {
        Ok(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Keep, Lora, Method, Optimizer, Pooling, Precision, Schedule, Truncation};

    fn typed(texts: &[(&str, &str)]) -> Typed {
        texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn of(method: Method) -> Recipe {
        Recipe {
            method,
            ..Recipe::as_before()
        }
    }

    /// Nothing that can be set is missing from the form: all differs, and all comes back.
    #[test]
    fn every_setting_survives_the_form() {
        let all = Recipe {
            method: Method::Lora,
            base_model: "intfloat/e5".into(),
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
            floor_share: 0.25,
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
            ..Recipe::of(Method::Lora)
        };
        for method in Method::ALL {
            let asked = Recipe {
                method: *method,
                ..all.clone()
            };
            let typed = differing(&asked, &of(*method));
            let read = read(&of(*method), &typed).unwrap();
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
        // What is chosen elsewhere, or by nobody.
        let mut others = as_table(&all);
        others.retain(|field, _| SETTINGS.iter().all(|setting| setting.field() != field));
        let mut others: Vec<&String> = others.keys().collect();
        others.sort();
        assert_eq!(others, ["checkpoint_every_seconds", "method", "use_margin"]);
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
            let refused = read(&of(Method::Head), &typed(&[(name, text)])).unwrap_err();
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
        let head = read(&of(Method::Head), &asked).unwrap();
        assert_eq!((head.ensemble, head.lora.rank, head.epochs), (4, 16, 3));
        assert_eq!(head.ties, Some(Ties::Davidson { weight: Ties::WEIGHT }));
        let lora = read(&of(Method::Lora), &asked).unwrap();
        assert_eq!((lora.ensemble, lora.lora.rank), (1, 2));
    }
}

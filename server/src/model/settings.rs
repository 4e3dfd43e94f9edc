//! A run's settings as the engine's configuration, and back. Both ways name every field, so that none can be
//! forgotten.

use std::path::Path;

use domain::run::{self, Settings};
use reward_model::{TrainConfig, loss::Ties};

/// Two spellings of one choice, each into the other.
macro_rules! same_choice {
    ($to_engine:ident, $to_domain:ident, $domain:ty, $engine:ty, [$($variant:ident),*]) => {
        pub fn $to_engine(choice: $domain) -> $engine {
            match choice {
                $(<$domain>::$variant => <$engine>::$variant,)*
            }
        }

        fn $to_domain(choice: $engine) -> $domain {
            match choice {
                $(<$engine>::$variant => <$domain>::$variant,)*
            }
        }
    };
}

same_choice!(
    engine_method,
    domain_method,
    run::Method,
    reward_model::Method,
    [Head, Lora, Layers, Full]
);
same_choice!(
    engine_pooling,
    domain_pooling,
    run::Pooling,
    reward_model::PoolBy,
    [Family, Mean, Auto]
);
same_choice!(
    engine_precision,
    domain_precision,
    run::Precision,
    reward_model::Precision,
    [F32, Bf16]
);
same_choice!(
    engine_optimizer,
    domain_optimizer,
    run::Optimizer,
    reward_model::Rule,
    [Adamw, Adam, Sgd, Rmsprop]
);
same_choice!(
    engine_schedule,
    domain_schedule,
    run::Schedule,
    reward_model::Schedule,
    [Constant, Linear, Cosine]
);
same_choice!(
    engine_truncation,
    domain_truncation,
    run::Truncation,
    reward_model::Truncation,
    [Beginning, Middle, End]
);
same_choice!(
    engine_keep,
    domain_keep,
    run::Keep,
    reward_model::Keep,
    [Last, Best]
);

/// The settings that a method starts from.
pub fn default_settings(method: run::Method) -> Settings {
    settings(default_config(method))
}

/// The engine's own defaults for a method.
pub fn default_config(method: run::Method) -> TrainConfig {
    TrainConfig::of(engine_method(method))
}

/// The engine's configuration for these settings. What is not a run's own to decide is the method's default.
pub fn train_config(settings: &Settings, base_model: &Path, use_margin: bool) -> TrainConfig {
    let lora = &settings.lora;
    TrainConfig {
        method: engine_method(settings.method),
        base_model: base_model.to_owned(),
        pooling: engine_pooling(settings.pooling),
        last_layers: settings.last_layers,
        lora: reward_model::Lora {
            rank: lora.rank,
            alpha: lora.alpha,
            dropout: lora.dropout,
            target_modules: lora.target_modules.clone(),
        },
        from_scratch: settings.from_scratch,
        ensemble: settings.ensemble,
        seed: settings.seed,
        epochs: settings.epochs,
        precision: engine_precision(settings.precision),
        device: engine_device(settings.device),
        batch_pairs: settings.batch_pairs,
        accumulate: settings.accumulate,
        shuffle: settings.shuffle,
        optimizer: engine_optimizer(settings.optimizer),
        schedule: engine_schedule(settings.schedule),
        learning_rate: settings.learning_rate,
        head_learning_rate: settings.head_learning_rate,
        layer_decay: settings.layer_decay,
        dropout: settings.dropout,
        weight_decay: settings.weight_decay,
        warmup_share: settings.warmup_share,
        max_tokens: settings.max_tokens,
        truncation: engine_truncation(settings.truncation),
        use_margin,
        margin_scale: settings.margin_scale,
        label_smoothing: settings.label_smoothing,
        ties: settings.ties.map(engine_ties),
        centring: settings.centring,
        max_grad_norm: settings.max_grad_norm,
        evaluate_every: settings.evaluate_every,
        evaluate_every_steps: settings.evaluate_every_steps,
        patience: settings.patience,
        keep: engine_keep(settings.keep),
        checkpoint_every_steps: settings.checkpoint_every_steps,
        checkpoint_every_seconds: default_config(settings.method).checkpoint_every_seconds,
    }
}

fn settings(config: TrainConfig) -> Settings {
    let lora = config.lora;
    Settings {
        method: domain_method(config.method),
        pooling: domain_pooling(config.pooling),
        last_layers: config.last_layers,
        lora: run::Lora {
            rank: lora.rank,
            alpha: lora.alpha,
            dropout: lora.dropout,
            target_modules: lora.target_modules,
        },
        from_scratch: config.from_scratch,
        ensemble: config.ensemble,
        seed: config.seed,
        epochs: config.epochs,
        precision: domain_precision(config.precision),
        device: domain_device(config.device),
        batch_pairs: config.batch_pairs,
        accumulate: config.accumulate,
        shuffle: config.shuffle,
        optimizer: domain_optimizer(config.optimizer),
        schedule: domain_schedule(config.schedule),
        learning_rate: config.learning_rate,
        head_learning_rate: config.head_learning_rate,
        layer_decay: config.layer_decay,
        dropout: config.dropout,
        weight_decay: config.weight_decay,
        warmup_share: config.warmup_share,
        max_tokens: config.max_tokens,
        truncation: domain_truncation(config.truncation),
        margin_scale: config.margin_scale,
        label_smoothing: config.label_smoothing,
        ties: config.ties.map(domain_ties),
        centring: config.centring,
        max_grad_norm: config.max_grad_norm,
        evaluate_every: config.evaluate_every,
        evaluate_every_steps: config.evaluate_every_steps,
        patience: config.patience,
        keep: domain_keep(config.keep),
        checkpoint_every_steps: config.checkpoint_every_steps,
    }
}

/// The engine's name of a device.
pub fn engine_device(device: run::Device) -> reward_model::Device {
    match device {
        run::Device::Cpu => reward_model::Device::Cpu,
        run::Device::Cuda(number) => reward_model::Device::Cuda(number),
    }
}

fn domain_device(device: reward_model::Device) -> run::Device {
    match device {
        reward_model::Device::Cpu => run::Device::Cpu,
        reward_model::Device::Cuda(number) => run::Device::Cuda(number),
    }
}

fn engine_ties(ties: run::Ties) -> Ties {
    match ties {
        run::Ties::RaoKupper { threshold } => Ties::RaoKupper { threshold },
        run::Ties::Davidson { weight } => Ties::Davidson { weight },
    }
}

fn domain_ties(ties: Ties) -> run::Ties {
    match ties {
        Ties::RaoKupper { threshold } => run::Ties::RaoKupper { threshold },
        Ties::Davidson { weight } => run::Ties::Davidson { weight },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    /// Another value for each field of the settings.
    fn changed() -> Map<String, Value> {
        let changes = json!({
            "method": "full", "pooling": "mean", "last_layers": 3, "from_scratch": true, "ensemble": 5, "seed": 77,
            "lora": { "rank": 3, "alpha": 7.5, "dropout": 0.25, "target_modules": ["key", "dense"] },
            "epochs": 9, "precision": "bf16", "device": "cuda:1", "batch_pairs": 13, "accumulate": 4, "shuffle": false,
            "optimizer": "rmsprop", "schedule": "cosine", "learning_rate": 0.125, "head_learning_rate": 0.75,
            "layer_decay": 0.5, "dropout": 0.375, "weight_decay": 0.625, "warmup_share": 0.5, "max_tokens": 99, "truncation": "end",
            "margin_scale": 2.5, "label_smoothing": 0.0625, "ties": { "model": "davidson", "weight": 1.5 },
            "centring": 0.03125, "max_grad_norm": 3.5, "evaluate_every": 0.875, "evaluate_every_steps": 17,
            "patience": 6, "keep": "best", "checkpoint_every_steps": 23,
        });
        changes.as_object().unwrap().clone()
    }

    fn as_table(value: impl serde::Serialize) -> Map<String, Value> {
        serde_json::to_value(value).unwrap().as_object().unwrap().clone()
    }

    #[test]
    fn settings_reach_the_engine_unchanged() {
        let defaults = default_settings(run::Method::Head);
        let engine_defaults = as_table(train_config(&defaults, "base".as_ref(), false));
        assert_eq!(
            as_table(&defaults).len(),
            changed().len(),
            "every field is changed"
        );
        for (field, value) in changed() {
            let mut table = as_table(&defaults);
            let before = table.insert(field.clone(), value.clone());
            assert_ne!(before.as_ref(), Some(&value), "{field} is changed");
            let settings: Settings = serde_json::from_value(table.into()).unwrap();
            let config = train_config(&settings, "base".as_ref(), false);
            let mut expected = engine_defaults.clone();
            expected.insert(field.clone(), value);
            if field == "method" {
                let seconds = default_config(settings.method).checkpoint_every_seconds;
                expected.insert("checkpoint_every_seconds".to_owned(), json!(seconds));
            }
            assert_eq!(as_table(&config), expected, "{field}");
            assert_eq!(super::settings(config), settings, "{field} comes back");
        }
    }

    #[test]
    fn every_field_of_the_engine_is_a_setting_or_known_to_be_none() {
        let known = as_table(default_settings(run::Method::Full));
        let config = as_table(TrainConfig::full());
        let mut others: Vec<&String> = config.keys().filter(|key| !known.contains_key(*key)).collect();
        others.sort();
        assert_eq!(others, ["base_model", "checkpoint_every_seconds", "use_margin"]);
    }

    #[test]
    fn defaults_are_the_engines_own() {
        for method in run::Method::ALL {
            let untouched = TrainConfig {
                base_model: "base".into(),
                use_margin: false,
                ..default_config(*method)
            };
            let config = train_config(&default_settings(*method), "base".as_ref(), false);
            assert_eq!(config, untouched);
        }
    }
}

//! Every setting that people may change, in the form's order.

use crate::{
    Group::{self, Checkpoints, HeldOut, Loss, StepsAndRates, WhatLearns},
    Keep,
    Kind::{self, Choice, Decimal, Names, Whole, YesNo},
    Method::{self, Full, Head, Layers, Lora},
    Optimizer, Pooling, Precision, Recipe, Schedule, Setting, Ties, Truncation,
};

/// Those that train layers of the model.
const DEEP: &[Method] = &[Lora, Layers, Full];

const ABOVE_0: &str = "must be above 0 and at most 1";
const BELOW_1: &str = "must be at least 0 and below 1";

const fn setting(
    group: Group,
    (name, kind): (&'static str, Kind),
    label: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        label,
        about,
        group,
        kind,
        methods: &[],
        sound: |_| true,
        expects: "",
    }
}

impl Setting {
    const fn only(self, methods: &'static [Method]) -> Setting {
        Setting { methods, ..self }
    }

    /// What it may be, and the sentence where it is not.
    const fn must(self, sound: fn(&Recipe) -> bool, expects: &'static str) -> Setting {
        Setting {
            sound,
            expects,
            ..self
        }
    }
}

fn is_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= 1.0
}

fn is_share(share: f64) -> bool {
    (0.0..1.0).contains(&share)
}

fn is_amount(amount: f64) -> bool {
    amount >= 0.0 && amount.is_finite()
}

fn deep(recipe: &Recipe) -> bool {
    recipe.method != Head
}

/// All of them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting(WhatLearns, ("base_model", Kind::Base), "Base model",
        "What learns, or what a head is put on. Choose another when prompts are in a language that it does not read, or to go on from a model trained here."),
    setting(WhatLearns, ("ensemble", Whole), "Heads side by side",
        "Each learns from its own resampling of the pairs, and their spread tells how sure the reward is. Try 5 when you want to know.")
        .only(&[Head])
        .must(|r| (1..=64).contains(&r.ensemble) && (r.ensemble == 1 || r.method == Head), "must be 1 to 64, and 1 for all methods but head"),
    setting(WhatLearns, ("lora_rank", Whole), "Rank",
        "Rows of the small matrices. More can learn more; raise it when both losses stay high.")
        .only(&[Lora])
        .must(|r| (1..=256).contains(&r.lora.rank), "must be 1 to 256"),
    setting(WhatLearns, ("lora_alpha", Decimal), "Alpha",
        "Strength of the small matrices, divided by the rank. Twice the rank is usual.")
        .only(&[Lora])
        .must(|r| r.lora.alpha > 0.0 && r.lora.alpha.is_finite(), "must be above 0"),
    setting(WhatLearns, ("lora_dropout", Decimal), "Dropout before the small matrices",
        "Share of their input that is dropped. Try 0.05 when the held-out loss rises while the training loss falls.")
        .only(&[Lora])
        .must(|r| is_share(r.lora.dropout), BELOW_1),
    setting(WhatLearns, ("lora_target_modules", Names), "Layers with small matrices",
        "Ends of the layers’ names, with commas. Empty means the queries and values of attention; add more when that learns too little.")
        .only(&[Lora])
        .must(|r| r.lora.target_modules.iter().all(|name| !name.trim().is_empty()), "no name may be empty"),
    setting(WhatLearns, ("last_layers", Whole), "Last layers that learn",
        "Counted from the top. More learn more, slower; raise it when the model stays near chance.")
        .only(&[Layers])
        .must(|r| r.method != Layers || r.last_layers > 0, "must be at least 1"),
    setting(WhatLearns, ("from_scratch", YesNo), "Start from nothing",
        "Forgets what the base model knows. Only to see how much that helps.")
        .only(&[Full])
        .must(|r| !r.from_scratch || r.method == Full, "only the method full starts every weight at random"),
    setting(WhatLearns, ("pooling", Choice(Pooling::WORDS)), "What the reward is read from",
        "mean averages over the words, family does as transformers does; auto takes the mean for encoders. Choose family when the model is to open in transformers.")
        .only(DEEP),
    setting(WhatLearns, ("precision", Choice(Precision::WORDS)), "Precision",
        "bf16 is faster on processors that know it, and less exact. Change it when training takes too long."),
    setting(WhatLearns, ("device", Kind::Device), "Computed on",
        "cpu, or cuda for an NVIDIA GPU (cuda:1 for the second), if this server was built for it. Change it when training takes too long."),
    setting(WhatLearns, ("max_tokens", Whole), "Longest text in tokens",
        "Longer ones are cut. Raise it when many are; time grows with it.")
        .must(|r| (8..=8192).contains(&r.max_tokens), "must be 8 to 8,192"),
    setting(WhatLearns, ("truncation", Choice(Truncation::WORDS)), "What is cut of longer texts",
        "The response is last: cutting the beginning keeps it whole if it fits. Try middle when the first words of the prompt matter."),
    setting(WhatLearns, ("seed", Whole), "Seed of the training",
        "Decides what is left to chance. Change it to see how much of a result is luck."),
    setting(StepsAndRates, ("epochs", Whole), "Passes over the pairs",
        "More learn the pairs better by heart. Lower it when the held-out loss rises again.")
        .must(|r| (1..=1000).contains(&r.epochs), "must be 1 to 1,000"),
    setting(StepsAndRates, ("batch_pairs", Whole), "Pairs in a batch",
        "Computed together. Larger batches are steadier and need more memory.")
        .must(|r| (1..=4096).contains(&r.batch_pairs), "must be 1 to 4,096"),
    setting(StepsAndRates, ("accumulate", Whole), "Batches per step",
        "Their gradients are added up. Raise it for larger steps when memory is short.")
        .must(|r| (1..=4096).contains(&r.accumulate), "must be 1 to 4,096"),
    setting(StepsAndRates, ("shuffle", YesNo), "Draw the order of the batches anew",
        "In each pass. Turn it off only when the order of the pairs means something."),
    setting(StepsAndRates, ("optimizer", Choice(Optimizer::WORDS)), "Optimizer",
        "How gradients move weights. adamw is a safe choice; sgd wants a much higher learning rate."),
    setting(StepsAndRates, ("learning_rate", Decimal), "Learning rate",
        "Size of the steps at their largest. Halve it when the loss jumps, double it when it hardly falls.")
        .must(|r| is_rate(r.learning_rate), ABOVE_0),
    setting(StepsAndRates, ("schedule", Choice(Schedule::WORDS)), "Learning rate after the warm-up",
        "Falls in a line, stays, or falls along a cosine. Use constant when you stop early."),
    setting(StepsAndRates, ("floor_share", Decimal), "Learning rate in the end, share of the peak",
        "Where a line or a cosine ends. Try 0.1 when the held-out loss still falls as the run ends.")
        .must(|r| is_share(r.floor_share), BELOW_1),
    setting(StepsAndRates, ("warmup_share", Decimal), "Warm-up, share of the steps",
        "The learning rate rises from 0 over so many. Raise it when the loss jumps at the beginning.")
        .must(|r| is_share(r.warmup_share), BELOW_1),
    setting(StepsAndRates, ("head_learning_rate", Decimal), "Learning rate of the layer on top",
        "That layer starts at random. Empty means as all others; try ten times that when a run starts slowly.")
        .only(DEEP)
        .must(|r| r.head_learning_rate.is_none_or(|rate| is_rate(rate) && deep(r)), "must be above 0 and at most 1; the method head has one learning rate"),
    setting(StepsAndRates, ("layer_decay", Decimal), "Learning rate from layer to layer",
        "Multiplies it for each layer further down. Try 0.9 to keep more of what the base model knows.")
        .only(DEEP)
        .must(|r| is_rate(r.layer_decay) && (r.layer_decay == 1.0 || deep(r)), "must be above 0 and at most 1; the method head trains no layers"),
    setting(StepsAndRates, ("weight_decay", Decimal), "Weight decay",
        "Pulls weights towards 0. Raise it when the held-out loss rises while the training loss falls.")
        .must(|r| (0.0..=10.0).contains(&r.weight_decay), "must be 0 to 10"),
    setting(StepsAndRates, ("dropout", Decimal), "Dropout",
        "Share that is dropped at each layer while training. Try 0.1 when there are few pairs and many passes.")
        .only(DEEP)
        .must(|r| is_share(r.dropout) && (r.dropout == 0.0 || deep(r)), "must be at least 0 and below 1; the method head drops nothing: its embeddings are cached"),
    setting(StepsAndRates, ("max_grad_norm", Decimal), "Longest gradient",
        "Longer ones are scaled down to it; 0 for no limit. Lower it when the gradient’s curve has spikes.")
        .must(|r| is_amount(r.max_grad_norm), "must be 0 (no limit) or more"),
    setting(Loss, ("margin_scale", Decimal), "Scale of the margins",
        "Multiplies the lead that clearer preferences ask for, where the data asks for leads. Raise it to spread the rewards.")
        .must(|r| (0.0..=1000.0).contains(&r.margin_scale), "must be 0 to 1,000"),
    setting(Loss, ("label_smoothing", Decimal), "Label smoothing",
        "How often a judgement is taken to be wrong. Try 0.1 when people often disagree. Not together with ties.")
        .must(|r| (0.0..0.5).contains(&r.label_smoothing) && (r.label_smoothing == 0.0 || r.ties.is_none()),
            "must be at least 0 and below 0.5, and 0 where ties are learnt"),
    setting(Loss, ("ties", Choice(Ties::WORDS)), "Ties",
        "With a model of ties, pairs judged a tie are learnt from too. Choose one when there are many ties."),
    setting(Loss, ("ties_number", Decimal), "Number of the ties",
        "For rao_kupper the rewards that cannot be told apart (0.5), for davidson how likely a tie is (1). Raise it when ties are frequent.")
        .must(|r| r.ties.is_none_or(Ties::is_sound), "must be above 0 and finite"),
    setting(Loss, ("centring", Decimal), "Centring",
        "Draws rewards towards 0. Try 0.01 when they drift and you compare them between prompts.")
        .must(|r| is_amount(r.centring), "must be 0 or more"),
    setting(HeldOut, ("evaluate_every", Decimal), "Passes between evaluations",
        "How often the held-out pairs are scored. Lower it for a finer curve; each takes time.")
        .must(|r| (0.01..=1000.0).contains(&r.evaluate_every), "must be 0.01 to 1,000 epochs"),
    setting(HeldOut, ("evaluate_every_steps", Whole), "Steps between evaluations",
        "The same in steps; 0 goes by passes. Use it when a pass is very long."),
    setting(HeldOut, ("patience", Whole), "Evaluations without progress before it stops",
        "0 never stops early. Try 3 when the number of passes is a guess.")
        .must(|r| r.patience <= 1000, "must be 0 (never stop early) to 1,000 evaluations"),
    setting(HeldOut, ("keep", Choice(Keep::WORDS)), "Weights that are kept",
        "Those of the last step, or of the evaluation with the lowest loss. Choose best when the held-out loss rises in the end.")
        .must(|r| r.keep == Keep::Last || r.ensemble == 1, "an ensemble keeps its last weights"),
    setting(Checkpoints, ("checkpoint_every_steps", Whole), "Steps between checkpoints",
        "A stopped run goes on from its last checkpoint. 0 leaves it to time, which is every few seconds to a minute."),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut Recipe)) -> &'static str {
        let mut recipe = Recipe::of(Full);
        change(&mut recipe);
        recipe.check().unwrap_err().setting
    }

    #[test]
    fn what_a_setting_may_not_be_is_named() {
        assert_eq!(refused(|r| r.learning_rate = f64::NAN), "learning_rate");
        assert_eq!(refused(|r| r.epochs = 0), "epochs");
        assert_eq!(refused(|r| r.evaluate_every = 0.0), "evaluate_every");
        assert_eq!(refused(|r| r.ensemble = 2), "ensemble");
        assert_eq!(refused(|r| r.lora.rank = 0), "lora_rank");
        assert_eq!(
            refused(|r| r.ties = Some(Ties::Davidson { weight: 0.0 })),
            "ties_number"
        );
        assert_eq!(
            refused(|r| (r.method, r.dropout) = (Head, 0.1)),
            "dropout",
            "other methods' settings are refused"
        );
    }
}

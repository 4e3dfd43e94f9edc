//! Every setting of the form, in its order.

use domain::run::Method::{self, Full, Head, Layers, Lora};

use super::{
    Group::{self, Checkpoints, HeldOut, Loss, StepsAndRates, WhatLearns},
    Kind::{self, Choice, Decimal, Device, Names, Whole, YesNo},
    Setting,
};

/// Those that train layers of the model.
const DEEP: &[Method] = &[Lora, Layers, Full];

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
    }
}

impl Setting {
    const fn only(self, methods: &'static [Method]) -> Setting {
        Setting { methods, ..self }
    }
}

/// All of them.
pub const SETTINGS: &[Setting] = &[
    setting(WhatLearns, ("ensemble", Whole), "Heads side by side",
        "Each learns from its own resampling of the pairs, and their spread tells how sure the reward is. Try 5 when you want to know.").only(&[Head]),
    setting(WhatLearns, ("lora_rank", Whole), "Rank",
        "Rows of the small matrices. More can learn more; raise it when both losses stay high.").only(&[Lora]),
    setting(WhatLearns, ("lora_alpha", Decimal), "Alpha",
        "Strength of the small matrices, divided by the rank. Twice the rank is usual.").only(&[Lora]),
    setting(WhatLearns, ("lora_dropout", Decimal), "Dropout before the small matrices",
        "Share of their input that is dropped. Try 0.05 when the held-out loss rises while the training loss falls.").only(&[Lora]),
    setting(WhatLearns, ("lora_target_modules", Names), "Layers with small matrices",
        "Ends of the layers’ names, with commas. Empty means the queries and values of attention; add more when that learns too little.").only(&[Lora]),
    setting(WhatLearns, ("last_layers", Whole), "Last layers that learn",
        "Counted from the top. More learn more, slower; raise it when the model stays near chance.").only(&[Layers]),
    setting(WhatLearns, ("from_scratch", YesNo), "Start from nothing",
        "Forgets what the base model knows. Only to see how much that helps.").only(&[Full]),
    setting(WhatLearns, ("pooling", Choice(&["auto", "family", "mean"])), "What the reward is read from",
        "mean averages over the words, family does as transformers does; auto takes the mean for encoders. Choose family when the model is to open in transformers.").only(DEEP),
    setting(WhatLearns, ("precision", Choice(&["f32", "bf16"])), "Precision",
        "bf16 is faster on processors that know it, and less exact. Change it when training takes too long."),
    setting(WhatLearns, ("device", Device), "Computed on",
        "cpu, or cuda for an NVIDIA GPU (cuda:1 for the second), if this server was built for it. Change it when training takes too long."),
    setting(WhatLearns, ("max_tokens", Whole), "Longest text in tokens",
        "Longer ones are cut. Raise it when many are; time grows with it."),
    setting(WhatLearns, ("truncation", Choice(&["beginning", "middle", "end"])), "What is cut of longer texts",
        "The response is last: cutting the beginning keeps it whole if it fits. Try middle when the first words of the prompt matter."),
    setting(WhatLearns, ("seed", Whole), "Seed of the training",
        "Decides what is left to chance. Change it to see how much of a result is luck."),
    setting(StepsAndRates, ("epochs", Whole), "Passes over the pairs",
        "More learn the pairs better by heart. Lower it when the held-out loss rises again."),
    setting(StepsAndRates, ("batch_pairs", Whole), "Pairs in a batch",
        "Computed together. Larger batches are steadier and need more memory."),
    setting(StepsAndRates, ("accumulate", Whole), "Batches per step",
        "Their gradients are added up. Raise it for larger steps when memory is short."),
    setting(StepsAndRates, ("shuffle", YesNo), "Draw the order of the batches anew",
        "In each pass. Turn it off only when the order of the pairs means something."),
    setting(StepsAndRates, ("optimizer", Choice(&["adamw", "adam", "sgd", "rmsprop"])), "Optimizer",
        "How gradients move weights. adamw is a safe choice; sgd wants a much higher learning rate."),
    setting(StepsAndRates, ("learning_rate", Decimal), "Learning rate",
        "Size of the steps at their largest. Halve it when the loss jumps, double it when it hardly falls."),
    setting(StepsAndRates, ("schedule", Choice(&["linear", "constant", "cosine"])), "Learning rate after the warm-up",
        "Falls in a line, stays, or falls along a cosine. Use constant when you stop early."),
    setting(StepsAndRates, ("warmup_share", Decimal), "Warm-up, share of the steps",
        "The learning rate rises from 0 over so many. Raise it when the loss jumps at the beginning."),
    setting(StepsAndRates, ("head_learning_rate", Decimal), "Learning rate of the layer on top",
        "That layer starts at random. Empty means as all others; try ten times that when a run starts slowly.").only(DEEP),
    setting(StepsAndRates, ("layer_decay", Decimal), "Learning rate from layer to layer",
        "Multiplies it for each layer further down. Try 0.9 to keep more of what the base model knows.").only(DEEP),
    setting(StepsAndRates, ("weight_decay", Decimal), "Weight decay",
        "Pulls weights towards 0. Raise it when the held-out loss rises while the training loss falls."),
    setting(StepsAndRates, ("dropout", Decimal), "Dropout",
        "Share that is dropped at each layer while training. Try 0.1 when there are few pairs and many passes.").only(DEEP),
    setting(StepsAndRates, ("max_grad_norm", Decimal), "Longest gradient",
        "Longer ones are scaled down to it; 0 for no limit. Lower it when the gradient’s curve has spikes."),
    setting(Loss, ("margin_scale", Decimal), "Scale of the margins",
        "Multiplies the lead that clearer preferences ask for, where the data asks for leads. Raise it to spread the rewards."),
    setting(Loss, ("label_smoothing", Decimal), "Label smoothing",
        "How often a judgement is taken to be wrong. Try 0.1 when people often disagree. Not together with ties."),
    setting(Loss, ("ties", Choice(&["none", "rao_kupper", "davidson"])), "Ties",
        "With a model of ties, pairs judged a tie are learnt from too. Choose one when there are many ties."),
    setting(Loss, ("ties_number", Decimal), "Number of the ties",
        "For rao_kupper the rewards that cannot be told apart (0.5), for davidson how likely a tie is (1). Raise it when ties are frequent."),
    setting(Loss, ("centring", Decimal), "Centring",
        "Draws rewards towards 0. Try 0.01 when they drift and you compare them between prompts."),
    setting(HeldOut, ("evaluate_every", Decimal), "Passes between evaluations",
        "How often the held-out pairs are scored. Lower it for a finer curve; each takes time."),
    setting(HeldOut, ("evaluate_every_steps", Whole), "Steps between evaluations",
        "The same in steps; 0 goes by passes. Use it when a pass is very long."),
    setting(HeldOut, ("patience", Whole), "Evaluations without progress before it stops",
        "0 never stops early. Try 3 when the number of passes is a guess."),
    setting(HeldOut, ("keep", Choice(&["last", "best"])), "Weights that are kept",
        "Those of the last step, or of the evaluation with the lowest loss. Choose best when the held-out loss rises in the end."),
    setting(Checkpoints, ("checkpoint_every_steps", Whole), "Steps between checkpoints",
        "A stopped run goes on from its last checkpoint. 0 leaves it to time, which is every few seconds to a minute."),
];

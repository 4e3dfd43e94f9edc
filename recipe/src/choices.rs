//! Settings that are one of some words, spelled the same in the database, in forms, in files and on the command line.

use serde::{Deserialize, Serialize};

/// A word that is none of a setting's choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{given}” is not a {setting}: use {choices}")]
pub struct UnknownChoice {
    given: String,
    setting: &'static str,
    choices: String,
}

/// An enum without data; the first is the default.
macro_rules! choice {
    (
        $(#[$doc:meta])* $name:ident, $setting:literal
        { $(#[$about:meta])* $first:ident = $text:literal $(, $(#[$of:meta])* $other:ident = $spelling:literal)* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $(#[$about])*
            #[default]
            #[serde(rename = $text)]
            $first,
            $($(#[$of])* #[serde(rename = $spelling)] $other,)*
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$name::$first $(, $name::$other)*];

            /// How they are spelled.
            pub const WORDS: &'static [&'static str] = &[$text $(, $spelling)*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $text,
                    $($name::$other => $spelling,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<$name, UnknownChoice> {
                let found = $name::ALL.iter().copied().find(|choice| choice.as_str() == text);
                found.ok_or_else(|| UnknownChoice {
                    given: text.to_owned(),
                    setting: $setting,
                    choices: $name::WORDS.join(", "),
                })
            }
        }
    };
}

choice! {
    /// Which parts of the model learn.
    Method, "method" {
        /// A linear head on the frozen backbone's mean-pooled embeddings: seconds, once they are cached.
        Head = "head",
        /// Low-rank matrices beside the layers named in `lora`, and the head on top (Hu et al. 2021, "LoRA").
        Lora = "lora",
        /// The last `last_layers` layers, and the head on top.
        Layers = "layers",
        /// Every weight: minutes.
        Full = "full",
    }
}

choice! {
    /// What turns a text's hidden states into one vector, for all methods but `head`.
    Pooling, "way of pooling" {
        /// As transformers' `…ForSequenceClassification` of the family does: for BERT a pooler on the first token.
        Family = "family",
        /// The mean over tokens, then one linear output: what sentence encoders were trained with.
        Mean = "mean",
        /// The mean for encoders, the family's way for decoders, whose last token alone has read all others.
        Auto = "auto",
    }
}

choice! {
    /// In which numbers products are computed; sums, norms and the optimizer are in f32 either way.
    Precision, "precision" {
        /// Single precision.
        F32 = "f32",
        /// Factors rounded to bfloat16 (8 bits of mantissa), sums in f32: fast on processors with AVX-512 BF16.
        Bf16 = "bf16",
    }
}

choice! {
    /// How gradients move weights, with the numbers that `torch.optim` takes unless told otherwise.
    Optimizer, "optimizer" {
        /// Loshchilov and Hutter 2019, "Decoupled weight decay regularization".
        Adamw = "adamw",
        /// Kingma and Ba 2014; weight decay enters the gradient.
        Adam = "adam",
        /// Stochastic gradient descent with a momentum of 0.9.
        Sgd = "sgd",
        /// Tieleman and Hinton 2012.
        Rmsprop = "rmsprop",
    }
}

choice! {
    /// What the learning rate does after its warm-up.
    Schedule, "schedule" {
        /// It falls in a straight line to 0.
        Linear = "linear",
        /// It stays.
        Constant = "constant",
        /// It falls along half a cosine to 0 (Loshchilov and Hutter 2016, without restarts).
        Cosine = "cosine",
    }
}

choice! {
    /// Which weights a run ends with.
    Keep, "choice of what to keep" {
        /// Those after the last step.
        Last = "last",
        /// Those of the evaluation with the lowest log loss.
        Best = "best",
    }
}

choice! {
    /// What is left out of a text that is too long.
    Truncation, "choice of what to leave out" {
        /// The beginning: the response is last, and keeps what fits.
        Beginning = "beginning",
        /// The middle: the question and the response's last words stay.
        Middle = "middle",
        /// The end, as transformers does unless told otherwise.
        End = "end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_spelled_alike_everywhere() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        let error = "half".parse::<Method>().unwrap_err().to_string();
        assert_eq!(error, "“half” is not a method: use head, lora, layers, full");
    }
}

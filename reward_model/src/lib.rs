//! Train, save and ask a reward model.
//!
//! A [`Pair`] says that one response was preferred over another in a conversation. [`train`] turns pairs into a model
//! folder that Python opens too, emitting [`Event`]s on the way and obeying a stop flag; called again with the same run
//! folder, it goes on from the last checkpoint. A [`Scorer`] gives rewards with such a folder.
//!
//! Everything here is synchronous and computes on the CPU, or with the feature `cuda` on an NVIDIA GPU ([`recipe::Device`]). On the CPU
//! numbers do not depend on the number of cores: work is cut into the same parts everywhere and added up in the same order.

#![warn(missing_docs)]

mod backbone;
mod base;
mod chat;
mod checkpoint;
mod classifier;
pub mod data;
mod device;
mod embed;
mod error;
pub mod evaluate;
mod head;
mod infer;
mod jobs;
mod lanes;
pub mod loss;
mod optimizer;
mod padding;
mod predictions;
mod random;
mod save;
mod train;

pub use base::backbone_folder;
pub use data::{Cut, Encoded, Encoder, Example, Message, Pair, render};
pub use device::is_built_in;
pub use error::{ModelError, TrainError};
pub use evaluate::{Bin, LengthShare, Metrics, ScoredPair, Share, evaluate};
pub use infer::{Scored, Scorer};
pub use lanes::one_thread_per_operation;
pub use predictions::{PREDICTIONS, Prediction, write_predictions};
pub use save::{About, check_base_model, longest_text};
pub use train::{Best, Event, PairSource, Take, TrainOutcome, TrainRequest, check_recipe, train};

//! Where a model is computed.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a model is computed on, written as "cpu", "cuda" (the first GPU) or "cuda:1".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The processor, by the operations written for it.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number, counted from 0, by candle's CUDA kernels. Only in builds with the feature `cuda`.
    Cuda(u32),
}

/// A word that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a device: use cpu, cuda or cuda:1 for the second GPU")]
pub struct UnknownDevice(String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let number = |text: &str| {
            text.parse()
                .ok()
                .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        };
        let found = match text.split_once(':') {
            None if text == "cpu" => Some(Self::Cpu),
            None if text == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", text)) => number(text).map(Self::Cuda),
            _ => None,
        };
        found.ok_or_else(|| UnknownDevice(text.to_owned()))
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = UnknownDevice;

    fn try_from(text: String) -> Result<Self, UnknownDevice> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl Device {
    /// Whether this build can compute on devices of this kind; whether the machine has one shows when it is opened.
    pub fn is_built_in(self) -> bool {
        self == Self::Cpu || candle_core::utils::cuda_is_available()
    }

    /// candle's handle of it.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence: the build lacks the feature, or there is no such GPU.
    pub(crate) fn open(self) -> Result<candle_core::Device, String> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            _ if !self.is_built_in() => Err(NOT_BUILT_IN.to_owned()),
            Self::Cuda(number) => candle_core::Device::new_cuda(number as usize).map_err(|error| {
                // Behind the first line there may be a backtrace.
                let message = error.to_string();
                let reason = message.lines().next().unwrap_or_default();
                format!("{self} cannot be used: {reason}")
            }),
        }
    }
}

/// What is said of a GPU in a build without the feature.
pub(crate) const NOT_BUILT_IN: &str =
    "this build computes on the cpu alone: for cuda build it anew with `--features cuda`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:1", Device::Cuda(1)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(serde_json::to_value(device).unwrap(), text);
        }
        assert_eq!("cuda:0".parse(), Ok(Device::Cuda(0)));
        for unknown in ["", "gpu", "cuda:", "cuda:+1", "cuda:x", "cpu:0", "CUDA"] {
            assert!(unknown.parse::<Device>().is_err(), "{unknown}");
        }
    }
}

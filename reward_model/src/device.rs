//! Where a model is computed.

use recipe::Device;

/// Whether this build can compute on devices of this kind; whether the machine has one shows when it is opened.
pub fn is_built_in(device: Device) -> bool {
    device == Device::Cpu || candle_core::utils::cuda_is_available()
}

/// candle's handle of a device.
///
/// # Errors
/// Why it cannot be had, as a sentence: the build lacks the feature, or there is no such GPU.
pub(crate) fn open(device: Device) -> Result<candle_core::Device, String> {
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        _ if !is_built_in(device) => Err(NOT_BUILT_IN.to_owned()),
        Device::Cuda(number) => candle_core::Device::new_cuda(number as usize).map_err(|error| {
            // Behind the first line there may be a backtrace.
            let message = error.to_string();
            let reason = message.lines().next().unwrap_or_default();
            format!("{device} cannot be used: {reason}")
        }),
    }
}

/// What is said of a GPU in a build without the feature.
pub(crate) const NOT_BUILT_IN: &str =
    "this build computes on the cpu alone: for cuda build it anew with `--features cuda`";

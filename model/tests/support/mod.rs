//! What tests of kernels share.

#[allow(dead_code, reason = "of the two test programs one runs on the GPU only")]
pub mod emulator;
pub mod kernels;

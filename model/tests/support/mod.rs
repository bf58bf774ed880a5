//! What tests of kernels share.

pub mod emulator;
pub mod kernels;

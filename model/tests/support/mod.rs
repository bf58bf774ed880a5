//! What tests of kernels share.

#[allow(dead_code, reason = "of the test programs some compile nothing")]
mod cxx;
#[allow(dead_code, reason = "of the two test programs one runs on the GPU only")]
pub mod emulator;
#[allow(dead_code, reason = "as above: not every test program runs every check")]
pub mod kernels;
#[allow(dead_code, reason = "one test program has a device that is none")]
pub mod pretend;

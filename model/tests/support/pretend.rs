//! A CUDA device of libtorch that is none (`model/kernels/emulator/device.cc`), and the emulator as the runner of its kernels.

#![expect(unsafe_code, reason = "loads what was compiled a moment ago")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cxx;
use super::emulator::Emulator;
use terrarium_model::Device;
use terrarium_model::ops::cuda;

static KERNELS: Emulator = Emulator { descending: false };

/// The device, made at the first call. It must come before libtorch is asked whether there is CUDA.
pub fn device() -> Device {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let path = compiled().unwrap_or_else(|reason| panic!("{reason}"));
        // SAFETY: registers a device in libtorch, and stays loaded for ever.
        std::mem::forget(unsafe { libloading::Library::new(path) }.expect("the library loads"));
        cuda::register(Device::Cuda(0), &KERNELS);
    });
    Device::Cuda(0)
}

/// The library, compiled unless it is newer than its text.
fn compiled() -> Result<PathBuf, String> {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/emulator/device.cc");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pretended_device.so");
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if changed(&path) > changed(&text) {
        return Ok(path);
    }
    let libtorch = Path::new(terrarium_model::runtime::LIBTORCH);
    let mut compiler = Command::new("c++");
    compiler
        .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Werror"])
        .arg("-isystem")
        .arg(libtorch.join("include"))
        .arg("-isystem")
        .arg(libtorch.join("include/torch/csrc/api/include"))
        .arg(&text)
        .args(["lib/libtorch_cpu.so", "lib/libc10.so"].map(|name| libtorch.join(name)));
    cxx::made(compiler, path)
}

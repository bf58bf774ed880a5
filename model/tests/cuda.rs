//! The kernels on machines that can compile them, and on a GPU where one is found. What cannot run is skipped aloud.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use support::kernels::{self, Check};
use terrarium_model::cache::packed;
use terrarium_model::ops::cuda::{compile, device, published, sparse};
use terrarium_model::runtime::cuda;
use terrarium_model::{Device, Kind, Tensor};

/// Said past the test harness, which keeps what a passing test prints to itself.
fn skip(what: &str, reason: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {what}: {reason}").expect("stderr is open");
}

/// Every kernel, at the published sizes, becomes machine code for a Hopper GPU.
#[test]
fn every_kernel_compiles_to_machine_code() {
    let nvrtc = match compile::open(&cuda::nvrtc_folders(None)) {
        Ok(nvrtc) => nvrtc,
        Err(reason) => {
            skip("kernels are not compiled", &reason);
            return;
        }
    };
    assert_eq!(nvrtc.version.0, 13, "{nvrtc:?}");
    for program in published() {
        let code = compile::machine_code(&program, "sm_90a").unwrap();
        // An ELF file for NVIDIA's machine (190) that names its kernels.
        assert_eq!(
            (&code[..4], u16::from_le_bytes([code[18], code[19]])),
            (&b"\x7fELF"[..], 190),
            "{}",
            program.source.name
        );
        for kernel in program.source.kernels {
            let name = format!(".text.{kernel}\0");
            assert!(
                code.windows(name.len()).any(|bytes| bytes == name.as_bytes()),
                "{kernel} in {}",
                program.source.name
            );
        }
    }
    let mut wrong = published().swap_remove(0);
    wrong.constants.clear();
    let error = compile::machine_code(&wrong, "sm_90a").unwrap_err().to_string();
    assert!(error.contains("WIDTH"), "{error}");
}

/// A GPU, in a process that runs on the CUDA libtorch: this test starts itself again on it. None where that is not to be had, which is
/// said, or where another process has run the test.
fn gpu(test: &str) -> Option<&'static device::Device> {
    if std::env::var_os(cuda::STARTED).is_some() {
        cuda::load().expect("the CUDA libtorch loads");
        return Some(device::get(0, &nvrtc_folders()).expect("the device opens"));
    }
    let lib = match cuda::wanted(std::env::var_os(cuda::CHOICE).as_deref()) {
        Ok(lib) => lib,
        Err(reason) => {
            skip(test, &reason);
            return None;
        }
    };
    if let Err(reason) = device::get(0, &nvrtc_folders()) {
        skip(test, &reason);
        return None;
    }
    let mut paths = vec![lib.clone()];
    paths.extend(std::env::var_os(cuda::LIBRARY_PATH).iter().flat_map(std::env::split_paths));
    let status = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(cuda::LIBRARY_PATH, std::env::join_paths(paths).unwrap())
        .env(cuda::STARTED, &lib)
        .status();
    assert!(status.unwrap().success(), "{test} on the GPU");
    None
}

fn nvrtc_folders() -> Vec<PathBuf> {
    let libtorch = std::env::var_os(cuda::STARTED).map(PathBuf::from);
    let libtorch = libtorch.or_else(|| cuda::find_libtorch(std::env::var_os(cuda::CHOICE).as_deref()).ok());
    cuda::nvrtc_folders(libtorch.as_deref())
}

/// Every kernel with FlashMLA's and DeepGEMM's shapes and tolerances.
#[test]
fn kernels_on_a_gpu() {
    let Some(device) = gpu("kernels_on_a_gpu") else { return };
    let check = Check::on_gpu(device);
    kernels::sparse_forward(&check);
    kernels::sparse_backward(&check);
    kernels::index_scores(&check);
    kernels::index_backward(&check);
    kernels::top_k(&check);
    device.synchronise().unwrap();
}

/// Prints TFLOP/s of attention at FlashMLA's performance shapes, counted as it counts: 2 Q K H (576 + 512).
#[test]
#[ignore = "measures; run it alone on a quiet GPU"]
fn figures_on_a_gpu() {
    let Some(device) = gpu("figures_on_a_gpu") else { return };
    let place = Device::Cuda(0);
    for (name, queries, count, is_packed, parts) in [
        ("prefill", 4096, 8192, false, 1),
        ("prefill", 4096, 131_072, false, 1),
        ("decode fp8", 4, 32_768, true, 4),
        ("decode fp8", 256, 32_768, true, 1),
    ] {
        let (heads, selected) = (128, 2048);
        let normal = |size: &[i64]| (Tensor::randn(size, (Kind::Float, place)) / 10.0).to_kind(Kind::BFloat16);
        let (query, rows) = (normal(&[queries, heads, 576]), normal(&[count, 576]));
        let rows = if is_packed { packed::pack(&rows, 512) } else { rows };
        let slots = Tensor::randint(count, [queries, selected], (Kind::Int, place));
        let run = || drop(sparse::attend(device, &query, &rows, &slots, 512, 0.05, parts).unwrap());
        (0..3).for_each(|_| run());
        device.synchronise().unwrap();
        let (start, runs) = (Instant::now(), 20);
        (0..runs).for_each(|_| run());
        device.synchronise().unwrap();
        let seconds = start.elapsed().as_secs_f64() / f64::from(runs);
        let operations = 2.0 * (queries * selected * heads * (576 + 512)) as f64;
        eprintln!(
            "{}: {name}, {queries} queries of {count} keys: {:.3} ms, {:.0} TFLOP/s",
            device.name(),
            seconds * 1e3,
            operations / seconds / 1e12
        );
    }
}

//! The kernels on machines that can compile them, and on a GPU where one is found. What cannot run is skipped aloud.

mod support;

use support::kernels::{self, Check};
use terrarium_model::ops::cuda::{compile, device, published};
use terrarium_model::runtime::cuda;

/// Every kernel, at the published sizes, becomes machine code for a Hopper GPU.
#[test]
fn every_kernel_compiles_to_machine_code() {
    let nvrtc = match compile::open(&cuda::nvrtc_folders(None)) {
        Ok(nvrtc) => nvrtc,
        Err(reason) => {
            eprintln!("SKIPPED: kernels are not compiled: {reason}");
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

/// Every kernel with FlashMLA's and DeepGEMM's shapes and tolerances.
#[test]
fn kernels_on_a_gpu() {
    let device = match device::get(&cuda::nvrtc_folders(None)) {
        Ok(device) => device,
        Err(reason) => {
            eprintln!("SKIPPED: kernels are not run: {reason}");
            return;
        }
    };
    if let Err(reason) = cuda::load() {
        eprintln!("SKIPPED: kernels are not run: {reason}");
        return;
    }
    let check = Check::on_gpu(device);
    kernels::sparse_forward(&check);
    kernels::sparse_backward(&check);
    kernels::index_scores(&check);
    kernels::index_backward(&check);
    kernels::top_k(&check);
    device.synchronise().unwrap();
}

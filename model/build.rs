//! Writes the place of libtorch into this package's tests and benches, so that they run with no environment variable,
//! and its version into the library. (`LD_LIBRARY_PATH` still wins, because the linker writes the place as RUNPATH: that
//! is how another libtorch is chosen.) The place of NVRTC, which the same set-up script fetches, goes into the library as well. It also
//! compiles the one file of C++, which libtorch's gradient graph asks for.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let mut version = "2.11.0".to_owned(); // what torch-sys 0.24 asks for
    let mut libtorch = PathBuf::new();
    // torch-sys tells its direct dependents where it found the library.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        libtorch = Path::new(&folder).join("..");
        let file = libtorch.join("build-version");
        println!("cargo:rerun-if-changed={}", file.display());
        if let Ok(text) = std::fs::read_to_string(file) {
            text.split('+').next().unwrap_or_default().trim().clone_into(&mut version);
        }
    }
    println!("cargo:rustc-env=TERRARIUM_LIBTORCH_VERSION={version}");
    println!("cargo:rustc-env=TERRARIUM_LIBTORCH={}", libtorch.display());
    println!("cargo:rerun-if-changed=src/ops/autograd.cc");
    let include = libtorch.join("include");
    let mut shim = cc::Build::new();
    shim.cpp(true).std("c++17").file("src/ops/autograd.cc").warnings(false);
    shim.include(include.join("torch/csrc/api/include")).include(include);
    shim.compile("terrarium_autograd");
    println!("cargo:rustc-env=TERRARIUM_NVRTC={}/../third_party/nvrtc/lib", env!("CARGO_MANIFEST_DIR"));
}

//! Writes the place of libtorch into the binary, so that it starts with no environment variable.
//! Without the cargo feature `torch` there is no libtorch and nothing to write.
//! (`LD_LIBRARY_PATH` still wins, because the linker writes it as RUNPATH: that is how another libtorch is chosen.)

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    // torch-sys tells its direct dependents where it found the library.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}

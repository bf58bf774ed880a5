//! Runs the kernels' own text on the CPU, compiled by the C++ compiler that `make setup` asks for.

#![expect(unsafe_code, reason = "calls what was compiled a moment ago")]

use super::cxx;
use std::collections::hash_map::DefaultHasher;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use terrarium_model::ops::cuda::{Argument, HEADER, Launch, Program, Runner};
use terrarium_model::{Error, Result};

/// Blocks and warps of a launch run one after the other, in ascending or descending order.
#[derive(Debug, Default)]
pub struct Emulator {
    pub descending: bool,
}

/// The emulator has one block at a time, in global variables, and files are made once.
static ALONE: Mutex<()> = Mutex::new(());

type Emulate = unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, c_uint, *const *mut c_void, c_int) -> c_int;

impl Runner for Emulator {
    fn run(&self, launch: &Launch) -> Result<()> {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |reason: String| Error::Kernel { kernel: launch.kernel, reason };
        let path = compiled(&launch.program).map_err(&failed)?;
        let mut arguments = launch.arguments.clone();
        let pointers: Vec<*mut c_void> = arguments
            .iter_mut()
            .map(|argument| match argument {
                Argument::Pointer(value) => std::ptr::from_mut(value).cast(),
                Argument::Int(value) => std::ptr::from_mut(value).cast(),
                Argument::Float(value) => std::ptr::from_mut(value).cast(),
            })
            .collect();
        let name = CString::new(launch.kernel).expect("no zero in a name");
        // SAFETY: the library is ours, `emulate` has this signature, and the arguments are those of the kernel.
        let status = unsafe {
            let library = libloading::Library::new(&path).map_err(|error| failed(error.to_string()))?;
            let emulate: libloading::Symbol<'_, Emulate> =
                library.get(b"emulate\0").map_err(|error| failed(error.to_string()))?;
            let status = emulate(
                name.as_ptr(),
                launch.grid.as_ptr(),
                launch.threads,
                launch.shared_bytes,
                pointers.as_ptr(),
                c_int::from(self.descending),
            );
            // It stays loaded: the next launch of this program finds it in place.
            std::mem::forget(library);
            status
        };
        match status {
            0 => Ok(()),
            1 => Err(failed("the emulator has no such kernel".to_owned())),
            _ => Err(failed("it wrote beyond its shared memory".to_owned())),
        }
    }
}

/// The library of a program, compiled unless its text has been compiled before.
fn compiled(program: &Program) -> std::result::Result<PathBuf, String> {
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let read = |name: &str| std::fs::read_to_string(kernels.join(name)).map_err(|error| format!("{name}: {error}"));
    let mut hash = DefaultHasher::new();
    (program.source.text, HEADER, &program.constants).hash(&mut hash);
    (read("emulator/cuda.h")?, read("emulator/emulator.cc")?).hash(&mut hash);
    let stem = format!("{}-{:016x}", program.source.name, hash.finish());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{stem}.so"));
    if path.exists() {
        return Ok(path);
    }
    // The text that was compiled into this program, which is not always that of the file.
    let text = path.with_extension("cu");
    std::fs::write(&text, program.source.text).map_err(|error| error.to_string())?;
    let entries: String = program.source.kernels.iter().map(|kernel| format!("E({kernel})")).collect();
    let mut compiler = Command::new("c++");
    compiler
        .args([
            "-std=c++17",
            "-O2",
            "-shared",
            "-fPIC",
            "-Wall",
            "-Werror",
            "-Wno-unknown-pragmas",
            "-Wno-unused-function",
        ])
        .args(program.constants.iter().map(|(name, value)| format!("-D{name}={value}")))
        .arg(format!("-DKERNEL_FILE=\"{}\"", text.display()))
        .arg(format!("-DKERNELS(E)={entries}"))
        .arg("-I")
        .arg(&kernels)
        .args(["-x", "c++"])
        .arg(kernels.join("emulator/emulator.cc"));
    cxx::made(compiler, path)
}

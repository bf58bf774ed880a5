//! Kernels to machine code, with NVRTC.
//!
//! NVRTC is looked for at run time: in folders the caller names, then where the system looks. Nothing of CUDA is needed to build.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::nvrtc::sys;

use super::{HEADER, Program};
use crate::{Error, Result};

/// The libraries, in the order they must be loaded: NVRTC opens its built-in declarations by bare name.
const LIBRARIES: [&str; 2] = ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"];

/// Why NVRTC cannot be used, or where it is and its version; the first call of a process decides.
static FOUND: OnceLock<std::result::Result<Nvrtc, String>> = OnceLock::new();

/// NVRTC as found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Nvrtc {
    /// The folder, or none if the system's own search found it.
    pub folder: Option<PathBuf>,
    /// Major and minor version.
    pub version: (i32, i32),
}

/// Find NVRTC, in the first of `folders` that has it or where the system looks for libraries.
///
/// # Errors
/// What was tried and what to do.
pub fn open(folders: &[PathBuf]) -> std::result::Result<Nvrtc, String> {
    FOUND.get_or_init(|| load(folders)).clone()
}

fn load(folders: &[PathBuf]) -> std::result::Result<Nvrtc, String> {
    let folder = folders.iter().find(|folder| LIBRARIES.iter().all(|name| folder.join(name).is_file())).cloned();
    if let Some(folder) = &folder {
        for name in LIBRARIES {
            keep(&folder.join(name))
                .map_err(|error| format!("{} cannot be loaded: {error}", folder.join(name).display()))?;
        }
    }
    // SAFETY: loads a library by name and runs its initialisers.
    if !unsafe { sys::is_culib_present() } {
        let tried: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(format!(
            "NVRTC 13 (libnvrtc.so.13) was not found in {} nor by the system; `python3 setup/libtorch.py --nvrtc` fetches it",
            if tried.is_empty() { "any folder".to_owned() } else { tried.join(", ") }
        ));
    }
    let mut version = (0, 0);
    // SAFETY: writes two numbers.
    let status = unsafe { sys::nvrtcVersion(&raw mut version.0, &raw mut version.1) };
    status.result().map_err(|error| format!("NVRTC does not say its version: {error}"))?;
    Ok(Nvrtc { folder, version })
}

/// Load a library for as long as the process lives.
fn keep(path: &Path) -> std::result::Result<(), libloading::Error> {
    // SAFETY: runs the initialisers of NVIDIA's library.
    std::mem::forget(unsafe { libloading::Library::new(path) }?);
    Ok(())
}

/// Compile a program for an architecture, `sm_90a` for example. [`open`] must have succeeded.
///
/// # Errors
/// [`Error::Kernel`] with the compiler's words.
pub fn machine_code(program: &Program, architecture: &str) -> Result<Vec<u8>> {
    let kernel = program.source.name;
    let failed = |reason: String| Error::Kernel { kernel, reason };
    match FOUND.get() {
        Some(Ok(_)) => {}
        Some(Err(reason)) => return Err(failed(reason.clone())),
        None => return Err(failed("NVRTC was not looked for".to_owned())),
    }
    let text = |text: &str| CString::new(text).map_err(|_| failed("its text holds a zero byte".to_owned()));
    let (source, name) = (text(program.source.text)?, text(&format!("{kernel}.cu"))?);
    let (header_name, header) = (text(HEADER.0)?, text(HEADER.1)?);
    let mut options = vec![format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()];
    options.extend(program.constants.iter().map(|(name, value)| format!("-D{name}={value}")));
    let options: Vec<CString> = options.iter().map(|option| text(option)).collect::<Result<_>>()?;
    let option_pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
    let nvrtc =
        |what: &str, error: cudarc::nvrtc::result::NvrtcError| failed(format!("NVRTC cannot {what} it: {error}"));
    let mut handle = std::ptr::null_mut();
    // SAFETY: all pointers are to zero-ended texts that outlive the program, which is destroyed below; sizes are asked for before the
    // buffers that are filled.
    unsafe {
        let (names, headers) = ([header_name.as_ptr()], [header.as_ptr()]);
        sys::nvrtcCreateProgram(&raw mut handle, source.as_ptr(), name.as_ptr(), 1, headers.as_ptr(), names.as_ptr())
            .result()
            .map_err(|error| nvrtc("read", error))?;
        let compiled = sys::nvrtcCompileProgram(handle, options.len() as i32, option_pointers.as_ptr()).result();
        let code = compiled.and_then(|()| {
            let mut size = 0;
            sys::nvrtcGetCUBINSize(handle, &raw mut size).result()?;
            let mut code = vec![0u8; size];
            sys::nvrtcGetCUBIN(handle, code.as_mut_ptr().cast()).result()?;
            Ok(code)
        });
        let code = code.map_err(|error| failed(format!("NVRTC cannot compile it: {error}\n{}", log(handle))));
        let _ = sys::nvrtcDestroyProgram(&raw mut handle);
        code
    }
}

/// What the compiler said.
///
/// # Safety
/// The program exists.
unsafe fn log(handle: sys::nvrtcProgram) -> String {
    let mut size = 0;
    // SAFETY: the caller's promise; the buffer has the size asked for.
    unsafe {
        if sys::nvrtcGetProgramLogSize(handle, &raw mut size).result().is_err() || size == 0 {
            return String::new();
        }
        let mut bytes = vec![0u8; size];
        let _ = sys::nvrtcGetProgramLog(handle, bytes.as_mut_ptr().cast());
        CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

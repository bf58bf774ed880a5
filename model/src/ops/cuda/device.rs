//! A GPU that runs the kernels, through its driver.
//!
//! Work goes to the default stream of the primary context, where libtorch's own work goes too, so that the two wait for each other.

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::{CudaContext, result, sys};

use super::{Argument, Launch, Runner, compile};
use crate::{Error, Result};

/// The kernels need bfloat16 products, asynchronous copies and 227 KiB of shared memory.
const CAPABILITY_MIN: (i32, i32) = (9, 0);

/// Devices that can be opened, numbered from 0.
const DEVICES_MAX: usize = 16;

static DEVICES: [OnceLock<std::result::Result<Device, String>>; DEVICES_MAX] = [const { OnceLock::new() }; DEVICES_MAX];

/// A device with what is compiled for it.
#[derive(Debug)]
pub struct Device {
    context: Arc<CudaContext>,
    architecture: String,
    name: String,
    /// By file, constants and kernel.
    functions: Mutex<BTreeMap<String, Function>>,
}

#[derive(Debug, Clone, Copy)]
struct Function(sys::CUfunction);

// SAFETY: a handle of the driver, which may be used from every thread that has made the context current, as `run` does.
unsafe impl Send for Function {}

/// Load a library, found as the system finds it, for as long as the process lives; what it defines is there for all libraries.
///
/// # Errors
/// Why the loader refuses it.
pub fn load_for_all(name: &str) -> std::result::Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: runs the initialisers of a library of libtorch, which registers its part.
    let library = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(library.map_err(|error| format!("{name} cannot be loaded: {error}"))?);
    Ok(())
}

/// The number of devices the driver sees.
///
/// # Errors
/// Why there is no driver to ask.
pub fn count() -> std::result::Result<i32, String> {
    // SAFETY: loads the driver by name and runs its initialisers.
    if !unsafe { sys::is_culib_present() } {
        return Err("there is no CUDA driver (libcuda.so.1)".to_owned());
    }
    result::init().map_err(|error| format!("the CUDA driver does not start: {error}"))?;
    result::device::get_count().map_err(|error| format!("the CUDA driver does not count its devices: {error}"))
}

/// A device, if it can run the kernels, which it does from now on for libtorch's tensors there; the first call of a process decides.
/// `nvrtc` are folders to look for NVRTC in.
///
/// # Errors
/// What is missing.
pub fn get(number: usize, nvrtc: &[PathBuf]) -> std::result::Result<&'static Device, String> {
    let slot = DEVICES.get(number).ok_or_else(|| format!("only CUDA devices 0 to {} are used", DEVICES_MAX - 1))?;
    let device = slot.get_or_init(|| Device::open(number, nvrtc)).as_ref().map_err(Clone::clone)?;
    super::register(tch::Device::Cuda(number), device);
    Ok(device)
}

impl Device {
    fn open(number: usize, nvrtc: &[PathBuf]) -> std::result::Result<Self, String> {
        match count()? {
            0 => return Err("the CUDA driver sees no device".to_owned()),
            count if number as i64 >= i64::from(count) => {
                return Err(format!("the CUDA driver sees {count} devices, and none of number {number}"));
            }
            _ => {}
        }
        compile::open(nvrtc)?;
        let driver = |error: result::DriverError| format!("the CUDA driver: {error}");
        let context = CudaContext::new(number).map_err(driver)?;
        let capability = context.compute_capability().map_err(driver)?;
        let name = context.name().map_err(driver)?;
        if capability < CAPABILITY_MIN {
            return Err(format!(
                "{name} has compute capability {}.{}, and the kernels need {}.{}",
                capability.0, capability.1, CAPABILITY_MIN.0, CAPABILITY_MIN.1
            ));
        }
        let architecture = format!("sm_{}{}", capability.0, capability.1);
        Ok(Self { context, architecture, name, functions: Mutex::default() })
    }

    /// What the maker calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kernels are compiled for, `sm_90` for example.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Wait until everything that was begun is done.
    ///
    /// # Errors
    /// [`Error::Kernel`] if a kernel failed.
    pub fn synchronise(&self) -> Result<()> {
        let done = self.context.bind_to_thread().and_then(|()| self.context.synchronize());
        done.map_err(|error| Error::Kernel { kernel: "synchronise", reason: error.to_string() })
    }

    /// The kernel in the memory of the device, compiled at its first use.
    fn function(&self, launch: &Launch) -> Result<Function> {
        let key = format!("{} {:?} {}", launch.program.source.name, launch.program.constants, launch.kernel);
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(&key) {
            return Ok(*function);
        }
        let code = compile::machine_code(&launch.program, &self.architecture)?;
        let failed = |error: result::DriverError| Error::Kernel { kernel: launch.kernel, reason: error.to_string() };
        let name = CString::new(launch.kernel).expect("names of kernels hold no zero");
        // SAFETY: the code is a whole cubin, and modules are never unloaded, so that the function lives as long as the process.
        let function = unsafe {
            let module = result::module::load_data(code.as_ptr().cast()).map_err(failed)?;
            let function = result::module::get_function(module, name).map_err(failed)?;
            let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            result::function::set_function_attribute(function, attribute, super::SHARED_BYTES_MAX as i32)
                .map_err(failed)?;
            Function(function)
        };
        functions.insert(key, function);
        Ok(function)
    }
}

impl Runner for Device {
    fn run(&self, launch: &Launch) -> Result<()> {
        let failed = |error: result::DriverError| Error::Kernel { kernel: launch.kernel, reason: error.to_string() };
        self.context.bind_to_thread().map_err(failed)?;
        let function = self.function(launch)?;
        let mut arguments = launch.arguments.clone();
        let mut pointers: Vec<*mut c_void> = arguments
            .iter_mut()
            .map(|argument| match argument {
                Argument::Pointer(value) => std::ptr::from_mut(value).cast(),
                Argument::Int(value) => std::ptr::from_mut(value).cast(),
                Argument::Float(value) => std::ptr::from_mut(value).cast(),
            })
            .collect();
        let [x, y, z] = launch.grid;
        // SAFETY: the arguments are those of the kernel, in its order and sizes, and tensors of the sizes it reads and writes: the
        // modules that make launches have checked them. libtorch reuses a tensor's memory in the order of the stream.
        unsafe {
            result::launch_kernel(
                function.0,
                (x, y, z),
                (launch.threads, 1, 1),
                launch.shared_bytes,
                self.context.default_stream().cu_stream(),
                &mut pointers,
            )
        }
        .map_err(failed)
    }
}

//! Facts about libtorch in this process, and the one trap of running it.
//!
//! **The trap.** libtorch's CPU threads are libgomp's, whose waiting threads spin: with two threads and any other busy
//! process it slows ten to a hundred times. `OMP_WAIT_POLICY=passive` cures it, but libgomp reads it once, when it is
//! loaded, which for a linked library is before `main`. So a library can only decide, and a program that wants the
//! cure starts itself again ([`restart_passive`]). With one thread ([`set_threads`]) there is nothing to cure.
//!
//! [`cuda`] is about GPUs.

pub mod cuda;

use std::ffi::OsStr;
use std::process::Command;

/// The folder of the libtorch this binary was built against.
pub const LIBTORCH: &str = env!("TERRARIUM_LIBTORCH");
/// The variable libgomp reads.
pub const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// What `terrarium model info` prints.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// Version of the libtorch this binary was built against.
    pub libtorch: &'static str,
    /// Threads one operation may use.
    pub threads: i32,
    /// Threads for running operations side by side.
    pub interop_threads: i32,
    pub cuda_available: bool,
    pub cuda_devices: i64,
    pub openmp: bool,
    pub mkl: bool,
}

/// Ask libtorch. The first call fixes whether CUDA is found in this process.
pub fn info() -> Info {
    Info {
        libtorch: env!("TERRARIUM_LIBTORCH_VERSION"),
        threads: tch::get_num_threads(),
        interop_threads: tch::get_num_interop_threads(),
        cuda_available: tch::Cuda::is_available(),
        cuda_devices: tch::Cuda::device_count(),
        openmp: tch::utils::has_openmp(),
        mkl: tch::utils::has_mkl(),
    }
}

/// Set how many threads one operation may use. One is fastest for small models and keeps results independent of the
/// machine's number of cores.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
}

/// Wait until a device has done everything that was begun. The CPU always has.
pub fn synchronise(device: tch::Device) {
    if let tch::Device::Cuda(number) = device {
        tch::Cuda::synchronize(number as i64);
    }
}

/// Whether a process that will compute with `threads` threads should start itself again with [`WAIT_POLICY`] set to
/// `passive`. `wait_policy` is the variable's present value, which the caller reads. A value that is set, whatever it
/// is, was somebody's choice and is left alone; that also ends the chain of restarts.
pub fn ensure_passive_openmp(wait_policy: Option<&OsStr>, threads: usize) -> bool {
    wait_policy.is_none() && threads > 1
}

/// Replace this process by itself, same arguments, with passive waiting. Call it first in `main`, before anything is
/// open. Returns only on failure, and then the program may simply go on, slower.
pub fn restart_passive() -> std::io::Error {
    restart_with(&[(WAIT_POLICY, OsStr::new("passive"))])
}

/// Replace this process by itself, same arguments, with some more variables. Returns only on failure.
fn restart_with(variables: &[(&str, &OsStr)]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    match std::env::current_exe() {
        Ok(program) => {
            let mut command = Command::new(&program);
            command.arg0(name.unwrap_or_else(|| program.into_os_string())).args(arguments);
            command.envs(variables.iter().copied()).exec()
        }
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unset_variable_and_several_threads_ask_for_a_restart() {
        assert!(ensure_passive_openmp(None, 2));
        assert!(!ensure_passive_openmp(None, 1));
        assert!(!ensure_passive_openmp(Some(OsStr::new("passive")), 8));
        assert!(!ensure_passive_openmp(Some(OsStr::new("active")), 8));
    }

    #[test]
    fn libtorch_says_which_it_is() {
        set_threads(1);
        let info = info();
        assert_eq!((info.libtorch, info.threads), ("2.11.0", 1));
    }
}

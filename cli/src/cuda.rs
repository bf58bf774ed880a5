//! Starts the program again on a CUDA libtorch, where a GPU and such a libtorch are found; see `terrarium_model::runtime::cuda`.

use crate::args::Command;
use std::env::var_os;
use terrarium_model::runtime::cuda::{self, CHOICE, Found, LIBRARY_PATH, STARTED};

/// To be called before anything else uses libtorch. Without a GPU it does nothing, quickly; what goes wrong is said, and the program
/// goes on, on the CPU.
pub fn start(command: &Command) {
    if !matches!(command, Command::Model(_) | Command::Serve(_)) {
        return;
    }
    if var_os(STARTED).is_some() {
        if let Err(error) = cuda::load() {
            eprintln!("note: {error}; the model stays on the CPU");
        }
    } else if let Ok(folder) = cuda::wanted(var_os(CHOICE).as_deref()) {
        let error = cuda::restart(&folder, var_os(LIBRARY_PATH).as_deref());
        eprintln!("note: cannot start again on {}: {error}; the model stays on the CPU", folder.display());
    }
}

/// For `terrarium model info`.
pub fn look() -> Found {
    cuda::look(var_os(CHOICE).as_deref(), var_os(STARTED).as_deref())
}

//! Starts the program again on a CUDA libtorch, where a GPU and such a libtorch are found; see `terrarium_model::runtime::cuda`.

use crate::args::{Command, ModelCommand, ServeCommand};
use std::env::var_os;
use terrarium_model::DeviceChoice;
use terrarium_model::runtime::cuda::{self, CHOICE, Found, LIBRARY_PATH, STARTED};

/// To be called before anything else uses libtorch. For a command that computes on the CPU, and without a GPU, it does nothing, quickly;
/// what goes wrong is said, and the program goes on, on the CPU.
pub fn start(command: &Command) {
    if device(command).is_none_or(|device| device == DeviceChoice::Cpu) {
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

/// The device that a command's model was asked to compute on; none for commands without a model.
fn device(command: &Command) -> Option<DeviceChoice> {
    let agent = |policy: &str, device| policy.starts_with("dsa").then_some(device);
    match command {
        Command::Model(ModelCommand::Info { .. }) => Some(DeviceChoice::Auto),
        Command::Model(ModelCommand::Logits { place, .. }) => Some(place.device),
        Command::Model(ModelCommand::Bench(args)) => Some(args.place.device),
        Command::Serve(ServeCommand::Model(args)) => Some(args.place.device),
        Command::Rollout(args) => agent(&args.policy, args.agent.place.device),
        Command::Eval(args) => agent(&args.policy, args.agent.place.device),
        _ => None,
    }
}

/// For `terrarium model info`, and for errors.
pub fn look() -> Found {
    cuda::look(var_os(CHOICE).as_deref(), var_os(STARTED).as_deref())
}

/// Make a device ready for the kernels.
///
/// # Errors
/// Why they cannot run there.
pub fn open(number: usize) -> Result<&'static str, String> {
    cuda::open(number, var_os(STARTED).as_deref())
}

//! The `terrarium` command: parses arguments, runs one command, maps its end to an exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 usage. stdout is data, stderr the rest.

mod agent_args;
mod args;
mod clusters;
mod commands;
#[cfg(feature = "torch")]
mod cuda;
#[cfg(feature = "torch")]
mod dsa;
mod interrupt;
mod jobs;
#[cfg(feature = "torch")]
mod model_args;
#[cfg(feature = "oracle")]
mod oracle;
mod output;
#[cfg(feature = "torch")]
mod place;
mod policy;
mod progress;
mod select;
#[cfg(feature = "torch")]
mod serve_args;
#[cfg(feature = "torch")]
mod serve_model;
mod sources;

use clap::Parser;
use std::process::ExitCode;

/// A mistake in what was typed: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything asked for was done.
    Done,
    /// It ran and found something wrong (a certificate that fails, a run that was stopped).
    Failed,
}

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Nothing is left to tell if stdout or stderr is closed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    #[cfg(feature = "torch")]
    cuda::start(&cli.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the async runtime did not start: {error}");
            return ExitCode::from(1);
        }
    };
    let ended = runtime.block_on(commands::run(cli));
    // Blocking workers that were told to stop may still be inside a call: do not wait for them for ever.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match ended {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Err(error) => {
            output::error_chain(&error);
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

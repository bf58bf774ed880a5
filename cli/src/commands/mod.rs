//! One file a command.

mod contamination;
mod demo;
mod eval;
mod export;
mod merge;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "torch")]
mod model_bench;
mod report;
mod rollout;
mod show;
mod stats;
mod suite;
mod synth;
mod variety;
mod verify;

use crate::Ending;
#[cfg(feature = "torch")]
use crate::args::ServeCommand;
use crate::args::{Cli, Command};
use anyhow::Result;

/// Runs the command that was typed.
pub async fn run(cli: Cli) -> Result<Ending> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(global, &args).await,
        Command::Synth(args) => synth::run(global, &args).await,
        Command::Suite(command) => suite::run(global, &command),
        Command::Rollout(args) => rollout::run(global, &args).await,
        Command::Eval(args) => eval::run(global, &args).await,
        Command::Verify(args) => verify::run(global, &args).await,
        Command::Export(args) => export::run(global, &args).await,
        Command::Show(command) => show::run(global, &command).await,
        Command::Stats(args) => stats::run(global, &args).await,
        Command::Merge(args) => merge::run(global, &args).await,
        #[cfg(feature = "torch")]
        Command::Model(command) => model::run(global, &command),
        #[cfg(feature = "torch")]
        Command::Serve(ServeCommand::Model(args)) => crate::serve_model::run(global, &args).await,
    }
}

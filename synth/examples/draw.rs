//! Draws tasks to read: ten of each kind, at random from a run over the whole library, each with its policy and its reference solution,
//! as `docs/quality.md` wants them read. `cargo run -p terrarium-synth --example draw -- SEED EACH ENVS TASKS`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

mod common;

use common::{Outcome, Run, number};
use terrarium_envs::task::Kind;
use terrarium_synth::seed::Dice;

fn main() -> Outcome {
    let (seed, each) = (number(0, 1), number(1, 10));
    let run = Run::new(number(2, 150), number(3, 1_500), seed, Kind::ALL.to_vec())?;
    for kind in Kind::ALL {
        let mut all = run.of_kind(kind);
        let mut dice = Dice::new(seed, &format!("draw/{}", kind.name()));
        dice.shuffle(&mut all);
        for (at, (environment, task)) in all.iter().take(each as usize).enumerate() {
            println!("\n=== {} {}: {} ({})", kind.name(), at + 1, environment.title, environment.id);
            if kind == Kind::Policy {
                println!("{}\n", environment.system);
            }
            println!("{}", task.prompt);
            for call in &task.solution {
                println!("    {} {}", call.name, call.arguments);
            }
        }
    }
    Ok(())
}

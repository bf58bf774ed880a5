//! Whether the difficulty score means anything: a fixed ladder of scripted solvers on a sample of tasks, by difficulty. `cargo run
//! --release -p terrarium-synth --example ladder -- ENVS TASKS SEED LIST`; LIST is 1 to print a line a task. Ends with an error where a solver gets better as tasks get harder.
#![allow(clippy::print_stdout, reason = "an example that prints")]

mod common;

use common::{Outcome, Run, number, suite_of};
use terrarium_envs::runner::Runner;
use terrarium_envs::task::Kind;
use terrarium_synth::ladder::{Course, RUNGS};

/// Parts of the sample, by difficulty, of equal size.
const BANDS: usize = 5;

fn main() -> Outcome {
    let run = Run::new(number(0, 40), number(1, 1000), number(2, 7), Kind::ALL.to_vec())?;
    // One entry a task: its score, then what each solver made of it.
    let mut results: Vec<(f64, [bool; RUNGS.len()])> = Vec::new();
    for (environment, tasks) in &run.made {
        let parsed = suite_of(environment)?;
        let course = Course::new(&parsed.suite, environment)?;
        let mut runner = Runner::new(&run.sandbox, environment)?;
        for (index, task) in tasks.iter().enumerate() {
            let mut solved = [false; RUNGS.len()];
            for (at, (_, rung)) in RUNGS.iter().enumerate() {
                solved[at] = course.solves(*rung, &mut runner, task, index as u64)?;
            }
            if number(3, 0) == 1 {
                let d = &task.difficulty;
                let marks: String = solved.iter().map(|s| if *s { '1' } else { '0' }).collect();
                println!(
                    "{} {} {} {} {} {} {} {marks}",
                    task.kind.name(),
                    d.score,
                    d.depth,
                    d.calls,
                    d.writes,
                    d.tools,
                    d.distractors
                );
            }
            results.push((task.difficulty.score, solved));
        }
    }
    results.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bands: Vec<&[(f64, [bool; RUNGS.len()])]> = results.chunks(results.len().div_ceil(BANDS).max(1)).collect();
    print!("{:12}", "difficulty");
    for band in &bands {
        print!("{:>13}", format!("{:.1}-{:.1}", band[0].0, band[band.len() - 1].0));
    }
    println!();
    let mut rising = Vec::new();
    for (at, (name, _)) in RUNGS.iter().enumerate() {
        print!("{name:12}");
        let mut before = f64::INFINITY;
        for band in &bands {
            let share = 100.0 * band.iter().filter(|r| r.1[at]).count() as f64 / band.len() as f64;
            print!("{share:>12.1}%");
            if share > before {
                rising.push(format!("{name} from {before:.1} % to {share:.1} %"));
            }
            before = share;
        }
        println!();
    }
    if rising.is_empty() { Ok(()) } else { Err(format!("better on harder tasks: {}", rising.join(", ")).into()) }
}

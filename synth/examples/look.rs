//! Shows tasks as an agent would get them, for people who tune the generator: `cargo run -p terrarium-synth --example look -- ENVS TASKS SEED
//! SHOW KIND,KIND`; SHOW is 1 to print the tasks, 0 for the figures alone.
#![allow(clippy::print_stdout, reason = "an example that prints")]

mod common;

use common::{Outcome, Run, kinds, number};
use std::time::Instant;

fn main() -> Outcome {
    let (envs, tasks, seed, show) = (number(0, 4), number(1, 40), number(2, 7), number(3, 1));
    let started = Instant::now();
    let Run { made, report, .. } = Run::new(envs, tasks, seed, kinds(4))?;
    let mut calls: Vec<u32> = Vec::new();
    let mut depths: Vec<u32> = Vec::new();
    let mut kinds: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for (environment, tasks) in &made {
        if show == 1 {
            println!(
                "== {} ({} tools, {} bytes)",
                environment.id,
                environment.tools.len(),
                environment.component.len()
            );
        }
        for task in tasks {
            let d = &task.difficulty;
            calls.push(d.calls);
            depths.push(d.depth);
            *kinds.entry(task.kind.name()).or_default() += 1;
            if show == 1 {
                println!("\n[{} {:.1} calls {} depth {}] {}", task.kind.name(), d.score, d.calls, d.depth, task.prompt);
                for call in &task.solution {
                    println!("    {} {}", call.name, call.arguments);
                }
            }
        }
    }
    calls.sort_unstable();
    let mean = calls.iter().map(|c| f64::from(*c)).sum::<f64>() / calls.len().max(1) as f64;
    println!(
        "{} environments, {} tasks in {:.1} s",
        report.environments,
        report.tasks,
        started.elapsed().as_secs_f64()
    );
    depths.sort_unstable();
    println!("kinds: {kinds:?}");
    let share = 100.0 * report.crossing as f64 / report.tasks.max(1) as f64;
    println!(
        "linked environments: {}; tasks that cross linked suites: {} ({share:.1} %)",
        report.linked, report.crossing
    );
    println!("depth: median {:?}", depths.get(depths.len() / 2));
    println!("calls: mean {mean:.2}, p95 {:?}, max {:?}", calls.get(calls.len() * 95 / 100), calls.last());
    for (reason, count) in &report.rejected.counts {
        println!(
            "{count:7} {reason}  {:?}",
            report.rejected.examples.get(reason).map(|e| e.iter().take(2).collect::<Vec<_>>())
        );
    }
    Ok(())
}

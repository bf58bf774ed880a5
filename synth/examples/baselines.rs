//! What certificates are worth in numbers: on a run of synthesis, how often the reference solutions, doing nothing, random calls,
//! refusing whatever is asked, and the best constant answer are rewarded, by kind. `cargo run -p terrarium-synth --example baselines
//! -- ENVS TASKS SEED`. Ends with an error where a bound is broken: reference 100 %, nothing 0, random and refusal 0.5 %, constant 2 %.
#![allow(clippy::print_stdout, reason = "an example that prints")]

mod common;

use common::{Outcome, Run, number, suite_of};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use terrarium_envs::runner::{Runner, run_solution};
use terrarium_envs::submit;
use terrarium_envs::task::{Kind, Task, ToolCall};
use terrarium_synth::ladder::{Course, Rung};

/// Submissions that are tried on every task of a kind, those that are right most often.
const CONSTANTS: usize = 40;
/// Refusals tried on every task: each rule up to this with evidence that is often right.
const RULES: u32 = 12;

/// Tasks of a kind, and how many of them each baseline solves.
#[derive(Default)]
struct Counts {
    tasks: usize,
    reference: usize,
    nothing: usize,
    random: usize,
    refusal: usize,
    constant: usize,
}

fn submission(arguments: Json) -> ToolCall {
    ToolCall { name: submit::NAME.to_owned(), arguments }
}

/// Answers of one kind in the order of how often they are right.
fn frequent(tasks: &[&Task]) -> Vec<Json> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for task in tasks {
        let arguments = submit::arguments(task.verifier.answer.as_ref());
        *counts.entry(arguments.to_string()).or_default() += 1;
    }
    let mut all: Vec<(usize, String)> = counts.into_iter().map(|(text, n)| (n, text)).collect();
    all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(CONSTANTS).filter_map(|(_, text)| serde_json::from_str(&text).ok()).collect()
}

fn main() -> Outcome {
    let run = Run::new(number(0, 100), number(1, 5000), number(2, 7), Kind::ALL.to_vec())?;
    let mut broken = Vec::new();
    println!(
        "{:13}{:>7}{:>11}{:>9}{:>9}{:>9}{:>10}",
        "kind", "tasks", "reference", "nothing", "random", "refusal", "constant"
    );
    for kind in Kind::ALL {
        let of_kind: Vec<&Task> = run.of_kind(kind).into_iter().map(|(_, task)| task).collect();
        let constants = frequent(&of_kind);
        let mut right = vec![0_usize; constants.len()];
        let evidence = [json!("0"), json!("1"), json!("0.00"), json!("100.00")];
        let refusals: Vec<Json> = (1..=RULES)
            .flat_map(|rule| evidence.iter().map(move |e| json!({"decision": "refuse", "rule": rule, "evidence": e})))
            .collect();
        let mut refused = vec![0_usize; refusals.len()];
        let mut counts = Counts { tasks: of_kind.len(), ..Counts::default() };
        for (environment, tasks) in &run.made {
            let parsed = suite_of(environment)?;
            let course = Course::new(&parsed.suite, environment)?;
            let mut runner = Runner::new(&run.sandbox, environment)?;
            for (index, task) in tasks.iter().enumerate().filter(|(_, t)| t.kind == kind) {
                let solved = run_solution(&mut runner, &task.verifier, &task.solution)?.score.solved();
                counts.reference += usize::from(solved);
                let done = run_solution(&mut runner, &task.verifier, &[submission(json!({}))])?;
                counts.nothing += usize::from(done.score.solved());
                counts.random += usize::from(course.solves(Rung::Random, &mut runner, task, index as u64)?);
                runner.reset()?;
                let tally = |all: &[Json], sums: &mut [usize]| -> Outcome {
                    for (submitted, sum) in all.iter().zip(sums) {
                        let given = submit::answer(submitted).ok().flatten();
                        *sum += usize::from(runner.score(&task.verifier, given.as_ref())?.solved());
                    }
                    Ok(())
                };
                tally(&constants, &mut right)?;
                tally(&refusals, &mut refused)?;
            }
        }
        counts.constant = right.iter().copied().max().unwrap_or(0);
        counts.refusal = refused.iter().copied().max().unwrap_or(0);
        let best = right.iter().position(|n| *n == counts.constant).map(|at| constants[at].to_string());
        let percent = |n: usize| 100.0 * n as f64 / counts.tasks.max(1) as f64;
        println!(
            "{:13}{:>7}{:>10.2}%{:>8.2}%{:>8.2}%{:>8.2}%{:>9.2}%  {}",
            kind.name(),
            counts.tasks,
            percent(counts.reference),
            percent(counts.nothing),
            percent(counts.random),
            percent(counts.refusal),
            percent(counts.constant),
            best.filter(|_| counts.constant > 0).unwrap_or_default(),
        );
        let bounds = [
            ("reference", counts.reference < counts.tasks),
            ("nothing", counts.nothing > 0),
            ("random", percent(counts.random) > 0.5),
            ("refusal", percent(counts.refusal) > 0.5),
            ("constant", percent(counts.constant) > 2.0),
        ];
        broken.extend(bounds.iter().filter(|b| b.1).map(|b| format!("{} of {}", b.0, kind.name())));
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("beyond its bound: {}", broken.join(", ")).into()) }
}

//! What finding near-duplicates costs: `cargo run --workspace --example duplicates -- TASKS`. Made-up prompts of 34 words, one in fifty much
//! like an earlier one; prints time and memory a task.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;
use std::time::Instant;
use terrarium_envs::environment::{Environment, Split};
use terrarium_synth::dedup::{Admitted, Pending};
use terrarium_synth::seed::Dice;

/// Tasks of an environment.
const EACH: u64 = 50;

/// Resident memory of this process in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn prompt(number: u64) -> String {
    let mut dice = Dice::new(1, &format!("prompt/{number}"));
    let words: Vec<String> = (0..34).map(|_| format!("w{}", dice.skewed(8000))).collect();
    words.join(" ")
}

fn main() {
    let tasks: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let mut admitted = Admitted::default();
    let before = resident();
    let mut seconds = 0.0;
    let mut refused = 0;
    for n in 0..tasks / EACH {
        let environment = Environment {
            id: format!("e{n}"),
            suite: format!("s{}", n % 150),
            title: String::new(),
            domain: String::new(),
            split: Split::Train,
            system: String::new(),
            tools: Vec::new(),
            component: Arc::new(Vec::new()),
            digest: String::new(),
            recipe: serde_json::Value::Null,
            signature: (0..25).map(|t| format!("s{}.t{}(a, b)", n % 150, (n / 150 + t) % 400)).collect(),
        };
        let prompts: Vec<String> = (0..EACH)
            .map(|t| {
                let number = n * EACH + t;
                if number % 50 == 49 { format!("{} again", prompt(number / 2)) } else { prompt(number) }
            })
            .collect();
        let started = Instant::now();
        let mut pending = Pending::default();
        for prompt in &prompts {
            refused += u64::from(admitted.consider(prompt, Split::Train, &mut pending).is_err());
        }
        admitted.admit(&environment, pending);
        seconds += started.elapsed().as_secs_f64();
    }
    let (environments, clusters) = admitted.clusters();
    let each = |total: f64| total / tasks as f64;
    println!(
        "{tasks} tasks in {clusters} clusters, {environments} clusters of environments, {refused} refused: {seconds:.1} s, {:.0} us a task; \
         {:.0} MiB, {:.0} bytes a task",
        each(seconds * 1e6),
        (resident() - before) as f64 / f64::from(1 << 20),
        each((resident() - before) as f64)
    );
}

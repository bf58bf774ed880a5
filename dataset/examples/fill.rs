//! Fills a new database with made-up episodes of every outcome: for `make test-exports`, and for timing questions about a million of them.
//!
//! Usage: fill FILE --tasks N --episodes N [--traces] [--small]
//!
//! Episodes go round the tasks and the policies `expert`, `dsa` and `openai:local/model`. They hold what real ones may hold: parallel calls,
//! arguments that are no JSON, calls without a result, thinking, corrections by the host, runs that never began. `--traces` gives those of
//! `dsa` token traces, some of them with a cut context. `--small` makes short episodes, so that a million takes 1.5 GB.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::time::Instant;
use terrarium_dataset::Store;
use terrarium_dataset::runs::RunStart;
use terrarium_envs::environment::Environment;
use terrarium_envs::episode::{Episode, TokenTrace};
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::Task;

const POLICIES: [&str; 3] = ["expert", "dsa", "openai:local/model"];
/// Tasks an environment.
const TASKS: usize = 25;
/// Episodes a transaction.
const BATCH: usize = 1000;

struct Wish {
    file: String,
    tasks: usize,
    episodes: usize,
    traces: bool,
    small: bool,
}

fn wish() -> Option<Wish> {
    let mut arguments = std::env::args().skip(1);
    let mut wish = Wish { file: arguments.next()?, tasks: 300, episodes: 1200, traces: false, small: false };
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--tasks" => wish.tasks = arguments.next()?.parse().ok()?,
            "--episodes" => wish.episodes = arguments.next()?.parse().ok()?,
            "--traces" => wish.traces = true,
            "--small" => wish.small = true,
            _ => return None,
        }
    }
    Some(wish)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wish = wish().ok_or("usage: fill FILE --tasks N --episodes N [--traces] [--small]")?;
    let store = Store::create(&wish.file).await?;
    store.put_meta("seed", "7").await?;
    let mut worlds: Vec<(Environment, Vec<Task>)> = Vec::new();
    for n in 0..wish.tasks.div_ceil(TASKS) {
        let environment = support::environment(n);
        let count = TASKS.min(wish.tasks - n * TASKS);
        let tasks: Vec<Task> = (0..count).map(|n| support::task(&environment, n)).collect();
        store.put_environment_with_tasks(&environment, &tasks, None).await?;
        worlds.push((environment, tasks));
    }
    let all: Vec<(&Environment, &Task)> =
        worlds.iter().flat_map(|(e, tasks)| tasks.iter().map(move |t| (e, t))).collect();
    let run = RunStart {
        command: "rollout".into(),
        policy: Some("dsa".into()),
        seed: 7,
        version: "0.1.0".into(),
        options: serde_json::json!({"split": "all", "group": wish.episodes / all.len() / POLICIES.len()}),
    };
    let run = store.begin_run(&run).await?;
    for step in 0..100 {
        store.put_metrics(run, step, &[("reward", step as f64 / 100.0), ("episodes_per_second", 900.0)]).await?;
    }
    let began = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
    for n in 0..wish.episodes {
        let (environment, task) = all[n / POLICIES.len() % all.len()];
        let sample = n / POLICIES.len() / all.len();
        batch.push(episode(n, environment, task, POLICIES[n % POLICIES.len()], sample as u32, &wish));
        if batch.len() == BATCH || n + 1 == wish.episodes {
            store.put_episodes(std::mem::take(&mut batch)).await?;
        }
    }
    store.finish_run(run, &serde_json::json!({"episodes": wish.episodes})).await?;
    store.close().await?;
    let seconds = began.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{} episodes in {seconds:.1} s, {:.0} a second",
        wish.episodes,
        wish.episodes as f64 / seconds
    )?;
    Ok(())
}

/// Episode number `n`.
fn episode(n: usize, environment: &Environment, task: &Task, policy: &str, sample: u32, wish: &Wish) -> Episode {
    // A number that looks random: what happens must not go in step with the policies and tasks.
    let dice = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let calls = if wish.small { 2 } else { 1 + dice as usize % 9 };
    let mut episode = support::episode(task, &environment.system, policy, sample, calls);
    if wish.small {
        episode.steps.iter_mut().for_each(|step| step.result.truncate(0));
        for message in &mut episode.messages {
            if let Message::Tool { content, .. } = message {
                *content = String::new();
            }
        }
    }
    // Every second episode is solved or failed, the others end in all the other ways too.
    let outcome =
        if dice % 2 == 0 { Outcome::ALL[dice as usize / 2 % 2] } else { Outcome::ALL[dice as usize / 2 % 12] };
    episode.outcome = outcome;
    episode.reward = outcome.reward();
    for check in &mut episode.checks {
        check.passed = outcome == Outcome::Solved;
    }
    if !matches!(outcome, Outcome::Solved | Outcome::Failed) {
        episode.checks.clear();
        episode.answer = None;
    }
    if episode.reward.is_none() {
        episode.error = Some(format!("it broke: {}", outcome.name()));
    }
    match outcome {
        Outcome::FormatError => correct(&mut episode),
        Outcome::OutOfTurns | Outcome::Trap | Outcome::OutOfFuel => cut(&mut episode),
        Outcome::HarnessError => {
            episode.messages.clear();
            episode.steps.clear();
            episode.turns = 0;
        }
        _ => {}
    }
    if !wish.small && dice % 3 == 0 {
        think(&mut episode);
    }
    if wish.traces && policy == "dsa" && episode.turns > 0 {
        episode.traces = support::traces(episode.turns);
        if dice % 5 == 0 && episode.traces.len() > 1 {
            cut_context(&mut episode.traces);
        }
    }
    episode
}

/// The agent's last message could not be read, and was asked for again.
fn correct(episode: &mut Episode) {
    for wrong in ["<call", "</call>"] {
        let content = format!("I would say {wrong} “ü”");
        episode.messages.push(Message::Assistant { content, reasoning: String::new(), calls: Vec::new() });
        let content =
            "Your last message could not be read: no call in it. Write it again in the required form.".to_owned();
        episode.messages.push(Message::User { content });
    }
    episode.messages.pop();
    episode.turns += 2;
}

/// The episode ends in a message of three calls at once, one with arguments that are no JSON, two without a result.
fn cut(episode: &mut Episode) {
    let from = episode.steps.len();
    let arguments = [r#"{"member_id": "M-0001", "page":"#, "{}", r#"{"member_id": null}"#];
    let call = |n: usize| MessageCall {
        id: format!("call_{}", from + n),
        name: "find_loans".into(),
        arguments: arguments[n].into(),
    };
    let calls: Vec<MessageCall> = (0..3).map(call).collect();
    let turn = episode.turns;
    let result = r#"{"error":{"code":"bad_arguments","message":"EOF while parsing"}}"#.to_owned();
    let mut step = episode.steps[0].clone();
    step.turn = turn;
    step.call_id.clone_from(&calls[0].id);
    step.arguments.clone_from(&calls[0].arguments);
    step.outcome = "bad_arguments".into();
    step.result.clone_from(&result);
    step.diff.clear();
    episode.steps.push(step);
    let id = calls[0].id.clone();
    let content = "Three at once.\n\tAnd a “quote”.".to_owned();
    episode.messages.push(Message::Assistant { content, reasoning: String::new(), calls });
    episode.messages.push(Message::Tool { call_id: id, name: "find_loans".into(), content: result });
    episode.turns += 1;
}

fn think(episode: &mut Episode) {
    for message in &mut episode.messages {
        if let Message::Assistant { reasoning, content, .. } = message {
            *reasoning = "First I look, then I lend. 🐢".into();
            content.push_str("One moment.");
        }
    }
}

/// The second prompt does not go on where the first turn ended.
fn cut_context(traces: &mut [TokenTrace]) {
    traces[1].prompt_ids.remove(0);
}

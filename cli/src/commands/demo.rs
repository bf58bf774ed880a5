//! `terrarium demo`: the whole story in a minute. Every step is what its own command does.

use crate::agent_args::AgentArgs;
use crate::args::{DemoArgs, Global, Select, SynthArgs};
use crate::commands::rollout::{Plan, Rolled, roll};
use crate::commands::{synth, verify};
use crate::{Ending, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use terrarium_dataset::export::{self, ExportOptions, Format};
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::outcome::Outcome;
use terrarium_sandbox::{Config, Sandbox};

/// Certificates that the demo runs again: enough to be a check, few enough for a demo (`terrarium verify` runs all).
const VERIFIED_TASKS: usize = 500;
/// Compiled worlds kept in memory, some 0.2 MB each.
const PROGRAMS_MAX: usize = 400;
/// The embedded model's tasks are small: at most this many tools ...
#[cfg(feature = "torch")]
const SMALL_TOOLS: usize = 6;
/// ... and this many prompt tokens.
#[cfg(feature = "torch")]
const SMALL_TOKENS: usize = 2000;
/// Tokens of a message of the free model; turns and context window of the one that can only call.
#[cfg(feature = "torch")]
const FREE_TOKENS: u32 = 32;
#[cfg(feature = "torch")]
const HELD_TURNS: u32 = 8;
#[cfg(feature = "torch")]
const HELD_WINDOW: u64 = 3000;

fn everything() -> Select {
    Select {
        split: "all".to_owned(),
        tasks: None,
        kind: None,
        env: None,
        task: None,
        max_tools: None,
        #[cfg(feature = "torch")]
        max_prompt: None,
    }
}

/// Runs the command.
pub async fn run(global: &Global, args: &DemoArgs) -> Result<Ending> {
    let started = Instant::now();
    fresh_folder(&args.out)?;
    let global = &Global { db: args.out.join("terrarium.db"), ..global.clone() };
    let threads = args.threads.unwrap_or_else(verify::cores);

    output::note(
        global,
        &format!("1/5 synthesize {} environments, {} certified tasks (seed {})", args.envs, args.tasks, global.seed),
    );
    let synth_args = SynthArgs {
        envs: args.envs,
        tasks: args.tasks,
        kinds: Vec::new(),
        difficulty: None,
        suites: None,
        threads: Some(threads),
        dry_run: false,
    };
    // Every step meets the same worlds: what one compiled, the next finds in memory.
    let programs_max = (args.envs as usize).clamp(64, PROGRAMS_MAX);
    let sandbox = Sandbox::new(Config { programs_max, ..Config::default() })?;
    let made = synth::synthesize(global, &sandbox, &synth_args).await?;
    output::note(global, &format!("    {}", made.text));

    let store = Store::open(&global.db).await?;
    output::note(global, "2/5 run certificates again on the stored bytes");
    let ids = store.task_ids(&TaskFilter::default()).await?;
    let sample = crate::select::spread(ids, VERIFIED_TASKS);
    let filter = TaskFilter { ids: sample, ..TaskFilter::default() };
    let verified = verify::certificates(global, &store, &sandbox, &filter, threads).await?;
    output::note(
        global,
        &format!("    {} certificates: {} differ ({:.1} s)", verified.looked_at, verified.differ, verified.seconds),
    );

    output::note(global, "3/5 roll out");
    let mut rolled = Vec::new();
    for policy in ["expert", "noop", "random"] {
        let (select, agent) = (everything(), AgentArgs::default());
        let plan = Plan { concurrency: Some(threads), ..Plan::new(policy, &select, &agent) };
        rolled.push(report(global, roll(global, &store, &sandbox, &plan).await?));
    }
    #[cfg(feature = "torch")]
    {
        let select = Select {
            tasks: Some(args.dsa_episodes),
            max_tools: Some(SMALL_TOOLS),
            max_prompt: Some(SMALL_TOKENS),
            ..everything()
        };
        // Free, it rarely writes a call and is cut off at times; held to calls, it uses up its turns or its window.
        let mut free = AgentArgs::default();
        free.budget.max_tokens = Some(FREE_TOKENS);
        let mut held = AgentArgs::default();
        held.budget.max_turns = Some(HELD_TURNS);
        held.conditions.window = Some(HELD_WINDOW);
        for (policy, agent) in [("dsa", &free), ("dsa-constrained", &held)] {
            let plan = Plan::new(policy, &select, agent);
            rolled.push(report(global, roll(global, &store, &sandbox, &plan).await?));
        }
    }

    output::note(global, "4/5 export");
    let data = args.out.join("data");
    let outcomes = Outcome::ALL.into_iter().filter(|o| o.reward().is_some()).collect();
    let filter = EpisodeFilter { outcomes, ..EpisodeFilter::default() };
    let options = ExportOptions { selection: filter.into(), ..ExportOptions::new(Format::OpenAi) };
    let exported = export::export(&store, &options, &data).await?;
    let files: Vec<String> = exported.files.iter().map(|f| data.join(&f.name).display().to_string()).collect();
    output::note(global, &format!("    {} rows in {}", exported.rows, files.join(", ")));

    output::note(global, "5/5 report");
    let example = store.task_ids(&TaskFilter::default()).await?.into_iter().next().context("no task was made")?;
    store.close().await?;
    let seconds = started.elapsed().as_secs_f64();
    let summary = json!({
        "synth": made.json,
        "verified": {"tasks": verified.looked_at, "differ": verified.differ},
        "rollouts": rolled.iter().map(Rolled::json).collect::<Vec<Value>>(),
        "export": {"rows": exported.rows, "files": files},
        "seconds": seconds,
    });
    let rows: Vec<Vec<String>> = rolled
        .iter()
        .map(|r| {
            let rate = (r.episodes - r.resumed) as f64 / r.seconds.max(1e-9);
            vec![
                r.policy.clone(),
                r.episodes.to_string(),
                r.solved().to_string(),
                format!("{rate:.0}"),
                r.outcomes_text(),
            ]
        })
        .collect();
    let text = format!(
        "{}\n\n{}\n\n{} rows exported to {}\n{seconds:.1} s in all\n\nLook around:\n  terrarium --db {db} stats\n  terrarium --db {db} show task {example}\n  terrarium --db {db} show episode {example}@random\n  python3 -c 'import datasets; print(datasets.load_dataset(\"{data}\"))'",
        made.text,
        output::table(&["policy", "episodes", "solved", "per second", "outcomes"], &rows),
        exported.rows,
        data.display(),
        db = global.db.display(),
        data = data.display(),
    );
    output::summary(global, &summary, &text)?;
    let expected = rolled[0].solved() == rolled[0].episodes && rolled[1].solved() == 0 && verified.differ == 0;
    if !expected {
        output::note(global, "the expert must solve everything, noop nothing, and certificates agree: they do not");
    }
    Ok(if expected { Ending::Done } else { Ending::Failed })
}

fn report(global: &Global, rolled: Rolled) -> Rolled {
    let note = format!(
        "    {}: {} episodes, {} solved ({:.1} s)",
        rolled.policy,
        rolled.episodes,
        rolled.solved(),
        rolled.seconds
    );
    output::note(global, &note);
    rolled
}

/// A folder of our own: made anew if an earlier demo made it, refused if it holds anything else.
fn fresh_folder(out: &Path) -> Result<()> {
    if out.exists() {
        let known = ["terrarium.db", "terrarium.db-wal", "terrarium.db-shm", "data"];
        let entries = std::fs::read_dir(out).with_context(|| format!("{} is not a folder", out.display()))?;
        for entry in entries {
            let name = entry?.file_name();
            if !known.iter().any(|k| name == *k) {
                bail!("{} holds {}, which no demo made; choose another --out", out.display(), name.to_string_lossy());
            }
        }
        std::fs::remove_dir_all(out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))
}

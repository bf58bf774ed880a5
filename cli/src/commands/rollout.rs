//! `terrarium rollout`: run a policy on tasks and store every episode.

use crate::args::{BudgetArgs, Global, RolloutArgs, Select};
use crate::jobs::{self, Jobs};
use crate::policy::Named;
use crate::progress::Progress;
use crate::{Ending, Usage, interrupt, output};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use terrarium_dataset::runs::RunStart;
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::budget::Budget;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::scheduler::{self, Options};
use terrarium_sandbox::Sandbox;

/// What to roll out.
pub struct Plan<'a> {
    pub policy: &'a str,
    pub select: &'a Select,
    pub group: u32,
    pub concurrency: Option<usize>,
    pub budget: &'a BudgetArgs,
}

impl Plan<'_> {
    /// Mistakes in what was typed, found before any file is opened.
    pub fn check(&self) -> Result<(), Usage> {
        if self.group == 0 {
            return Err(Usage("a task needs at least 1 episode: --group (of eval: -k) must not be 0".to_owned()));
        }
        if self.concurrency == Some(0) {
            return Err(Usage("--concurrency must be at least 1".to_owned()));
        }
        jobs::filter(self.select)?;
        Named::parse(self.policy).map(drop)
    }
}

/// What a rollout came to, stored episodes of earlier runs of the same command included.
pub struct Rolled {
    pub policy: String,
    /// Episodes asked for that are stored now.
    pub episodes: u64,
    /// Those among them that were stored before.
    pub resumed: u64,
    pub outcomes: BTreeMap<Outcome, u64>,
    pub seconds: f64,
    /// Why it ended before everything was run.
    pub stopped: Option<String>,
    /// The tasks, by environment.
    pub chosen: jobs::Chosen,
}

impl Rolled {
    pub fn solved(&self) -> u64 {
        self.outcomes.get(&Outcome::Solved).copied().unwrap_or(0)
    }

    pub fn json(&self) -> Value {
        let outcomes: serde_json::Map<String, Value> =
            self.outcomes.iter().map(|(o, n)| (o.name().to_owned(), json!(n))).collect();
        json!({
            "policy": self.policy,
            "episodes": self.episodes,
            "resumed": self.resumed,
            "solved": self.solved(),
            "outcomes": outcomes,
            "seconds": self.seconds,
            "stopped": self.stopped,
        })
    }

    /// `3 failed, 2 solved`.
    pub fn outcomes_text(&self) -> String {
        let mut parts: Vec<_> = self.outcomes.iter().collect();
        parts.sort_by_key(|(outcome, n)| (std::cmp::Reverse(**n), **outcome));
        parts.iter().map(|(o, n)| format!("{n} {}", o.name())).collect::<Vec<_>>().join(", ")
    }
}

/// Runs the command.
pub async fn run(global: &Global, args: &RolloutArgs) -> Result<Ending> {
    let plan = Plan {
        policy: &args.policy,
        select: &args.select,
        group: args.group,
        concurrency: args.concurrency,
        budget: &args.budget,
    };
    plan.check()?;
    let store = Store::open(&global.db).await?;
    let sandbox = Sandbox::new(terrarium_sandbox::Config::default())?;
    let rolled = roll(global, &store, &sandbox, &plan).await?;
    let fresh = rolled.episodes - rolled.resumed;
    let mut text = format!(
        "{}: {} episodes ({} stored before), {} solved; {}\n{:.1} s, {:.0} episodes a second",
        rolled.policy,
        rolled.episodes,
        rolled.resumed,
        rolled.solved(),
        rolled.outcomes_text(),
        rolled.seconds,
        fresh as f64 / rolled.seconds.max(1e-9),
    );
    let mut ending = Ending::Done;
    if let Some(why) = &rolled.stopped {
        ending = Ending::Failed;
        text.push_str(&format!("\nstopped: {why}"));
        output::note(global, &format!("stopped: {why}; the same command goes on from here"));
    }
    output::summary(global, &rolled.json(), &text)?;
    store.close().await?;
    Ok(ending)
}

/// Rolls out a plan; every episode is stored.
pub async fn roll(global: &Global, store: &Store, sandbox: &Sandbox, plan: &Plan<'_>) -> Result<Rolled> {
    plan.check()?;
    let chosen = jobs::choose(store, plan.select).await?;
    let chosen_policy = Named::parse(plan.policy)?.open(global.seed, plan.budget)?;
    let tasks = chosen.values().map(Vec::len).sum::<usize>() as u64;
    let total = tasks * u64::from(plan.group);
    let label = chosen_policy.policy.label();
    warn_of_other_seeds(global, store, &label).await?;
    let options = Options {
        concurrency: plan.concurrency.unwrap_or(chosen_policy.concurrency),
        seed: global.seed,
        budget: Budget { turns: plan.budget.max_turns, calls: plan.budget.max_calls, ..Budget::default() },
        total: Some(total),
        ..Options::default()
    };
    let run = store
        .begin_run(&RunStart {
            command: "rollout".to_owned(),
            policy: Some(label.clone()),
            seed: global.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            options: json!({
                "group": plan.group, "split": plan.select.split, "tasks": tasks, "concurrency": options.concurrency,
                "max_turns": plan.budget.max_turns, "max_calls": plan.budget.max_calls, "max_tokens": plan.budget.max_tokens,
            }),
        })
        .await?;
    let cancel = interrupt::cancel_on_interrupt(global);
    let bar = Progress::new(global, "rollout", "episodes", total);
    let (jobs, failure) = Jobs::start(store.clone(), chosen.clone(), plan.group);
    let summary = scheduler::rollout(sandbox, jobs, chosen_policy.policy, store, &options, &cancel, |p| {
        bar.at(p.done + p.skipped, &format!("{} solved", p.solved));
    })
    .await?;
    bar.finish();
    if let Some(error) = failure.lock().ok().and_then(|mut f| f.take()) {
        return Err(error.into());
    }
    let mut outcomes = summary.outcomes.clone();
    let mut episodes = summary.episodes;
    if summary.skipped > 0 {
        outcomes = stored_outcomes(store, &label, &chosen, plan.group).await?;
        episodes = outcomes.values().sum();
    }
    let stopped = if summary.cancelled { Some("interrupted".to_owned()) } else { summary.stopped };
    let rolled = Rolled {
        policy: label,
        episodes,
        resumed: summary.skipped.min(episodes),
        outcomes,
        seconds: summary.seconds,
        stopped,
        chosen,
    };
    store.finish_run(run, &rolled.json()).await?;
    Ok(rolled)
}

/// Outcomes of the chosen tasks' stored episodes.
async fn stored_outcomes(
    store: &Store,
    policy: &str,
    chosen: &jobs::Chosen,
    group: u32,
) -> Result<BTreeMap<Outcome, u64>> {
    let tasks = TaskFilter { ids: chosen.values().flatten().cloned().collect(), ..TaskFilter::default() };
    let filter = EpisodeFilter { tasks, policies: vec![policy.to_owned()], ..EpisodeFilter::default() };
    let mut outcomes = BTreeMap::new();
    for (key, outcome) in store.outcomes(&filter).await? {
        if key.sample < group {
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    Ok(outcomes)
}

/// Stored episodes of a policy are never run again, whatever their seed: say so when the seeds differ.
async fn warn_of_other_seeds(global: &Global, store: &Store, policy: &str) -> Result<()> {
    let other = store
        .runs()
        .await?
        .into_iter()
        .find(|run| run.start.policy.as_deref() == Some(policy) && run.start.seed != global.seed);
    if let Some(run) = other {
        output::note(
            global,
            &format!(
                "note: {policy} ran here before with --seed {}; its stored episodes are kept, not run again with seed {}",
                run.start.seed, global.seed
            ),
        );
    }
    Ok(())
}

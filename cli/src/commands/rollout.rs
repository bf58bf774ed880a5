//! `terrarium rollout`: run a policy on tasks and store every episode.

use crate::agent_args::AgentArgs;
use crate::args::{Global, RolloutArgs, Select};
use crate::commands::show::find_episode;
use crate::jobs::{self, Jobs};
use crate::policy::{Chosen, Named, surroundings};
use crate::progress::{self, Progress};
use crate::{Ending, Usage, interrupt, output};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use terrarium_dataset::runs::RunStart;
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::Forked;
use terrarium_envs::scheduler::{self, Options};
use terrarium_sandbox::Sandbox;

/// What to roll out.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub policy: &'a str,
    pub select: &'a Select,
    pub group: u32,
    pub concurrency: Option<usize>,
    pub agent: &'a AgentArgs,
    /// The episode and step to branch from.
    pub fork: Option<&'a str>,
    /// Whether broken episodes are run again.
    pub retry: bool,
}

impl<'a> Plan<'a> {
    /// One episode a task.
    pub fn new(policy: &'a str, select: &'a Select, agent: &'a AgentArgs) -> Self {
        Plan { policy, select, group: 1, concurrency: None, agent, fork: None, retry: false }
    }

    /// Mistakes in what was typed, found before any file is opened.
    pub fn check(&self) -> Result<()> {
        if self.group == 0 {
            let message = "a task needs at least 1 episode: --group (of eval: -k) must not be 0";
            return Err(Usage(message.to_owned()).into());
        }
        if self.concurrency == Some(0) {
            return Err(Usage("--concurrency must be at least 1".to_owned()).into());
        }
        jobs::filter(self.select)?;
        if let Some(fork) = self.fork {
            branch_point(fork)?;
        }
        Named::parse(self.policy)?.check(self.agent)
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
    /// Tokens sampled by this run, where they are counted.
    pub completion_tokens: u64,
    /// Requests of this run that met trouble with the endpoint, by kind.
    pub trouble: BTreeMap<&'static str, u64>,
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
            "completion_tokens": self.completion_tokens,
            "trouble": self.trouble,
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
        group: args.group,
        concurrency: args.concurrency,
        fork: args.fork.as_deref(),
        retry: args.retry,
        ..Plan::new(&args.policy, &args.select, &args.agent)
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
    let mut select = plan.select.clone();
    let mut origin = None;
    if let Some(fork) = plan.fork {
        let (episode, steps) = branch_point(fork)?;
        let episode = find_episode(store, episode).await.context("--fork")?;
        select.task = Some(episode.key.task_id.clone());
        origin = Some((Arc::new(episode), steps));
    }
    let chosen = jobs::choose(store, &select).await?;
    let Chosen { mut policy, concurrency } = Named::parse(plan.policy)?.open(global.seed, plan.agent)?;
    let mut around = surroundings(plan.agent, policy.window())?;
    if let Some((origin, steps)) = origin {
        let forked = Forked::new(policy, origin, steps).map_err(|e| Usage(e.to_string()))?;
        // What surrounds the agent goes on as it was; its budget is its own.
        around.setup = terrarium_envs::Setup { budget: around.setup.budget, ..forked.setup() };
        around.attempts = 1;
        policy = Arc::new(forked);
    }
    let tasks = chosen.values().map(Vec::len).sum::<usize>() as u64;
    let total = tasks * u64::from(plan.group);
    let label = policy.label();
    warn_of_other_seeds(global, store, &label).await?;
    if plan.retry {
        let ids = chosen.values().flatten().cloned().collect();
        let again = store.forget_broken(&label, &TaskFilter { ids, ..TaskFilter::default() }).await?;
        output::note(global, &format!("{again} broken episodes of {label} are run again"));
    }
    let options = Options {
        concurrency: plan.concurrency.unwrap_or(concurrency),
        seed: global.seed,
        setup: around.setup,
        user: around.user,
        attempts: around.attempts,
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
                "policy": plan.policy, "group": plan.group, "split": plan.select.split, "tasks": tasks,
                "concurrency": options.concurrency, "attempts": options.attempts, "setup": options.setup,
                "max_tokens": plan.agent.budget.max_tokens, "stream": plan.agent.endpoint.stream,
                "temperature": plan.agent.endpoint.temperature,
                "requests_per_minute": plan.agent.endpoint.requests_per_minute,
            }),
        })
        .await?;
    let cancel = interrupt::cancel_on_interrupt(global);
    let bar = Progress::new(global, progress::ROLLOUT, "episodes", total);
    let (jobs, failure) = Jobs::start(store.clone(), chosen.clone(), plan.group);
    let summary = scheduler::rollout(sandbox, jobs, policy, store, &options, &cancel, |p| {
        bar.rolling(p);
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
        completion_tokens: summary.completion_tokens,
        trouble: summary.trouble,
        stopped,
        chosen,
    };
    store.finish_run(run, &rolled.json()).await?;
    Ok(rolled)
}

/// Reads `EPISODE@K`.
fn branch_point(text: &str) -> Result<(&str, u32), Usage> {
    let point = text.rsplit_once('@').and_then(|(episode, steps)| Some((episode, steps.parse().ok()?)));
    point.ok_or_else(|| {
        Usage(format!("`{text}` is no step of an episode; write TASK@POLICY#SAMPLE@K, with K steps to take over"))
    })
}

/// Outcomes of the chosen tasks' stored episodes.
async fn stored_outcomes(
    store: &Store,
    policy: &str,
    chosen: &jobs::Chosen,
    group: u32,
) -> Result<BTreeMap<Outcome, u64>> {
    let tasks = TaskFilter { ids: chosen.values().flatten().cloned().collect(), ..TaskFilter::default() };
    let policies = vec![policy.to_owned()];
    let filter = EpisodeFilter { tasks, policies, samples_below: Some(group), ..EpisodeFilter::default() };
    Ok(store.outcomes(&filter).await?)
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

//! `terrarium verify`: certificates run again on the stored component bytes, or stored episodes replayed and scored again.

use crate::args::{Global, VerifyArgs};
use crate::progress::Progress;
use crate::{Ending, interrupt, output};
use anyhow::{Result, anyhow};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use terrarium_dataset::rescore::Record;
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::environment::Environment;
use terrarium_envs::task::Task;
use terrarium_sandbox::Sandbox;
use tokio::task::JoinSet;

/// Differences that are spelled out.
const SHOWN_MAX: usize = 20;

/// What a verification found.
pub struct Verified {
    /// Tasks looked at.
    pub looked_at: u64,
    /// One line a difference, the first [`SHOWN_MAX`].
    pub differences: Vec<String>,
    /// Differences in all.
    pub differ: u64,
    pub seconds: f64,
}

/// Runs the command.
pub async fn run(global: &Global, args: &VerifyArgs) -> Result<Ending> {
    let store = Store::open(&global.db).await?;
    let sandbox = Sandbox::new(terrarium_sandbox::Config::default())?;
    let tasks =
        TaskFilter { environment: args.env.clone(), ids: args.task.iter().cloned().collect(), ..TaskFilter::default() };
    if let Some(id) = &args.env {
        store.environment(id).await?;
    }
    if let Some(id) = &args.task {
        store.task(id).await?;
    }
    if args.episodes {
        let record = if args.record { Record::Verdicts } else { Record::Nothing };
        return episodes(global, &store, &sandbox, tasks, record).await;
    }
    let verified = certificates(global, &store, &sandbox, &tasks, args.threads.unwrap_or_else(cores)).await?;
    let agree = verified.looked_at - verified.differ;
    let json = json!({"tasks": verified.looked_at, "agree": agree, "differ": verified.differ, "differences": verified.differences, "seconds": verified.seconds});
    let mut text =
        format!("{} tasks: {agree} agree, {} differ ({:.1} s)", verified.looked_at, verified.differ, verified.seconds);
    for difference in &verified.differences {
        text.push_str(&format!("\n{difference}"));
    }
    output::summary(global, &json, &text)?;
    Ok(if verified.differ == 0 { Ending::Done } else { Ending::Failed })
}

/// Cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Runs every certificate again and compares it with the stored one.
pub async fn certificates(
    global: &Global,
    store: &Store,
    sandbox: &Sandbox,
    filter: &TaskFilter,
    threads: usize,
) -> Result<Verified> {
    let started = Instant::now();
    let total = store.task_ids(filter).await?.len() as u64;
    let bar = Progress::new(global, "verify", "tasks", total);
    let cancel = interrupt::cancel_on_interrupt(global);
    let done = Arc::new(AtomicU64::new(0));
    let mut running: JoinSet<Vec<(String, Option<String>)>> = JoinSet::new();
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    let environments = match &filter.environment {
        Some(id) => vec![id.clone()],
        None => store.environment_ids(None).await?,
    };
    for id in environments {
        if cancel.is_cancelled() {
            return Err(anyhow!("interrupted after {} of {total} tasks", done.load(Ordering::Relaxed)));
        }
        let tasks = store.tasks(&TaskFilter { environment: Some(id.clone()), ..filter.clone() }).await?;
        if tasks.is_empty() {
            continue;
        }
        let environment = Arc::new(store.environment(&id).await?);
        let (sandbox, counted) = (sandbox.clone(), Arc::clone(&done));
        running.spawn_blocking(move || {
            let results = compare(&sandbox, &environment, &tasks);
            counted.fetch_add(results.len() as u64, Ordering::Relaxed);
            results
        });
        while running.len() >= threads.max(1) {
            if let Some(ended) = running.join_next().await {
                found.extend(ended?);
                bar.at(done.load(Ordering::Relaxed), "");
            }
        }
    }
    while let Some(ended) = running.join_next().await {
        found.extend(ended?);
        bar.at(done.load(Ordering::Relaxed), "");
    }
    bar.finish();
    found.sort();
    let differ = found.iter().filter(|(_, d)| d.is_some()).count() as u64;
    let differences =
        found.iter().filter_map(|(id, d)| d.as_ref().map(|d| format!("{id}: {d}"))).take(SHOWN_MAX).collect();
    Ok(Verified { looked_at: found.len() as u64, differences, differ, seconds: started.elapsed().as_secs_f64() })
}

/// What is different about each task's certificate, if anything.
fn compare(sandbox: &Sandbox, environment: &Arc<Environment>, tasks: &[Task]) -> Vec<(String, Option<String>)> {
    let recertify = match terrarium_synth::certify::Recertifier::new(sandbox, environment) {
        Ok(recertify) => recertify,
        Err(error) => return tasks.iter().map(|t| (t.id.clone(), Some(error.to_string()))).collect(),
    };
    let mut recertify = recertify;
    tasks
        .iter()
        .map(|task| {
            let difference = match recertify.certificate(task) {
                Ok(certificate) if certificate == task.certificate => None,
                Ok(certificate) => Some(format!(
                    "the certificate was {} and is {}",
                    serde_json::to_string(&task.certificate).unwrap_or_default(),
                    serde_json::to_string(&certificate).unwrap_or_default()
                )),
                Err(error) => Some(error.to_string()),
            };
            (task.id.clone(), difference)
        })
        .collect()
}

/// Replays every stored episode and scores it again. With verdicts recorded, only what could not be recorded is a failure.
async fn episodes(
    global: &Global,
    store: &Store,
    sandbox: &Sandbox,
    tasks: TaskFilter,
    record: Record,
) -> Result<Ending> {
    let started = Instant::now();
    let filter = EpisodeFilter { tasks, ..EpisodeFilter::default() };
    let total = store.outcomes(&filter).await?.values().sum();
    let bar = Progress::new(global, "replay", "episodes", total);
    let report = terrarium_dataset::rescore::rescore(store, sandbox, &filter, record, |done| bar.at(done, "")).await?;
    bar.finish();
    let differences: Vec<String> = report
        .differences
        .iter()
        .map(|d| {
            let key = &d.key;
            let step = d.step.map(|n| format!("step {n}, ")).unwrap_or_default();
            format!(
                "{}@{}#{}: {step}{}, byte {}: was `{}` and is `{}`",
                key.task_id, key.policy, key.sample, d.part, d.byte, d.stored, d.now
            )
        })
        .take(SHOWN_MAX)
        .collect();
    let (differ, seconds) = (report.episodes - report.identical, started.elapsed().as_secs_f64());
    let mut json = json!({
        "episodes": report.episodes, "agree": report.identical, "differ": differ, "reward_changed": report.reward_changed,
        "different": report.different, "skipped": report.skipped, "differences": differences, "seconds": seconds,
    });
    let mut text = format!(
        "{} episodes: {} agree, {differ} differ, {} of them in their reward ({seconds:.1} s)",
        report.episodes, report.identical, report.reward_changed
    );
    let mut failed = differ > 0;
    if record == Record::Verdicts {
        let (recorded, known) = (report.recorded, report.known);
        let (diverged, contradicted) = (report.diverged, report.contradicted);
        json["recorded"] = json!({"new": recorded, "known": known, "diverged": diverged, "contradicted": contradicted});
        text.push_str(&format!(
            "\n{recorded} verdicts recorded, {known} recorded before; `terrarium export --rescored` uses them"
        ));
        if diverged > 0 {
            text.push_str(&format!("\n{diverged} not recorded: they came out otherwise before any verdict"));
        }
        if contradicted > 0 {
            text.push_str(&format!("\n{contradicted} not recorded: the same verifier said something else before"));
        }
        failed = diverged + contradicted > 0;
    }
    for difference in &differences {
        text.push_str(&format!("\n{difference}"));
    }
    output::summary(global, &json, &text)?;
    Ok(if failed { Ending::Failed } else { Ending::Done })
}

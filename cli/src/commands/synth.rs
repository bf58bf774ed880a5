//! `terrarium synth`: environments and certified tasks into the database, resumable at any environment.

use crate::args::{Global, SynthArgs};
use crate::commands::verify::cores;
use crate::progress::Progress;
use crate::{Ending, Usage, interrupt, output, select, sources};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terrarium_dataset::{RejectedExample, Store, Synthesis, TaskFilter};
use terrarium_envs::task::Kind;
use terrarium_sandbox::Sandbox;
use terrarium_synth::library::{self, ParsedSuite};
use terrarium_synth::pipeline::{Admission, Options, Resume, Synthesizer};
use terrarium_synth::report::Report;

/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What a synthesis came to.
pub struct Made {
    pub json: Value,
    pub text: String,
    /// It was stopped before its end.
    pub cancelled: bool,
}

/// Runs the command.
pub async fn run(global: &Global, args: &SynthArgs) -> Result<Ending> {
    let sandbox = Sandbox::new(terrarium_sandbox::Config::default())?;
    let made = synthesize(global, &sandbox, args).await?;
    output::summary(global, &made.json, &made.text)?;
    if made.cancelled {
        output::note(global, "stopped: interrupted; the same command goes on from here");
        return Ok(Ending::Failed);
    }
    Ok(Ending::Done)
}

/// The options as typed, checked.
fn options(global: &Global, args: &SynthArgs) -> Result<Options> {
    if args.envs == 0 {
        return Err(Usage("--envs must be at least 1".to_owned()).into());
    }
    let kinds = if args.kinds.is_empty() {
        Kind::ALL.to_vec()
    } else {
        args.kinds.iter().map(|k| select::kind(k)).collect::<Result<Vec<_>, _>>()?
    };
    let difficulty = args.difficulty.as_deref().map(select::range).transpose()?;
    let suites = match &args.suites {
        Some(dir) => sources::parsed_folder(dir)?,
        None => Vec::new(),
    };
    let threads = args.threads.unwrap_or_else(cores);
    if threads == 0 {
        return Err(Usage("--threads must be at least 1".to_owned()).into());
    }
    Ok(Options { seed: global.seed, envs: args.envs, tasks: args.tasks, kinds, difficulty, threads, suites })
}

/// What decides the bytes: everything but the number of threads.
fn identity(options: &Options) -> Result<String> {
    let suites: Vec<ParsedSuite> =
        if options.suites.is_empty() { library::parsed()?.to_vec() } else { options.suites.clone() };
    let identity = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": options.seed,
        "envs": options.envs,
        "tasks": options.tasks,
        "kinds": options.kinds.iter().map(|k| k.name()).collect::<Vec<_>>(),
        "difficulty": options.difficulty.map(|(low, high)| format!("{low}..{high}")),
        "suites": suites.iter().map(|s| format!("{} {}", s.suite.name, s.digest)).collect::<Vec<_>>(),
    });
    Ok(identity.to_string())
}

/// Makes what was asked for, or what is left of it.
pub async fn synthesize(global: &Global, sandbox: &Sandbox, args: &SynthArgs) -> Result<Made> {
    let started = Instant::now();
    let options = options(global, args)?;
    let identity = identity(&options)?;
    if args.dry_run {
        return dry_run(&options, &identity);
    }
    let store = Store::open_or_create(&global.db).await?;
    let resume = resume(&store, &identity).await?;
    let before = resume.report.environments;
    if before > 0 {
        output::note(global, &format!("going on after {before} environments, {} tasks", resume.report.tasks));
    }
    store.put_meta("seed", &global.seed.to_string()).await?;
    store.put_meta("version", env!("CARGO_PKG_VERSION")).await?;
    let bar = Progress::new(global, "synth", "environments", options.envs);
    let cancel = interrupt::cancel_on_interrupt(global);
    let stop = Arc::new(AtomicBool::new(false));
    let worker = {
        let (store, stop, identity) = (store.clone(), Arc::clone(&stop), identity.clone());
        let runtime = tokio::runtime::Handle::current();
        let sandbox = sandbox.clone();
        tokio::task::spawn_blocking(move || -> Result<Report> {
            let synthesizer = Synthesizer::new(options, &sandbox)?;
            let report = synthesizer.run(resume, &stop, |admission, report| -> Result<()> {
                let progress = synthesis(&identity, report)?;
                runtime.block_on(keep(&store, &admission, &progress))?;
                bar.at(
                    report.environments,
                    &format!("{} tasks, {} rejected", report.tasks, report.rejected.counts.values().sum::<u64>()),
                );
                Ok(())
            })?;
            bar.finish();
            // The last candidates may have been turned down after the last environment was stored.
            if !report.cancelled {
                runtime.block_on(store.put_synthesis(&synthesis(&identity, &report)?))?;
            }
            Ok(report)
        })
    };
    let watch = tokio::spawn(async move {
        while !cancel.is_cancelled() {
            tokio::time::sleep(LOOK).await;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let report = worker.await.context("synthesis broke down")?;
    watch.abort();
    let report = report?;
    store.close().await?;
    let seconds = started.elapsed().as_secs_f64();
    let rejected: u64 = report.rejected.counts.values().sum();
    let json = json!({
        "environments": report.environments,
        "tasks": report.tasks,
        "rejected": report.rejected.counts,
        "suites": report.suites.len(),
        "resumed": before,
        "seconds": seconds,
        "cancelled": report.cancelled,
    });
    let mut text = format!(
        "{} environments, {} certified tasks, {rejected} candidates rejected ({seconds:.1} s)",
        report.environments, report.tasks
    );
    let mut reasons: Vec<_> = report.rejected.counts.iter().collect();
    reasons.sort_by_key(|(reason, n)| (std::cmp::Reverse(**n), (*reason).clone()));
    let reasons: Vec<String> = reasons.iter().take(6).map(|(reason, n)| format!("{n} {reason}")).collect();
    if !reasons.is_empty() {
        text.push_str(&format!("\nrejected most for: {}", reasons.join(", ")));
    }
    Ok(Made { json, text, cancelled: report.cancelled })
}

async fn keep(store: &Store, made: &Admission, progress: &Synthesis) -> Result<()> {
    Ok(store.put_clustered(&made.environment, &made.tasks, &made.clusters, Some(progress)).await?)
}

/// The report as the store keeps it.
fn synthesis(identity: &str, report: &Report) -> Result<Synthesis> {
    let examples = report.rejected.examples.iter().flat_map(|(reason, details)| {
        details.iter().enumerate().map(|(n, detail)| RejectedExample {
            candidate: n as u64,
            reason: reason.clone(),
            detail: detail.clone(),
        })
    });
    Ok(Synthesis {
        options: identity.to_owned(),
        next_index: report.next_index,
        rejected: report.rejected.counts.clone(),
        state: serde_json::to_value(report)?,
        examples: examples.collect(),
    })
}

/// Where the same synthesis stopped; everything in the database counts against near-duplicates.
async fn resume(store: &Store, identity: &str) -> Result<Resume> {
    let mut resume = match store.synthesis(identity).await? {
        Some(known) => Resume::from(serde_json::from_value(known.state).context("the stored progress cannot be read")?),
        None => Resume::default(),
    };
    for id in store.environment_ids_as_stored().await? {
        let environment = store.environment(&id).await?;
        let tasks = store.tasks(&TaskFilter::environment(&id)).await?;
        let clusters = store.clusters(&id, &tasks).await?;
        resume.admit(&environment, &tasks, &clusters);
    }
    Ok(resume)
}

/// Says what would be made.
fn dry_run(options: &Options, identity: &str) -> Result<Made> {
    let suites: Vec<ParsedSuite> =
        if options.suites.is_empty() { library::parsed()?.to_vec() } else { options.suites.clone() };
    let names: Vec<&str> = suites.iter().map(|s| s.suite.name.as_str()).collect();
    let each = options.tasks_per_environment();
    let json = json!({
        "dry_run": true,
        "environments": options.envs,
        "tasks": options.tasks,
        "tasks_per_environment": each,
        "suites": names,
        "options": serde_json::from_str::<Value>(identity)?,
    });
    let text = format!(
        "would make {} environments, {} tasks (up to {each} in each) of {} suites: {}; nothing was written",
        options.envs,
        options.tasks,
        names.len(),
        names.join(", ")
    );
    Ok(Made { json, text, cancelled: false })
}

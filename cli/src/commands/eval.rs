//! `terrarium eval`: a policy k times a task, then pass@1, pass@k and pass^k with 95 % Wilson intervals.

use crate::args::{EvalArgs, Global};
use crate::commands::rollout::{Plan, roll};
use crate::{Ending, output};
use anyhow::Result;
use serde_json::json;
use terrarium_dataset::eval::{EvalRow, Pass};
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_sandbox::Sandbox;

/// Runs the command.
pub async fn run(global: &Global, args: &EvalArgs) -> Result<Ending> {
    let plan =
        Plan { group: args.k, concurrency: args.concurrency, ..Plan::new(&args.policy, &args.select, &args.agent) };
    plan.check()?;
    let store = Store::open(&global.db).await?;
    let sandbox = Sandbox::new(terrarium_sandbox::Config::default())?;
    let rolled = roll(global, &store, &sandbox, &plan).await?;
    let filter = EpisodeFilter {
        tasks: TaskFilter { ids: rolled.chosen.values().flatten().cloned().collect(), ..TaskFilter::default() },
        policies: vec![rolled.policy.clone()],
        ..EpisodeFilter::default()
    };
    let rows = store.eval(&filter, u64::from(args.k)).await?;
    let whole = rows.iter().find(|row| row.kind.is_none() && row.calls.is_none());
    let first = whole.and_then(|row| row.pass.iter().find(|p| p.k == 1));
    let last = whole.and_then(|row| row.pass.iter().find(|p| p.k == u64::from(args.k)));
    let json = json!({
        "policy": rolled.policy,
        "k": args.k,
        "episodes": rolled.episodes,
        "solved": rolled.solved(),
        "pass_at_1": first.map(|p| p.at.value),
        "pass_at_k": last.map(|p| p.at.value),
        "pass_pow_k": last.map(|p| p.pow.value),
        "rows": rows,
        "stopped": rolled.stopped,
    });
    let mut ending = Ending::Done;
    let mut text = table(&rows, u64::from(args.k));
    if let Some(why) = &rolled.stopped {
        ending = Ending::Failed;
        text.push_str(&format!("\nstopped: {why}; the same command goes on from here"));
    }
    output::summary(global, &json, &text)?;
    Ok(ending)
}

fn table(rows: &[EvalRow], k: u64) -> String {
    let percent = |pass: Option<&Pass>, pick: fn(&Pass) -> [f64; 3]| {
        pass.map(pick).map_or_else(String::new, |[v, low, high]| {
            format!("{:.1} % [{:.1}, {:.1}]", v * 100.0, low * 100.0, high * 100.0)
        })
    };
    let at = |p: &Pass| [p.at.value, p.at.low, p.at.high];
    let pow = |p: &Pass| [p.pow.value, p.pow.low, p.pow.high];
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let kind = row.kind.map_or("all", |kind| kind.name()).to_owned();
            let calls = match row.calls {
                None => "all".to_owned(),
                Some((low, Some(high))) => format!("{low}-{high}"),
                Some((low, None)) => format!("{low}+"),
            };
            let one = row.pass.iter().find(|p| p.k == 1);
            let last = row.pass.iter().find(|p| p.k == k);
            vec![
                kind,
                calls,
                row.tasks.to_string(),
                row.scored.to_string(),
                percent(one, at),
                percent(last, at),
                percent(last, pow),
            ]
        })
        .collect();
    let (at_k, pow_k) = (format!("pass@{k}"), format!("pass^{k}"));
    let header: [&str; 7] = ["kind", "calls", "tasks", "scored", "pass@1", &at_k, &pow_k];
    output::table(&header, &lines)
}

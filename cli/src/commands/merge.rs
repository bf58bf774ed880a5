//! `terrarium merge`: one database out of several.

use crate::args::{Global, MergeArgs};
use crate::progress::Progress;
use crate::{Ending, clusters, output};
use anyhow::Result;
use serde_json::json;
use std::time::Instant;
use terrarium_dataset::merge::{MergeReport, Taken};
use terrarium_dataset::{EpisodeFilter, Store};

/// Runs the command.
pub async fn run(global: &Global, args: &MergeArgs) -> Result<Ending> {
    let started = Instant::now();
    // All sources are opened first: a mistyped name should not leave half of a merge.
    let mut sources = Vec::with_capacity(args.sources.len());
    for path in &args.sources {
        sources.push(Store::open_read_only(path).await?);
    }
    let store = Store::open_or_create(&global.db).await?;
    let taken = if args.renumber { Taken::Renumber } else { Taken::Conflict };
    let mut report = MergeReport::default();
    for source in &sources {
        let total = source.outcomes(&EpisodeFilter::default()).await?.values().sum();
        let bar = Progress::new(global, "merge", "episodes", total);
        store.merge(source, taken, &mut report, |done| bar.at(done, "")).await?;
        bar.finish();
    }
    if report.added.get("tasks").is_some_and(|n| *n > 0) {
        clusters::again(&store).await?;
    }
    store.close().await?;
    let seconds = started.elapsed().as_secs_f64();
    let mut json = serde_json::to_value(&report)?;
    json["sources"] = json!(args.sources);
    json["seconds"] = json!(seconds);
    let count = |rows: &std::collections::BTreeMap<&'static str, u64>| {
        ["environments", "tasks", "episodes", "runs"]
            .map(|table| format!("{} {table}", rows.get(table).copied().unwrap_or(0)))
            .join(", ")
    };
    let mut text = format!("added {}; there already {} ({seconds:.1} s)", count(&report.added), count(&report.known));
    if report.renumbered > 0 {
        text.push_str(&format!("\n{} episodes got another sample number", report.renumbered));
    }
    if report.conflict_count > 0 {
        text.push_str(&format!("\n{} conflicts; what was in {} stays:", report.conflict_count, global.db.display()));
        report.conflicts.iter().for_each(|conflict| text.push_str(&format!("\n  {conflict}")));
    }
    output::summary(global, &json, &text)?;
    Ok(if report.conflict_count == 0 { Ending::Done } else { Ending::Failed })
}

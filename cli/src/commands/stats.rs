//! `terrarium stats`: what the database holds, and whether it is sound.

use crate::args::{Global, StatsArgs};
use crate::{Ending, clusters, output};
use anyhow::Result;
use serde_json::json;
use terrarium_dataset::Store;

/// Runs the command.
pub async fn run(global: &Global, args: &StatsArgs) -> Result<Ending> {
    let store = Store::open(&global.db).await?;
    if args.rebuild {
        store.rebuild_summaries().await?;
        clusters::again(&store).await?;
    }
    let stats = store.stats().await?;
    let count = |table: &str| stats.tables.get(table).copied().unwrap_or(0);
    let mut json = json!({
        "environments": count("environments"),
        "tasks": count("tasks"),
        "episodes": count("episodes"),
        "steps": count("steps"),
        "detail": stats,
    });
    let mut text = format!(
        "{}: {} environments of {} suites ({} tools), {} tasks, {} episodes, {} steps, {} bytes",
        global.db.display(),
        count("environments"),
        stats.suites,
        stats.tools,
        count("tasks"),
        count("episodes"),
        count("steps"),
        stats.bytes
    );
    if let Some((mean, most)) = stats.calls {
        text.push_str(&format!("\nreference solutions: {mean:.1} calls on average, {most} at most"));
    }
    let triples = |rows: &[(String, String, u64)]| -> Vec<Vec<String>> {
        rows.iter().map(|(a, b, n)| vec![a.clone(), b.clone(), n.to_string()]).collect()
    };
    text.push_str(&format!("\n\n{}", output::table(&["split", "kind", "tasks"], &triples(&stats.tasks))));
    if !stats.episodes.is_empty() {
        text.push_str(&format!("\n\n{}", output::table(&["policy", "outcome", "episodes"], &triples(&stats.episodes))));
    }
    if !stats.rejected.is_empty() {
        let rows: Vec<_> = stats.rejected.iter().map(|(reason, n)| vec![reason.clone(), n.to_string()]).collect();
        text.push_str(&format!("\n\n{}", output::table(&["rejected because", "candidates"], &rows)));
    }
    let mut ending = Ending::Done;
    if args.check {
        let report = store.check().await?;
        if report.found > 0 {
            ending = Ending::Failed;
        }
        text.push_str(&format!("\n\ncheck: {} findings", report.found));
        for finding in &report.findings {
            text.push_str(&format!("\n  {}: {}", finding.place, finding.detail));
        }
        json["check"] = serde_json::to_value(&report)?;
    }
    output::summary(global, &json, &text)?;
    Ok(ending)
}

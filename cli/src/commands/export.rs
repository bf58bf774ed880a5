//! `terrarium export`: JSONL that trainers load, with a dataset card.

use crate::args::{ExportArgs, Format, Global};
use crate::{Ending, output, select};
use anyhow::Result;
use serde_json::json;
use terrarium_dataset::export::openai::{self, OpenAiOptions};
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::outcome::Outcome;

/// Runs the command.
pub async fn run(global: &Global, args: &ExportArgs) -> Result<Ending> {
    let tasks = TaskFilter { split: select::split(&args.split)?, ..TaskFilter::default() };
    let store = Store::open(&global.db).await?;
    let outcomes = match (args.solved, args.include_broken) {
        (true, _) => vec![Outcome::Solved],
        (false, true) => Vec::new(),
        (false, false) => Outcome::ALL.into_iter().filter(|o| o.reward().is_some()).collect(),
    };
    let filter =
        EpisodeFilter { tasks, policies: args.policy.iter().cloned().collect(), outcomes, ..EpisodeFilter::default() };
    let started = std::time::Instant::now();
    let Format::Openai = args.format;
    let options = OpenAiOptions { tools_as_objects: args.objects, ..OpenAiOptions::default() };
    let summary = openai::export(&store, &filter, &args.out, &options).await?;
    let files: Vec<String> = summary.files.iter().map(|f| f.name.display().to_string()).collect();
    let bytes: u64 = summary.files.iter().map(|f| f.bytes).sum();
    let json = json!({"rows": summary.rows, "files": files, "bytes": bytes, "out": args.out, "seconds": started.elapsed().as_secs_f64()});
    let text = format!("{} rows, {bytes} bytes in {}: {}", summary.rows, args.out.display(), files.join(", "));
    output::summary(global, &json, &text)?;
    if summary.rows == 0 {
        output::note(global, "nothing fitted the selection; `terrarium stats` says what there is");
    }
    Ok(Ending::Done)
}

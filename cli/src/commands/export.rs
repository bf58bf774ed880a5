//! `terrarium export`: files that trainers load, with a dataset card.

use crate::args::{ExportArgs, Files, Format, Global};
use crate::{Ending, Usage, output, select};
use anyhow::Result;
use serde_json::json;
use terrarium_dataset::export::{self, Container, ExportOptions, Unit};
use terrarium_dataset::{EpisodeFilter, Error, Expression, Selection, Store, Subject, TaskFilter};
use terrarium_envs::outcome::Outcome;

/// Runs the command.
pub async fn run(global: &Global, args: &ExportArgs) -> Result<Ending> {
    let options = options(args).await?;
    let store = Store::open(&global.db).await?;
    let started = std::time::Instant::now();
    let summary = match export::export(&store, &options, &args.out).await {
        Err(error @ Error::NoColumns { .. }) => return Err(Usage(error.to_string()).into()),
        other => other?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let files: Vec<String> = summary.files.iter().map(|f| f.name.display().to_string()).collect();
    let bytes: u64 = summary.files.iter().map(|f| f.bytes).sum();
    let json = json!({
        "format": options.format.name(), "rows": summary.rows, "left_out": summary.left_out, "files": files, "bytes": bytes,
        "out": args.out, "seconds": seconds,
    });
    let mut text = format!("{} rows, {bytes} bytes in {}: {}", summary.rows, args.out.display(), files.join(", "));
    for (reason, episodes) in &summary.left_out {
        text.push_str(&format!("\n{episodes} episodes left out: {reason}"));
    }
    output::summary(global, &json, &text)?;
    if summary.rows == 0 {
        output::note(global, "nothing fitted the selection; `terrarium stats` says what there is");
    }
    Ok(Ending::Done)
}

/// What was typed, as options.
async fn options(args: &ExportArgs) -> Result<ExportOptions> {
    let format = format(args.format);
    let by_task = format.unit() == Unit::Task;
    if by_task {
        let given = [
            ("--solved", args.solved),
            ("--failed", args.failed),
            ("--include-broken", args.include_broken),
            ("--best", args.best.is_some()),
            ("--max-tokens", args.max_tokens.is_some()),
            ("--total-tokens", args.total_tokens.is_some()),
            ("--thinking", args.thinking),
        ];
        if let Some((name, _)) = given.into_iter().find(|(_, given)| *given) {
            let name = format!("rows of {} are tasks, and {name} is about episodes", format.name());
            return Err(
                Usage(format!("{name}; leave it out (--where 'solved > 0' selects tasks by their episodes)")).into()
            );
        }
    }
    let expression = match &args.condition {
        None => None,
        Some(text) => {
            let subject = if by_task { Subject::Task } else { Subject::Episode };
            match Expression::check(text, subject).await {
                Err(error @ Error::Expression { .. }) => return Err(Usage(error.to_string()).into()),
                other => Some(other?),
            }
        }
    };
    let solved = args.solved || format.imitates() && !args.failed && !args.include_broken;
    let outcomes = match (solved, args.include_broken) {
        (true, _) => vec![Outcome::Solved],
        (false, true) => Vec::new(),
        (false, false) => Outcome::ALL.into_iter().filter(|o| o.reward().is_some()).collect(),
    };
    let kinds = args.kind.as_deref().map(select::kind).transpose()?.into_iter().collect();
    let episodes = EpisodeFilter {
        tasks: TaskFilter { split: select::split(&args.split)?, kinds, ..TaskFilter::default() },
        policies: args.policy.clone(),
        outcomes,
        limit: args.limit,
        ..EpisodeFilter::default()
    };
    let selection = Selection {
        episodes,
        expression,
        tokens_max: args.max_tokens,
        tokens_total: args.total_tokens,
        best: args.best,
        split_safe: args.split_safe,
        traced: false,
        rescored: args.rescored,
    };
    let container = match args.files {
        Files::Jsonl => Container::Jsonl,
        Files::Zst => Container::JsonlZst,
        Files::Parquet => Container::Parquet,
    };
    Ok(ExportOptions { format, container, selection, objects: args.objects, thinking: args.thinking })
}

fn format(typed: Format) -> export::Format {
    match typed {
        Format::Openai => export::Format::OpenAi,
        Format::Trl => export::Format::Trl,
        Format::TrlDpo => export::Format::TrlDpo,
        Format::TrlKto => export::Format::TrlKto,
        Format::TrlGrpo => export::Format::TrlGrpo,
        Format::Verl => export::Format::Verl,
        Format::VerlSft => export::Format::VerlSft,
        Format::Skyrl => export::Format::SkyRl,
        Format::SkyrlSft => export::Format::SkyRlSft,
        Format::Verifiers => export::Format::Verifiers,
        Format::Atif => export::Format::Atif,
        Format::Adp => export::Format::Adp,
        Format::Nemo => export::Format::Nemo,
    }
}

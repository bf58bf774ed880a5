//! `terrarium show contamination FILE`: which of ours are near which of theirs.

use crate::args::Global;
use crate::progress::Progress;
use crate::{Ending, Usage, output};
use anyhow::{Context, Result};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use terrarium_dataset::{Store, TaskFilter};
use terrarium_synth::dedup::contamination::{Near, Ours, What};
use terrarium_synth::dedup::foreign;

/// Compares the database with a file; `most` pairs are shown.
pub async fn run(global: &Global, store: &Store, file: &Path, similarity: f64, most: usize) -> Result<Ending> {
    if !(similarity > 0.0 && similarity <= 1.0) {
        return Err(Usage("--similarity must be above 0 and at most 1".to_owned()).into());
    }
    let reader = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut ours = Ours::default();
    let (mut environments, mut tasks) = (0, 0);
    let ids = store.environment_ids(None).await?;
    let bar = Progress::new(global, "contamination", "environments", ids.len() as u64);
    for id in ids {
        let own = store.tasks(&TaskFilter::environment(&id)).await?;
        ours.add(&store.environment(&id).await?, &own);
        environments += 1;
        tasks += own.len();
        bar.at(environments, "");
    }
    bar.finish();
    let (mut rows, mut prompts, mut tool_sets, mut tools, mut unread) = (0_u64, 0, 0, 0, 0);
    let mut near: Vec<Near> = Vec::new();
    let mut near_rows: BTreeSet<u64> = BTreeSet::new();
    let mut counts = [0_u64; 3];
    for (n, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.with_context(|| format!("{}, line {}", file.display(), n + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = foreign::read(&line);
        rows += 1;
        prompts += row.prompts.len();
        tools += row.tools.len();
        tool_sets += usize::from(row.tools.len() > 1);
        unread += u64::from(row.prompts.is_empty() && row.tools.is_empty());
        for found in ours.near(n as u64 + 1, &row, similarity) {
            counts[found.what as usize] += 1;
            near_rows.insert(found.line);
            near.push(found);
        }
        // What is not shown is counted and forgotten.
        if near.len() > 2 * most + 1000 {
            shown(&mut near, most);
        }
    }
    shown(&mut near, most);
    let of = |what: What| counts[what as usize];
    let json = json!({
        "file": file,
        "similarity": similarity,
        "environments": environments,
        "tasks": tasks,
        "rows": rows,
        "rows_unread": unread,
        "rows_near": near_rows.len(),
        "prompts": prompts,
        "prompts_near": of(What::Prompt),
        "tool_sets": tool_sets,
        "tool_sets_near": of(What::ToolSet),
        "tools": tools,
        "tools_near": of(What::Tool),
        "pairs": near,
    });
    let mut text = format!(
        "{}: {rows} rows beside {environments} environments and {tasks} tasks; near means a similarity of {similarity} or more\n\
         {} of {prompts} prompts, {} of {tool_sets} sets of tools and {} of {tools} tools are near ours, in {} rows",
        file.display(),
        of(What::Prompt),
        of(What::ToolSet),
        of(What::Tool),
        near_rows.len()
    );
    if unread > 0 {
        text.push_str(&format!("\n{unread} rows hold neither a prompt nor a tool that could be recognised"));
    }
    for pair in &near {
        let what = match pair.what {
            What::Prompt => "prompt",
            What::ToolSet => "tools",
            What::Tool => "tool",
        };
        text.push_str(&format!(
            "\n{:.2}  line {}  {what}  {}\n      {}",
            pair.similarity, pair.line, pair.ours, pair.theirs
        ));
    }
    output::summary(global, &json, &text)?;
    Ok(if near_rows.is_empty() { Ending::Done } else { Ending::Failed })
}

/// The most similar pairs.
fn shown(near: &mut Vec<Near>, most: usize) {
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then((a.what, a.line).cmp(&(b.what, b.line))));
    near.truncate(most);
}

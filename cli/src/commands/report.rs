//! `terrarium show report --html FILE`: one page that needs nothing else, to look at and to send.

use crate::args::Global;
use crate::commands::variety::{Variety, line, variety};
use crate::{Ending, output};
use anyhow::{Context, Result};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_json::json;
use std::path::Path;
use terrarium_dataset::Store;
use terrarium_dataset::collection::Collection;
use terrarium_dataset::report::Report;

/// Tasks to read of each kind.
const SAMPLES_EACH: usize = 4;

const TEMPLATE: &str = include_str!("../../templates/report.html");

/// Writes the page. `most` is the number of episodes that it holds to read.
pub async fn run(global: &Global, store: &Store, html: &Path, most: usize) -> Result<Ending> {
    let report = store.report(most).await?;
    let collection = store.collection(SAMPLES_EACH).await?;
    let variety = variety(store).await?;
    let name = global.db.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let page = render(&report, &collection, &variety, &name)?;
    std::fs::write(html, &page).with_context(|| format!("{} could not be written", html.display()))?;
    let json = json!({"html": html, "bytes": page.len(), "policies": report.policies.len(), "episodes": report.episodes.len(),
        "environment_clusters": collection.environment_clusters, "task_clusters": collection.task_clusters,
        "nearest": variety.curve.last(), "samples": collection.samples.len()});
    let text = format!(
        "{}: {} tasks and {} episodes to read, {} policies, {} bytes",
        html.display(),
        collection.samples.len(),
        report.episodes.len(),
        report.policies.len(),
        page.len()
    );
    output::summary(global, &json, &text)?;
    Ok(Ending::Done)
}

/// The page of a report.
fn render(report: &Report, collection: &Collection, variety: &Variety, title: &str) -> Result<String> {
    let mut environment = Environment::new();
    environment.add_filter("percent", percent);
    environment.add_filter("share", share);
    environment.add_filter("shade", shade);
    environment.add_filter("thousands", thousands);
    environment.add_filter("at_attempts", at_attempts);
    environment.add_template("report.html", TEMPLATE)?;
    let count = |table: &str| report.stats.tables.get(table).copied().unwrap_or(0);
    let tiles = [
        ("suites", if variety.suites.is_empty() { report.stats.suites } else { variety.suites.len() as u64 }),
        ("environments", count("environments")),
        ("tools", report.stats.tools),
        ("certified tasks", count("tasks")),
        ("clusters of tasks", collection.task_clusters),
        ("episodes", count("episodes")),
        ("tool calls", count("steps")),
    ]
    .map(|(name, number)| (name, thousands(number)));
    let mut attempts: Vec<u64> = report.policies.iter().flat_map(|p| p.pass.iter().map(|pass| pass.k)).collect();
    attempts.sort_unstable();
    attempts.dedup();
    // Inside a script element only `<` could end it.
    let inside_script = |json: String| json.replace('<', "\\u003c");
    let episodes = inside_script(serde_json::to_string(&report.episodes)?);
    let samples = inside_script(serde_json::to_string(&collection.samples)?);
    let tasks = collection.growth.last().map_or(1, |(n, _)| *n);
    // Clusters as a share of the tasks.
    let growth = line(collection.growth.iter().map(|(n, clusters)| (*n, *clusters as f64 / *n as f64)), tasks);
    let largest = |rows: &[(String, u64)]| rows.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let histograms = [
        ("Difficulty score", "tasks", &collection.difficulty),
        ("Calls of the reference solution", "tasks", &collection.calls),
        ("Tools of an environment", "environments", &collection.tools),
    ]
    .map(|(name, unit, rows)| (name, unit, rows, largest(rows)));
    let options: Vec<_> = report.runs.iter().map(|run| told(&run.options)).collect();
    let context = context! {
        options => Serde(options), title, attempts, tiles => Serde(tiles), report => Serde(report), episodes_json => episodes,
        samples_json => samples, growth, histograms => Serde(histograms), variety => Serde(variety),
        collection => Serde(Collection { samples: Vec::new(), ..collection.clone() }),
    };
    Ok(environment.get_template("report.html")?.render(context)?)
}

/// `0.123` as `12.3 %`.
fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

/// A proportion as a number of CSS percent.
fn share(value: f64) -> String {
    format!("{:.2}", value * 100.0)
}

/// The colour of an outcome: its own where it has a reward, that of broken runs otherwise.
fn shade(outcome: &Value) -> Result<String, minijinja::Error> {
    let has_reward = f64::try_from(outcome.get_attr("reward")?).is_ok();
    Ok(if has_reward { outcome.get_attr("outcome")?.to_string() } else { "broken".to_owned() })
}

/// The options of a run that say something, by name; those inside others are named after both.
fn told(options: &serde_json::Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    tell("", options, &mut all);
    all
}

fn tell(name: &str, value: &serde_json::Value, all: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(false) => {}
        serde_json::Value::Object(fields) => {
            for (field, value) in fields {
                let inside = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                tell(inside.strip_prefix("setup.").unwrap_or(&inside), value, all);
            }
        }
        serde_json::Value::Array(values) if values.is_empty() => {}
        serde_json::Value::String(text) => all.push((name.to_owned(), text.clone())),
        other => all.push((name.to_owned(), other.to_string())),
    }
}

/// The estimates for k attempts, if there are any.
fn at_attempts(pass: &Value, k: u64) -> Result<Value, minijinja::Error> {
    for row in pass.try_iter()? {
        if row.get_attr("k")? == Value::from(k) {
            return Ok(row);
        }
    }
    Ok(Value::from(()))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_without_what_says_nothing() {
        let options = json!({"policy": "expert", "stream": false, "temperature": null, "setup": {"budget": {"turns": 3}, "kinds": []}});
        let all: Vec<String> = told(&options).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(all, ["policy expert", "budget.turns 3"]);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            ["7", "1\u{202f}000", "12\u{202f}345\u{202f}678"],
            [7, 1000, 12_345_678].map(thousands).each_ref().map(String::as_str)
        );
        assert_eq!((percent(0.1234), share(1.0)), ("12.3 %".to_owned(), "100.00".to_owned()));
    }
}

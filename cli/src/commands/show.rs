//! `terrarium show env | task | episode | rejected | contamination | report`.

use crate::args::{Global, ShowCommand};
use crate::commands::{contamination, report};
use crate::{Ending, Usage, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use terrarium_dataset::{EpisodeFilter, Rejection, Store, TaskFilter};
use terrarium_envs::certificate::MutantRuns;
use terrarium_envs::environment::Environment;
use terrarium_envs::episode::{Episode, EpisodeKey, Step};
use terrarium_envs::message::Message;
use terrarium_envs::task::Task;
use terrarium_envs::verifier::Check;
use terrarium_sandbox::{RowUpdate, StateDiff, TableDiff};

/// Runs the command.
pub async fn run(global: &Global, command: &ShowCommand) -> Result<Ending> {
    let store = Store::open(&global.db).await?;
    match command {
        ShowCommand::Report { html, episodes } => return report::run(global, &store, html, *episodes).await,
        ShowCommand::Contamination { file, similarity, pairs } => {
            return contamination::run(global, &store, file, *similarity, *pairs).await;
        }
        ShowCommand::Rejected { reason } => {
            let rejected = store.rejections(reason.as_deref()).await?;
            if let (Some(reason), true) = (reason, rejected.is_empty()) {
                bail!("nothing was turned down for `{reason}`; `terrarium show rejected` lists the reasons");
            }
            output::summary(global, &json!({"rejected": rejected}), &rejected_text(&rejected))?;
        }
        ShowCommand::Env { id } => {
            let environment = store.environment(id).await?;
            let tasks = store.task_ids(&TaskFilter { environment: Some(id.clone()), ..TaskFilter::default() }).await?;
            let mut json = serde_json::to_value(&environment)?;
            json["component"] = Value::from(format!("{} bytes", environment.component.len()));
            output::summary(global, &json, &environment_text(&environment, &tasks))?;
        }
        ShowCommand::Task { id } => {
            let task = store.task(id).await?;
            output::summary(global, &serde_json::to_value(&task)?, &task_text(&task)?)?;
        }
        ShowCommand::Episode { id } => {
            let episode = find_episode(&store, id).await?;
            let later = store.verdicts(&episode.key).await?;
            let mut json = serde_json::to_value(&episode)?;
            json["rescored"] = serde_json::to_value(&later)?;
            let mut text = episode_text(&episode)?;
            for verdict in &later {
                let reward = verdict.reward.map_or("none".to_owned(), |r| r.to_string());
                text.push_str(&format!(
                    "\nre-scored by {}: {}, reward {reward}\n",
                    verdict.verifier,
                    verdict.outcome.name()
                ));
                text.push_str(&checks_text(&verdict.checks));
            }
            output::summary(global, &json, &text)?;
        }
    }
    Ok(Ending::Done)
}

fn rejected_text(rejected: &[Rejection]) -> String {
    let mut text = format!("{} candidates turned down", rejected.iter().map(|r| r.candidates).sum::<u64>());
    for reason in rejected {
        text.push_str(&format!("\n\n{} {}", reason.candidates, reason.reason));
        for example in &reason.examples {
            text.push_str(&format!("\n  {}", example.replace('\n', "\n  ")));
        }
    }
    text
}

/// `TASK`, `TASK@POLICY` or `TASK@POLICY#SAMPLE`; the first that is stored.
pub async fn find_episode(store: &Store, id: &str) -> Result<Episode> {
    let (task, rest) = id.split_once('@').unwrap_or((id, ""));
    let (policy, sample) = rest.rsplit_once('#').map_or((rest, None), |(p, s)| (p, Some(s)));
    store.task(task).await?;
    if let Some(sample) = sample {
        let sample =
            sample.parse().map_err(|_| Usage(format!("`{sample}` is no sample number; write TASK@POLICY#SAMPLE")))?;
        return Ok(store.episode(&EpisodeKey { task_id: task.to_owned(), policy: policy.to_owned(), sample }).await?);
    }
    let policies = if policy.is_empty() { Vec::new() } else { vec![policy.to_owned()] };
    let filter = EpisodeFilter { tasks: TaskFilter::id(task), policies, limit: Some(1), ..EpisodeFilter::default() };
    match store.episodes(&filter).await?.next().await? {
        Some(episode) => Ok(episode),
        None => bail!("no episode {id} is stored; `terrarium rollout --policy ... --task {task}` makes one"),
    }
}

fn environment_text(environment: &Environment, tasks: &[String]) -> String {
    let mut text = format!(
        "{} ({}, {}, {})\ncomponent: {} bytes, blake3 {}\n\n{}\n\ntools:\n",
        environment.id,
        environment.title,
        environment.domain,
        environment.split.name(),
        environment.component.len(),
        environment.digest,
        environment.system
    );
    for tool in environment.shown_tools() {
        let parameters: Vec<_> =
            tool.parameters["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let writes = if tool.writes { " (writes)" } else { "" };
        text.push_str(&format!("  {}({}){writes}: {}\n", tool.name, parameters.join(", "), tool.description));
    }
    text.push_str(&format!("\nrecipe: {}\n\n{} tasks:\n", environment.recipe, tasks.len()));
    for task in tasks {
        text.push_str(&format!("  {task}\n"));
    }
    text
}

fn task_text(task: &Task) -> Result<String> {
    let d = &task.difficulty;
    let mut text = format!(
        "{} ({}, {})\ndifficulty {:.1}: {} calls, {} writes, {} tools, depth {}, {} distractors\n\nprompt:\n{}\n\ngoal: {}\n\nsolution:\n",
        task.id,
        task.kind.name(),
        task.split.name(),
        d.score,
        d.calls,
        d.writes,
        d.tools,
        d.depth,
        d.distractors,
        task.prompt,
        task.goal
    );
    for (i, call) in task.solution.iter().enumerate() {
        text.push_str(&format!("  {i}. {}({})\n", call.name, call.arguments));
    }
    text.push_str(&format!("\nverifier: {}\n\n", serde_json::to_string(&task.verifier)?));
    let c = &task.certificate;
    text.push_str(&format!("certificate: reference {}, noop {}\n", c.reference, c.noop));
    for MutantRuns { mutator, runs, as_expected, equivalent, not_applicable } in &c.mutants {
        let name = serde_json::to_value(mutator)?;
        let name = name.as_str().unwrap_or_default();
        match not_applicable {
            Some(why) => text.push_str(&format!("  {name}: not applicable, {why}\n")),
            None => text.push_str(&format!(
                "  {name}: {as_expected} of {runs} scored {} as they must, {equivalent} equivalent\n",
                mutator.expected()
            )),
        }
    }
    for p in &c.provenance {
        text.push_str(&format!("  {} in {}: from {}\n", p.value, p.used_in, p.from));
    }
    Ok(text)
}

fn episode_text(episode: &Episode) -> Result<String> {
    let key = &episode.key;
    let reward = episode.reward.map_or("none".to_owned(), |r| r.to_string());
    let mut text =
        format!("{}@{}#{}: {}, reward {reward}\n", key.task_id, key.policy, key.sample, episode.outcome.name());
    if let Some(error) = &episode.error {
        text.push_str(&format!("why: {error}\n"));
    }
    for message in &episode.messages {
        match message {
            Message::System { content } => text.push_str(&format!("\n[system]\n{content}\n")),
            Message::User { content } => text.push_str(&format!("\n[user]\n{content}\n")),
            Message::Assistant { content, reasoning, calls } => {
                text.push_str("\n[assistant]\n");
                for part in [reasoning, content].into_iter().filter(|p| !p.is_empty()) {
                    text.push_str(&format!("{part}\n"));
                }
                for call in calls {
                    text.push_str(&format!("-> {}({})\n", call.name, call.arguments));
                }
            }
            Message::Tool { call_id, content, .. } => {
                text.push_str(&format!("<- {content}\n"));
                if let Some(step) = episode.steps.iter().find(|s| s.call_id == *call_id) {
                    text.push_str(&step_text(step)?);
                }
            }
        }
    }
    text.push('\n');
    Ok(text + &checks_text(&episode.checks))
}

fn checks_text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = if check.passed { "passed" } else { "FAILED" };
        let detail = if check.detail.is_empty() { String::new() } else { format!(": {}", check.detail) };
        text.push_str(&format!("{mark} {}{detail}\n", check.name));
    }
    text
}

/// What a step changed, a line for each row: `~ loan L-7: state active -> returned`, `+ loan {...}`, `- loan {...}`.
fn step_text(step: &Step) -> Result<String> {
    let mut text = String::new();
    if step.diff.is_empty() {
        return Ok(text);
    }
    let diff: StateDiff = serde_json::from_str(&step.diff)
        .with_context(|| format!("the difference stored with call {} is damaged", step.call_id))?;
    for TableDiff { table, inserted, updated, deleted } in &diff.tables {
        for row in inserted {
            text.push_str(&format!("   + {table} {}\n", serde_json::to_string(row)?));
        }
        for RowUpdate { key, before, after } in updated {
            let changes: Vec<String> = after
                .iter()
                .map(|(column, now)| format!("{column} {} -> {}", plain(before.get(column)), plain(Some(now))))
                .collect();
            text.push_str(&format!("   ~ {table} {key}: {}\n", changes.join(", ")));
        }
        for row in deleted {
            text.push_str(&format!("   - {table} {}\n", serde_json::to_string(row)?));
        }
    }
    Ok(text)
}

/// A value as a reader wants it: a text without its quotes, where it has no space.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) if !text.is_empty() && !text.contains(char::is_whitespace) => text.clone(),
        Some(other) => other.to_string(),
    }
}

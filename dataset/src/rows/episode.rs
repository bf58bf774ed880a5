//! Rows of `episodes` and `steps`.

use super::{from_json, json, messages};
use crate::insert::{Row, Table};
use crate::summaries;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use terrarium_envs::episode::{Episode, EpisodeKey, Step, TokenTrace};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::usage::Usage;

/// How episodes are written.
pub static TABLE: Table = Table::new(
    "INSERT INTO episodes (id, task_id, policy, sample, environment_id, seed, outcome, reward, turns, step_count, trace_count, \
     elapsed_us, text_bytes, tokens, sampled_tokens, answer, error, checks, messages, setup, usage, cuts, prompt_tokens, \
     completion_tokens)",
    24,
);

/// How steps are written.
pub static STEPS: Table = Table::new(
    "INSERT INTO steps (episode_id, number, turn, tool, outcome, fuel, elapsed_us, call_id, arguments, diff, result)",
    11,
);

/// The columns that [`read`] reads, of the table `e`.
pub const COLUMNS: &str = "e.id, e.task_id, e.policy, e.sample, e.environment_id, e.seed, e.outcome, e.reward, e.turns, e.step_count, \
     e.trace_count, e.elapsed_us, e.answer, e.error, e.checks, e.messages, e.setup, e.usage, e.cuts";

/// The columns that [`read_step`] reads, in its order. `diff` may be replaced by another text.
pub const STEP_COLUMNS: &str = "episode_id, turn, tool, outcome, fuel, elapsed_us, call_id, arguments, result, diff";
/// The same without the changes of the world.
pub const STEP_COLUMNS_WITHOUT_DIFF: &str =
    "episode_id, turn, tool, outcome, fuel, elapsed_us, call_id, arguments, result, '' AS diff";

/// The row of an episode with the internal id `id`, whose environment has the system message `system`.
pub fn write(id: i64, episode: &mut Episode, system: &str) -> Row {
    let messages = messages::write(&episode.messages, &episode.steps, system);
    let tokens = episode.traces.last().map_or(0, |last| last.prompt_ids.len() + last.token_ids.len());
    let used = |of: fn(&Usage) -> u64| episode.usage.iter().map(of).sum::<u64>();
    let (prompt_tokens, completion_tokens) = (used(|u| u.prompt), used(|u| u.completion));
    Row::with_capacity(24)
        .integer(id)
        .text(std::mem::take(&mut episode.key.task_id))
        .text(std::mem::take(&mut episode.key.policy))
        .integer(episode.key.sample)
        .text(std::mem::take(&mut episode.environment_id))
        .unsigned(episode.seed)
        .text(episode.outcome.name())
        .real(episode.reward)
        .integer(episode.turns)
        .integer(episode.steps.len() as i64)
        .integer(episode.traces.len() as i64)
        .unsigned(episode.elapsed_us)
        .unsigned(summaries::text_bytes(episode))
        .integer(tokens as i64)
        .unsigned(summaries::sampled_tokens(episode))
        .maybe_text(episode.answer.take())
        .maybe_text(episode.error.take())
        .text(json(&episode.checks))
        .text(messages)
        .text(json(&episode.setup))
        .text(json(&episode.usage))
        .text(json(&episode.cuts))
        .unsigned(prompt_tokens)
        .unsigned(completion_tokens)
}

/// The row of a step.
pub fn write_step(episode: i64, number: usize, step: Step) -> Row {
    Row::with_capacity(11)
        .integer(episode)
        .integer(number as i64)
        .integer(step.turn)
        .text(step.tool)
        .text(step.outcome)
        .unsigned(step.fuel)
        .unsigned(step.elapsed_us)
        .text(step.call_id)
        .text(step.arguments)
        .text(step.diff)
        .text(step.result)
}

/// The step of a row of [`STEP_COLUMNS`], and its episode's id. By number: there are many rows, and names are looked up each time.
pub fn read_step(row: &SqliteRow) -> Result<(i64, Step), sqlx::Error> {
    let step = Step {
        turn: row.try_get(1)?,
        tool: row.try_get(2)?,
        outcome: row.try_get(3)?,
        fuel: row.try_get::<i64, _>(4)?.cast_unsigned(),
        elapsed_us: row.try_get::<i64, _>(5)?.cast_unsigned(),
        call_id: row.try_get(6)?,
        arguments: row.try_get(7)?,
        result: row.try_get(8)?,
        diff: row.try_get(9)?,
    };
    Ok((row.try_get(0)?, step))
}

/// The episode of a row, given its steps, its traces (none: left out) and its environment's system message.
pub fn read(
    row: &SqliteRow,
    steps: Vec<Step>,
    traces: Option<Vec<TokenTrace>>,
    system: &str,
) -> Result<Episode, String> {
    let text = |column| row.try_get::<&str, _>(column).map_err(|e| e.to_string());
    let outcome = text("outcome")?;
    let counts = (integer(row, "step_count")?, integer(row, "trace_count")?);
    let found = (steps.len() as i64, traces.as_ref().map_or(counts.1, |t| t.len() as i64));
    if counts != found {
        return Err(format!("an episode of {} has (steps, traces) {found:?}, not {counts:?}", text("task_id")?));
    }
    Ok(Episode {
        key: EpisodeKey {
            task_id: text("task_id")?.to_owned(),
            policy: text("policy")?.to_owned(),
            sample: row.try_get("sample").map_err(|e| e.to_string())?,
        },
        environment_id: text("environment_id")?.to_owned(),
        seed: integer(row, "seed")?.cast_unsigned(),
        outcome: Outcome::from_name(outcome).ok_or_else(|| format!("column outcome: there is no outcome {outcome}"))?,
        reward: row.try_get("reward").map_err(|e| e.to_string())?,
        checks: from_json("checks", text("checks")?)?,
        answer: row.try_get("answer").map_err(|e| e.to_string())?,
        error: row.try_get("error").map_err(|e| e.to_string())?,
        setup: from_json("setup", text("setup")?)?,
        usage: from_json("usage", text("usage")?)?,
        cuts: from_json("cuts", text("cuts")?)?,
        messages: messages::read(text("messages")?, &steps, system)?,
        steps,
        traces: traces.unwrap_or_default(),
        turns: row.try_get("turns").map_err(|e| e.to_string())?,
        elapsed_us: integer(row, "elapsed_us")?.cast_unsigned(),
    })
}

fn integer(row: &SqliteRow, column: &str) -> Result<i64, String> {
    row.try_get(column).map_err(|e| e.to_string())
}

//! Rows of `traces`.
//!
//! The prompt of a turn begins with the prompt and the sampled tokens of the turn before; only the rest is stored, so that a
//! conversation of n turns takes O(n) tokens, not O(n^2).

use super::pack::{Packer, unpack_numbers};
use super::{from_json, json};
use crate::insert::{Row, Table};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use terrarium_envs::episode::TokenTrace;

/// How they are written.
pub static TABLE: Table = Table::new(
    "INSERT INTO traces (episode_id, number, turn, finish, prompt_shared, prompt_count, token_count, prompt_ids, token_ids, logprobs, experts, texts)",
    12,
);

/// The columns that [`read`] reads.
pub const COLUMNS: &str = "episode_id, turn, finish, prompt_shared, prompt_ids, token_ids, logprobs, experts, texts";

/// The rows of an episode's traces.
pub fn write<'a>(episode: i64, traces: &'a [TokenTrace], packer: &'a mut Packer) -> impl Iterator<Item = Row> + 'a {
    traces.iter().enumerate().map(move |(number, trace)| {
        let shared = number.checked_sub(1).map_or(0, |before| shared(&traces[before], &trace.prompt_ids));
        Row::with_capacity(12)
            .integer(episode)
            .integer(number as i64)
            .integer(trace.turn)
            .text(&trace.finish)
            .integer(shared as i64)
            .integer(trace.prompt_ids.len() as i64)
            .integer(trace.tokens() as i64)
            .blob(packer.numbers(&trace.prompt_ids[shared..]))
            .blob(packer.numbers(&trace.token_ids))
            .blob(packer.numbers(&trace.logprobs))
            .blob(packer.numbers(&trace.experts))
            .text(json(&trace.texts))
    })
}

/// How many leading tokens of `prompt` continue the turn `before`.
fn shared(before: &TokenTrace, prompt: &[u32]) -> usize {
    before.prompt_ids.iter().chain(&before.token_ids).zip(prompt).take_while(|(a, b)| a == b).count()
}

/// The trace of a row, which follows `before`.
pub fn read(row: &SqliteRow, before: Option<&TokenTrace>) -> Result<TokenTrace, String> {
    let blob = |column| row.try_get::<&[u8], _>(column).map_err(|e| e.to_string());
    let shared: u32 = row.try_get("prompt_shared").map_err(|e| e.to_string())?;
    let mut prompt_ids: Vec<u32> = before
        .map(|t| t.prompt_ids.iter().chain(&t.token_ids).take(shared as usize).copied().collect())
        .unwrap_or_default();
    if prompt_ids.len() != shared as usize {
        return Err(format!("column prompt_shared: {shared} tokens, the turn before has {}", prompt_ids.len()));
    }
    prompt_ids.extend(unpack_numbers::<u32>(blob("prompt_ids")?)?);
    Ok(TokenTrace {
        turn: row.try_get("turn").map_err(|e| e.to_string())?,
        prompt_ids,
        token_ids: unpack_numbers(blob("token_ids")?)?,
        texts: from_json("texts", row.try_get("texts").map_err(|e| e.to_string())?)?,
        logprobs: unpack_numbers(blob("logprobs")?)?,
        experts: unpack_numbers(blob("experts")?)?,
        finish: row.try_get("finish").map_err(|e| e.to_string())?,
    })
}

//! OpenAI chat rows: messages and tools of one episode.

use super::chat::{self, Chat};
use super::columns::{Column, Kind};
use super::row::{EpisodeRow, Identity, put};
use serde::Serialize;
use serde_json::value::RawValue;

/// For the card.
pub const ABOUT: &str = "\
- `messages`: OpenAI chat messages. `arguments` of a call is JSON text, as the agent wrote it; `content` of a tool message is JSON text.
- `tools`: JSON text of a list of OpenAI function tools (`json.loads` gives the list).
- `reward`: 1, 0 or null; `outcome`: how the episode ended.
- `task_id`, `environment_id`, `split`, `kind`, `policy`, `sample`: which episode; together `task_id`, `policy`, `sample` are unique.
- `cluster`, `environment_cluster`: near-duplicate tasks, and environments, have the same.";

/// Columns but for those of the identity.
pub fn columns(thinking: bool) -> Vec<Column> {
    vec![Column::new("messages", chat::kind(thinking)), Column::new("tools", Kind::Text)]
}

#[derive(Serialize)]
struct Line<'a> {
    messages: Chat<'a>,
    tools: &'a RawValue,
    #[serde(flatten)]
    identity: Identity<'a>,
}

/// Appends the row of an episode.
pub fn write(row: &EpisodeRow, out: &mut Vec<u8>) {
    let messages =
        Chat { messages: &row.stored.episode.messages, thinking: row.options.thinking, objects: row.options.objects };
    put(&Line { messages, tools: &row.world.shown, identity: Identity::of(row) }, out);
}

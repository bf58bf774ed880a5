//! The sums that are kept beside episodes: what a batch adds to them, and whether they still say what the episodes say.
//!
//! They are written in the transaction of their episodes, so that a kill leaves both or neither.

use crate::error::Result;
use crate::eval::bucket;
use crate::rows::json;
use crate::store::Store;
use serde_json::{Value, json as value};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use std::collections::BTreeMap;
use terrarium_envs::episode::Episode;
use terrarium_envs::outcome::Outcome;

/// The tables; each has a view `<table>_now` with the same columns.
pub const TABLES: [&str; 5] = ["task_totals", "pass_counts", "episode_totals", "environment_totals", "call_totals"];

/// Upserts: a JSON array of rows goes in, its numbers are added to what is there.
const TASKS: &str = "INSERT INTO task_totals SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?) WHERE TRUE \
    ON CONFLICT DO UPDATE SET episodes = episodes + excluded.episodes, scored = scored + excluded.scored, solved = solved + excluded.solved";
const PASSES: &str = "INSERT INTO pass_counts SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 \
    FROM json_each(?) WHERE TRUE ON CONFLICT DO UPDATE SET tasks = tasks + excluded.tasks";
const EPISODES: &str = "INSERT INTO episode_totals SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, \
    value->>7, value->>8, value->>9, value->>10 FROM json_each(?) WHERE TRUE ON CONFLICT DO UPDATE SET episodes = episodes + excluded.episodes, \
    turns = turns + excluded.turns, steps = steps + excluded.steps, text_bytes = text_bytes + excluded.text_bytes, \
    traces = traces + excluded.traces, sampled_tokens = sampled_tokens + excluded.sampled_tokens";
const ENVIRONMENTS: &str = "INSERT INTO environment_totals SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?) \
    WHERE TRUE ON CONFLICT DO UPDATE SET episodes = episodes + excluded.episodes, scored = scored + excluded.scored, \
    solved = solved + excluded.solved";
const CALLS: &str = "INSERT INTO call_totals SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?) \
    WHERE TRUE ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, fuel = fuel + excluded.fuel";
/// Of the tasks in a JSON array of (task, policy): what they are, and what is counted of them so far.
const KNOWN: &str = "SELECT j.value->>0 AS task_id, j.value->>1 AS policy, t.split, t.kind, t.calls, g.scored, g.solved \
    FROM json_each(?) j JOIN tasks t ON t.id = j.value->>0 LEFT JOIN task_totals g ON g.task_id = t.id AND g.policy = j.value->>1";

/// What a batch of episodes adds.
#[derive(Default)]
pub struct Batch {
    /// By task and policy.
    tasks: BTreeMap<(String, String), OfTask>,
    /// By environment, policy, tool and outcome: calls and fuel.
    calls: BTreeMap<(String, String, String, String), (u64, u64)>,
}

/// Episodes of one task and policy.
#[derive(Default)]
struct OfTask {
    environment_id: String,
    tries: Tries,
    outcomes: BTreeMap<Outcome, Lengths>,
}

#[derive(Clone, Copy, Default)]
struct Tries {
    episodes: u64,
    scored: u64,
    solved: u64,
}

#[derive(Clone, Copy, Default)]
struct Lengths {
    episodes: u64,
    turns: u64,
    steps: u64,
    text_bytes: u64,
    traces: u64,
    sampled_tokens: u64,
}

impl Tries {
    fn add(&mut self, other: Tries) {
        self.episodes += other.episodes;
        self.scored += other.scored;
        self.solved += other.solved;
    }
}

impl Lengths {
    fn add(&mut self, other: Lengths) {
        self.episodes += other.episodes;
        self.turns += other.turns;
        self.steps += other.steps;
        self.text_bytes += other.text_bytes;
        self.traces += other.traces;
        self.sampled_tokens += other.sampled_tokens;
    }
}

impl Batch {
    /// Counts episodes.
    pub fn of(episodes: &[Episode]) -> Batch {
        let mut batch = Batch::default();
        for episode in episodes {
            let key = (episode.key.task_id.clone(), episode.key.policy.clone());
            let of_task = batch.tasks.entry(key).or_default();
            of_task.environment_id.clone_from(&episode.environment_id);
            of_task.tries.add(Tries {
                episodes: 1,
                scored: u64::from(episode.reward.is_some()),
                solved: u64::from(episode.outcome == Outcome::Solved),
            });
            of_task.outcomes.entry(episode.outcome).or_default().add(Lengths {
                episodes: 1,
                turns: u64::from(episode.turns),
                steps: episode.steps.len() as u64,
                text_bytes: text_bytes(episode),
                traces: episode.traces.len() as u64,
                sampled_tokens: sampled_tokens(episode),
            });
            let mut last: Option<&mut (u64, u64)> = None;
            let mut last_of = ("", "");
            for step in &episode.steps {
                let of = (step.tool.as_str(), step.outcome.as_str());
                let counts = match last.take() {
                    Some(counts) if last_of == of => counts,
                    _ => batch
                        .calls
                        .entry((
                            episode.environment_id.clone(),
                            episode.key.policy.clone(),
                            step.tool.clone(),
                            step.outcome.clone(),
                        ))
                        .or_default(),
                };
                counts.0 += 1;
                counts.1 = counts.1.wrapping_add(step.fuel);
                last = Some(counts);
                last_of = of;
            }
        }
        batch
    }
}

/// Bytes of all messages of an episode in full.
pub fn text_bytes(episode: &Episode) -> u64 {
    episode.messages.iter().map(|m| m.bytes() as u64).sum()
}

/// Tokens that an episode sampled.
pub fn sampled_tokens(episode: &Episode) -> u64 {
    episode.traces.iter().map(|t| t.token_ids.len() as u64).sum()
}

impl Store {
    /// Adds a batch to the sums.
    pub(crate) async fn add_to_summaries(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
        let keys: Vec<Value> = batch.tasks.keys().map(|(task, policy)| value!([task, policy])).collect();
        let known = self.sql(sqlx::query(KNOWN).bind(json(&keys)).fetch_all(&mut *connection).await)?;
        type Place = (String, String, String, u32);
        let mut tasks = Vec::with_capacity(known.len());
        let mut passes: BTreeMap<(Place, u64, u64), i64> = BTreeMap::new();
        let mut episodes: BTreeMap<(Place, Outcome), Lengths> = BTreeMap::new();
        let mut environments: BTreeMap<(&str, &str), Tries> = BTreeMap::new();
        for row in &known {
            let text = |column| self.sql(row.try_get::<String, _>(column));
            let count = |column| self.sql(row.try_get::<Option<i64>, _>(column)).map(|n| n.map(i64::cast_unsigned));
            let key = (text("task_id")?, text("policy")?);
            let Some(((task_id, policy), of_task)) = batch.tasks.get_key_value(&key) else { continue };
            let place = (policy.clone(), text("split")?, text("kind")?, bucket(self.sql(row.try_get("calls"))?).0);
            let tries = of_task.tries;
            tasks.push(value!([task_id, policy, tries.episodes, tries.scored, tries.solved]));
            let before = count("scored")?.zip(count("solved")?);
            if let Some((scored, solved)) = before {
                *passes.entry((place.clone(), scored, solved)).or_default() -= 1;
            }
            let (scored, solved) = before.unwrap_or_default();
            *passes.entry((place.clone(), scored + tries.scored, solved + tries.solved)).or_default() += 1;
            for (outcome, lengths) in &of_task.outcomes {
                episodes.entry((place.clone(), *outcome)).or_default().add(*lengths);
            }
            environments.entry((&of_task.environment_id, policy)).or_default().add(tries);
        }
        let passes: Vec<Value> = passes
            .into_iter()
            .filter(|(_, tasks)| *tasks != 0)
            .map(|(((policy, split, kind, calls), scored, solved), tasks)| {
                value!([policy, split, kind, calls, scored, solved, tasks])
            })
            .collect();
        let episodes: Vec<Value> = episodes
            .into_iter()
            .map(|(((policy, split, kind, calls), outcome), n)| {
                value!([
                    policy,
                    split,
                    kind,
                    calls,
                    outcome.name(),
                    n.episodes,
                    n.turns,
                    n.steps,
                    n.text_bytes,
                    n.traces,
                    n.sampled_tokens
                ])
            })
            .collect();
        let environments: Vec<Value> = environments
            .into_iter()
            .map(|((environment, policy), n)| value!([environment, policy, n.episodes, n.scored, n.solved]))
            .collect();
        let calls: Vec<Value> = batch
            .calls
            .iter()
            .map(|((environment, policy, tool, outcome), (calls, fuel))| {
                value!([environment, policy, tool, outcome, calls, fuel.cast_signed()])
            })
            .collect();
        for (statement, rows) in
            [(TASKS, tasks), (PASSES, passes), (EPISODES, episodes), (ENVIRONMENTS, environments), (CALLS, calls)]
        {
            if !rows.is_empty() {
                self.sql(sqlx::query(statement).bind(json(&rows)).execute(&mut *connection).await)?;
            }
        }
        self.sql(connection.execute("DELETE FROM pass_counts WHERE tasks = 0").await)?;
        Ok(())
    }

    /// Counts all sums again from the episodes.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn rebuild_summaries(&self) -> Result<()> {
        let mut transaction = self.begin().await?;
        self.count_again(transaction.connection()).await?;
        transaction.commit().await
    }

    /// The same inside a transaction, for whoever deletes episodes.
    pub(crate) async fn count_again(&self, connection: &mut SqliteConnection) -> Result<()> {
        for table in TABLES {
            for statement in [format!("DELETE FROM {table}"), format!("INSERT INTO {table} SELECT * FROM {table}_now")]
            {
                self.sql(connection.execute(AssertSqlSafe(statement)).await)?;
            }
        }
        Ok(())
    }

    /// Rows in which a table of sums and the episodes differ: (in the table only, in the episodes only).
    pub(crate) async fn summary_differences(&self, table: &str) -> Result<(i64, i64)> {
        let mut reader = self.reader().await?;
        let text = format!(
            "SELECT (SELECT count(*) FROM (SELECT * FROM {table} EXCEPT SELECT * FROM {table}_now)), \
             (SELECT count(*) FROM (SELECT * FROM {table}_now EXCEPT SELECT * FROM {table}))"
        );
        self.sql(sqlx::query_as(AssertSqlSafe(text)).fetch_one(&mut *reader).await)
    }
}

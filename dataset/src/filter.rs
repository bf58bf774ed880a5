//! Which tasks and episodes are meant.

use sqlx::{QueryBuilder, Sqlite};
use terrarium_envs::environment::Split;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::Kind;

/// Which tasks. Empty lists and `None` mean all. Results are ordered by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskFilter {
    /// Of this split.
    pub split: Option<Split>,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// Of this environment (its id).
    pub environment: Option<String>,
    /// Of environments of this suite (its slug).
    pub suite: Option<String>,
    /// With these ids.
    pub ids: Vec<String>,
    /// At most so many, the first by id.
    pub limit: Option<u64>,
}

/// Which episodes. Empty lists and `None` mean all. Results are ordered by task, policy, sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpisodeFilter {
    /// Of these tasks. Its `limit` is ignored.
    pub tasks: TaskFilter,
    /// Of these policies (labels).
    pub policies: Vec<String>,
    /// That ended so.
    pub outcomes: Vec<Outcome>,
    /// With a sample number below this.
    pub samples_below: Option<u32>,
    /// At most so many, the first in order.
    pub limit: Option<u64>,
    /// Leave the token traces out: `Episode::traces` is then empty.
    pub without_traces: bool,
    /// Leave the changes of the world out: `Step::diff` is then empty.
    pub without_diffs: bool,
}

/// A JSON array of texts, for `IN (SELECT value FROM json_each(?))`: one bound value for any number of texts.
pub(crate) fn list<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|t| t.as_ref().to_owned()).collect();
    crate::rows::json(&texts)
}

impl TaskFilter {
    /// Only this task.
    pub fn id(id: impl Into<String>) -> TaskFilter {
        TaskFilter { ids: vec![id.into()], ..TaskFilter::default() }
    }

    /// All tasks of an environment.
    pub fn environment(id: impl Into<String>) -> TaskFilter {
        TaskFilter { environment: Some(id.into()), ..TaskFilter::default() }
    }

    /// Adds ` AND ...` over the table `t` of tasks. `id` and `environment` name the columns to compare ids with.
    pub(crate) fn push(&self, builder: &mut QueryBuilder<Sqlite>, id: &'static str, environment: &'static str) {
        if let Some(split) = self.split {
            builder.push(" AND t.split = ").push_bind(split.name());
        }
        if !self.kinds.is_empty() {
            builder
                .push(" AND t.kind IN (SELECT value FROM json_each(")
                .push_bind(list(self.kinds.iter().map(|k| k.name())))
                .push("))");
        }
        if let Some(environment_id) = &self.environment {
            builder.push(" AND ").push(environment).push(" = ").push_bind(environment_id.clone());
        }
        if let Some(suite) = &self.suite {
            builder
                .push(" AND ")
                .push(environment)
                .push(" IN (SELECT id FROM environments WHERE suite = ")
                .push_bind(suite.clone())
                .push(")");
        }
        if !self.ids.is_empty() {
            builder
                .push(" AND ")
                .push(id)
                .push(" IN (SELECT value FROM json_each(")
                .push_bind(list(&self.ids))
                .push("))");
        }
    }
}

impl EpisodeFilter {
    /// All tasks of an environment.
    pub fn environment(id: impl Into<String>) -> TaskFilter {
        TaskFilter { environment: Some(id.into()), ..TaskFilter::default() }
    }

    /// Adds ` AND ...` over the tables `e` of episodes and `t` of their tasks.
    pub(crate) fn push(&self, builder: &mut QueryBuilder<Sqlite>) {
        self.tasks.push(builder, "e.task_id", "e.environment_id");
        if !self.policies.is_empty() {
            builder.push(" AND e.policy IN (SELECT value FROM json_each(").push_bind(list(&self.policies)).push("))");
        }
        if let Some(sample) = self.samples_below {
            builder.push(" AND e.sample < ").push_bind(i64::from(sample));
        }
        if !self.outcomes.is_empty() {
            builder
                .push(" AND e.outcome IN (SELECT value FROM json_each(")
                .push_bind(list(self.outcomes.iter().map(|o| o.name())))
                .push("))");
        }
    }
}

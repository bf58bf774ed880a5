//! What a collection holds, for reports: environments and tasks by what they are, clusters, reasons for turning candidates down, tasks to
//! read.

use crate::error::Result;
use crate::filter::TaskFilter;
use crate::store::Store;
use crate::synthesis::Rejection;
use serde::Serialize;
use sqlx::AssertSqlSafe;
use terrarium_envs::certificate::MutantRuns;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::task::{Kind, Task};

/// Points of the curve of clusters.
const POINTS: usize = 40;
/// First numbers of the ranges that difficulty scores are counted in.
const DIFFICULTIES: [i64; 7] = [0, 8, 12, 16, 24, 32, 48];
/// Of calls of reference solutions.
const CALLS: [i64; 6] = [1, 3, 5, 8, 13, 21];
/// Of tools offered.
const TOOLS: [i64; 6] = [1, 7, 13, 19, 31, 46];

/// A collection.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Collection {
    /// Names of kinds: the columns of `by_split`.
    pub kinds: Vec<&'static str>,
    /// Tasks of each kind, by split, where there is one.
    pub by_split: Vec<(&'static str, Vec<u64>)>,
    /// Walks of life: name, environments, tasks; the most tasks first.
    pub domains: Vec<(String, u64, u64)>,
    /// Tasks by difficulty score.
    pub difficulty: Vec<(String, u64)>,
    /// Tasks by calls of the reference solution.
    pub calls: Vec<(String, u64)>,
    /// Environments by tools.
    pub tools: Vec<(String, u64)>,
    /// Clusters of environments that are near-duplicates.
    pub environment_clusters: u64,
    /// Clusters of tasks.
    pub task_clusters: u64,
    /// Tasks in the order they were stored and the clusters among so many of them.
    pub growth: Vec<(u64, u64)>,
    /// Reasons for turning candidates down.
    pub rejected: Vec<Rejection>,
    /// Tasks to read, some of each kind.
    pub samples: Vec<Sample>,
}

/// A task to read with its world.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// Its cluster.
    pub cluster: String,
    /// Title of its world.
    pub title: String,
    /// Walk of life.
    pub domain: String,
    /// The system message.
    pub system: String,
    /// Tools with their descriptions, and whether they write.
    pub tools: Vec<(String, String, bool)>,
    /// The certificate's mutators: name, what each run had to score, runs, those as expected, proven equivalent, why not applicable.
    pub mutants: Vec<(String, f64, u32, u32, u32, String)>,
}

impl Store {
    /// Gathers a collection with at most `each` tasks of each kind to read.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn collection(&self, each: usize) -> Result<Collection> {
        let mut of = Collection { kinds: Kind::ALL.map(Kind::name).to_vec(), ..Collection::default() };
        let counts: Vec<(String, String, i64)> =
            self.rows("SELECT split, kind, count(*) FROM tasks GROUP BY split, kind").await?;
        for split in Split::ALL.map(Split::name) {
            let count =
                |kind: &str| counts.iter().find(|(s, k, _)| s == split && k == kind).map_or(0, |c| c.2.cast_unsigned());
            let row: Vec<u64> = of.kinds.iter().map(|kind| count(kind)).collect();
            if row.iter().any(|n| *n > 0) {
                of.by_split.push((split, row));
            }
        }
        let query = "SELECT n.domain, count(DISTINCT n.id), count(t.id) FROM environments n LEFT JOIN tasks t ON t.environment_id = n.id \
            GROUP BY n.domain ORDER BY 3 DESC, 1";
        let domains: Vec<(String, i64, i64)> = self.rows(query).await?;
        of.domains = domains.into_iter().map(|(d, e, t)| (d, e.cast_unsigned(), t.cast_unsigned())).collect();
        of.difficulty = self.histogram("tasks", "difficulty", &DIFFICULTIES).await?;
        of.calls = self.histogram("tasks", "calls", &CALLS).await?;
        of.tools = self.histogram("environments", "tool_count", &TOOLS).await?;
        let clusters: Vec<(i64, i64)> = self
            .rows("SELECT (SELECT count(DISTINCT cluster) FROM environments), (SELECT count(DISTINCT cluster) FROM tasks)")
            .await?;
        if let Some((environments, tasks)) = clusters.first() {
            (of.environment_clusters, of.task_clusters) = (environments.cast_unsigned(), tasks.cast_unsigned());
        }
        of.growth = self.growth().await?;
        of.rejected = self.rejections(None).await?;
        of.samples = self.samples(each).await?;
        Ok(of)
    }

    /// Rows by the ranges that a column falls into.
    async fn histogram(&self, table: &str, column: &str, from: &[i64]) -> Result<Vec<(String, u64)>> {
        let cases: Vec<String> =
            from.iter().rev().map(|first| format!("WHEN {column} >= {first} THEN {first}")).collect();
        let query =
            format!("SELECT CASE {} ELSE {} END AS first, count(*) FROM {table} GROUP BY 1", cases.join(" "), from[0]);
        let found: Vec<(i64, i64)> = self.rows(&query).await?;
        let name = |n: usize| match from.get(n + 1) {
            Some(next) if column == "difficulty" => format!("{} to {next}", from[n]),
            Some(next) if *next == from[n] + 1 => from[n].to_string(),
            Some(next) => format!("{}–{}", from[n], next - 1),
            None => format!("{}+", from[n]),
        };
        let count = |first: i64| found.iter().find(|(f, _)| *f == first).map_or(0, |(_, n)| n.cast_unsigned());
        Ok(from.iter().enumerate().map(|(n, first)| (name(n), count(*first))).collect())
    }

    /// How many clusters the first tasks are in, in the order they were stored.
    async fn growth(&self) -> Result<Vec<(u64, u64)>> {
        // A task is the first of its cluster or it is not: the running sum counts clusters.
        let query = "SELECT n, sum(first) OVER (ORDER BY n) FROM (SELECT row_number() OVER (ORDER BY rowid) AS n, \
            row_number() OVER (PARTITION BY cluster ORDER BY rowid) = 1 AS first FROM tasks) ORDER BY n";
        let all: Vec<(i64, i64)> = self.rows(query).await?;
        let step = all.len().div_ceil(POINTS).max(1);
        let points = all.iter().enumerate().filter(|(n, _)| (n + 1) % step == 0 || n + 1 == all.len());
        Ok(points.map(|(_, (n, clusters))| (n.cast_unsigned(), clusters.cast_unsigned())).collect())
    }

    /// Tasks of each kind, spread over environments by the hashes at the ends of their ids.
    async fn samples(&self, each: usize) -> Result<Vec<Sample>> {
        let query = format!(
            "SELECT id, cluster FROM (SELECT id, kind, cluster, row_number() OVER (PARTITION BY kind ORDER BY substr(id, -8), id) AS n FROM tasks) \
             WHERE n <= {each} ORDER BY kind, n"
        );
        let ids: Vec<(String, String)> = self.rows(&query).await?;
        let mut samples = Vec::with_capacity(ids.len());
        for (id, cluster) in ids {
            for task in self.tasks(&TaskFilter::id(&id)).await? {
                let environment = self.environment(&task.environment_id).await?;
                samples.push(Sample::of(task, environment, cluster.clone()));
            }
        }
        samples.sort_by_key(|s| Kind::ALL.iter().position(|k| *k == s.task.kind));
        Ok(samples)
    }

    async fn rows<T>(&self, query: &str) -> Result<Vec<T>>
    where
        T: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
    {
        let mut reader = self.reader().await?;
        self.sql(sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut *reader).await)
    }
}

impl Sample {
    fn of(task: Task, environment: Environment, cluster: String) -> Sample {
        let mutants = task.certificate.mutants.iter().map(|m: &MutantRuns| {
            let name =
                serde_json::to_value(m.mutator).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            let why = m.not_applicable.clone().unwrap_or_default();
            (name, m.mutator.expected(), m.runs, m.as_expected, m.equivalent, why)
        });
        Sample {
            mutants: mutants.collect(),
            cluster,
            title: environment.title,
            domain: environment.domain,
            system: environment.system,
            tools: environment.tools.into_iter().map(|t| (t.name, t.description, t.writes)).collect(),
            task,
        }
    }
}

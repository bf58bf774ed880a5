//! Which tasks a run takes, and the stream of its jobs: one environment in memory at a time.

use crate::Usage;
use crate::args::Select;
use crate::select;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use terrarium_dataset::{Store, TaskFilter};
use terrarium_envs::environment::Environment;
use terrarium_envs::scheduler::Job;
use terrarium_envs::task::Task;

/// Jobs that wait for a worker.
const QUEUE: usize = 256;

/// Ids of the chosen tasks, by environment id, both in order.
pub type Chosen = BTreeMap<String, Vec<String>>;

/// What can be asked of the store; the rest is looked at environment by environment.
///
/// # Errors
/// Unknown splits and kinds.
pub fn filter(select: &Select) -> Result<TaskFilter, Usage> {
    Ok(TaskFilter {
        split: self::select::split(&select.split)?,
        kinds: select.kind.iter().map(|k| self::select::kind(k)).collect::<Result<_, _>>()?,
        environment: select.env.clone(),
        ids: select.task.iter().cloned().collect(),
        ..TaskFilter::default()
    })
}

fn fits(select: &Select, environment: &Environment, task: &Task) -> bool {
    if select.max_tools.is_some_and(|most| environment.tools.len() > most) {
        return false;
    }
    #[cfg(feature = "torch")]
    if let Some(most) = select.max_prompt {
        return crate::dsa::opening_tokens(&environment.system, &task.prompt, &environment.shown_tools()) <= most;
    }
    let _ = task;
    true
}

/// The tasks that were asked for.
///
/// # Errors
/// Unknown splits, kinds and ids; a selection without tasks.
pub async fn choose(store: &Store, select: &Select) -> Result<Chosen> {
    let filter = filter(select)?;
    if let Some(id) = &select.task {
        store.task(id).await?;
    }
    if let Some(id) = &select.env {
        store.environment(id).await?;
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    #[cfg(feature = "torch")]
    let looks_inside = select.max_tools.is_some() || select.max_prompt.is_some();
    #[cfg(not(feature = "torch"))]
    let looks_inside = select.max_tools.is_some();
    if looks_inside {
        for id in store.environment_ids(filter.split).await? {
            let environment = store.environment(&id).await?;
            let filter = TaskFilter { environment: Some(id.clone()), ..filter.clone() };
            if select.env.as_ref().is_some_and(|wanted| *wanted != id) {
                continue;
            }
            for task in store.tasks(&filter).await? {
                if fits(select, &environment, &task) {
                    pairs.push((id.clone(), task.id));
                }
            }
        }
    } else {
        for id in store.task_ids(&filter).await? {
            let environment = id.split_once('/').map_or(id.as_str(), |(environment, _)| environment).to_owned();
            pairs.push((environment, id));
        }
    }
    if let Some(want) = select.tasks {
        pairs = select::spread(pairs, want);
    }
    if pairs.is_empty() {
        bail!("no task fits the selection; `terrarium stats` says what there is");
    }
    let mut chosen = Chosen::new();
    for (environment, task) in pairs {
        chosen.entry(environment).or_default().push(task);
    }
    Ok(chosen)
}

/// All jobs of a run, in order of task and sample; loaded while they are worked off.
pub struct Jobs {
    receiver: Receiver<Result<Job, terrarium_dataset::Error>>,
    failed: Arc<std::sync::Mutex<Option<terrarium_dataset::Error>>>,
}

/// Where a [`Jobs`] leaves the error that ended it early.
pub type Failure = Arc<std::sync::Mutex<Option<terrarium_dataset::Error>>>;

impl Jobs {
    /// Starts to load.
    pub fn start(store: Store, chosen: Chosen, group: u32) -> (Self, Failure) {
        let (sender, receiver) = sync_channel(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            for (id, tasks) in chosen {
                let loaded = runtime.block_on(async {
                    let environment = Arc::new(store.environment(&id).await?);
                    let tasks = store.tasks(&TaskFilter { ids: tasks, ..TaskFilter::default() }).await?;
                    Ok::<_, terrarium_dataset::Error>((environment, tasks))
                });
                let (environment, tasks) = match loaded {
                    Ok(loaded) => loaded,
                    Err(error) => {
                        // Whoever reads has gone if this fails: then nobody wants the error either.
                        let _ = sender.send(Err(error));
                        return;
                    }
                };
                for task in tasks.into_iter().map(Arc::new) {
                    for sample in 0..group {
                        let job = Job { environment: Arc::clone(&environment), task: Arc::clone(&task), sample };
                        if sender.send(Ok(job)).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        let failed = Failure::default();
        (Jobs { receiver, failed: Arc::clone(&failed) }, failed)
    }
}

impl Iterator for Jobs {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        match self.receiver.recv().ok()? {
            Ok(job) => Some(job),
            Err(error) => {
                if let Ok(mut failed) = self.failed.lock() {
                    *failed = Some(error);
                }
                None
            }
        }
    }
}

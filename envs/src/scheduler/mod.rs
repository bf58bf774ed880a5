//! Runs many episodes at once and hands them to a sink.
//!
//! Workers pull jobs from one feed; one writer (the caller's own task) batches finished episodes and stores them at least every
//! [`Options::flush`]. Scripted policies run on plain threads, a chunk of one environment's jobs at a time; others as tasks of the
//! runtime, one episode a worker. Both go through the same episode loop. Every queue is bounded. Which worker ran an episode never
//! shows in it: its seed is a hash of the run's seed and its key. Only the order in which episodes reach the sink varies.
//!
//! A policy that computes inside `act` must do so on a thread of its own (`spawn_blocking`), or it holds up the writer.

mod cancel;
mod feed;
mod programs;
mod progress;

pub use cancel::Cancel;
pub use feed::Job;
pub use programs::Programs;
pub use progress::{Progress, Summary};

use crate::episode::{Episode, EpisodeKey};
use crate::episode_loop::{Cast, not_run, run_episode};
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::policy::SharedPolicy;
use crate::random::derive;
use crate::setup::{Parallel, Setup};
use crate::sink::EpisodeSink;
use crate::user::UserModel;
use crate::world::Loaded;
use feed::Feed;
use futures::FutureExt;
use futures::future::join_all;
use progress::Tally;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use terrarium_sandbox::Sandbox;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Jobs that a worker of a scripted policy takes at a time.
const CHUNK: usize = 16;
/// Chunks that may wait for the writer.
const QUEUE: usize = 64;
/// Longest time between two calls of `progress`.
const TICK: Duration = Duration::from_millis(500);

/// How to run.
#[derive(Clone)]
pub struct Options {
    /// Episodes at a time. Default twice the cores. Scripted policies use at most one thread a core of it.
    pub concurrency: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Conditions of each episode; stored with it.
    pub setup: Setup,
    /// Who words what simulated users say; none: their script as it stands.
    pub user: Option<Arc<dyn UserModel>>,
    /// Attempts at each sample, of which the one with the fewest steps is kept (`parallel-fewest-step`). Default 1.
    pub attempts: u32,
    /// Episodes that are stored together at most. Default 256.
    pub batch: usize,
    /// Longest time that a finished episode waits to be stored. Default 100 ms.
    pub flush: Duration,
    /// Loaded environments kept. Default 32.
    pub programs: usize,
    /// Number of jobs, for progress, if the iterator does not know it.
    pub total: Option<u64>,
    /// `policy_error`s in a row after which the run stops: the endpoint is gone. Default 32.
    pub policy_errors_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            concurrency: 2 * cores(),
            seed: 0,
            setup: Setup::default(),
            user: None,
            attempts: 1,
            batch: 256,
            flush: Duration::from_millis(100),
            programs: 32,
            total: None,
            policy_errors_max: 32,
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The seed of one episode of a run.
pub fn episode_seed(run_seed: u64, key: &EpisodeKey) -> u64 {
    derive(run_seed, &format!("episode\n{}\n{}\n{}", key.task_id, key.policy, key.sample))
}

/// What the workers share.
struct Shared {
    feed: Feed,
    programs: Programs,
    policy: SharedPolicy,
    label: String,
    seed: u64,
    setup: Setup,
    user: Option<Arc<dyn UserModel>>,
    attempts: u32,
    cancel: Cancel,
    /// The run stops of itself.
    stop: AtomicBool,
    policy_errors: AtomicU32,
    policy_errors_max: u32,
}

/// Runs every job whose episode is not stored yet. Jobs should come grouped by environment; equal jobs run once.
///
/// A cancelled run finishes the episodes under way, stores them and returns. `progress` is called after every batch, twice a second
/// while nothing happens, and at the end.
///
/// # Errors
/// [`Error::Sink`] when the sink fails, [`Error::Worker`] when a policy panics. What was stored before stays stored.
pub async fn rollout<J>(
    sandbox: &Sandbox,
    jobs: J,
    policy: SharedPolicy,
    sink: &dyn EpisodeSink,
    options: &Options,
    cancel: &Cancel,
    mut progress: impl FnMut(&Progress),
) -> Result<Summary>
where
    J: IntoIterator<Item = Job>,
    J::IntoIter: Send + 'static,
{
    let label = policy.label();
    let stored = sink.stored(&label).await.map_err(Error::Sink)?;
    let feed = Feed::new(jobs.into_iter(), stored);
    let mut tally = Tally::new(options.total.or(feed.total()));
    let mut setup = options.setup.clone();
    if policy.scripted() {
        // No clock shows in what a scripted policy does.
        setup.budget.time = None;
    }
    let shared = Arc::new(Shared {
        feed,
        programs: Programs::new(sandbox.clone(), options.programs),
        label,
        seed: options.seed,
        setup,
        user: options.user.clone(),
        attempts: options.attempts.max(1),
        cancel: cancel.clone(),
        stop: AtomicBool::new(false),
        policy_errors: AtomicU32::new(0),
        policy_errors_max: options.policy_errors_max.max(1),
        policy,
    });
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut workers = JoinSet::new();
    if shared.policy.scripted() {
        for _ in 0..options.concurrency.clamp(1, cores()) {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            workers.spawn_blocking(move || run_scripted(&shared, &sender));
        }
    } else {
        for _ in 0..options.concurrency.max(1) {
            workers.spawn(run_waiting(Arc::clone(&shared), sender.clone()));
        }
    }
    drop(sender);
    let read = || shared.policy.meter().map(crate::usage::Meter::read);
    let written = write(receiver, sink, options, |batch| {
        tally.add(batch, shared.feed.skipped());
        progress(&tally.progress(read()));
    })
    .await;
    shared.stop.store(true, Ordering::Relaxed);
    let mut broke = None;
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            broke = Some(Error::Worker(error.to_string()));
        }
    }
    written?;
    if let Some(error) = broke {
        return Err(error);
    }
    tally.add(&[], shared.feed.skipped());
    progress(&tally.progress(read()));
    let errors = shared.policy_errors.load(Ordering::Relaxed);
    let stopped = (errors >= shared.policy_errors_max)
        .then(|| format!("the policy failed {errors} times in a row; the rest was not run"));
    Ok(tally.summary(cancel.is_cancelled(), stopped, read()))
}

impl Shared {
    fn stopping(&self) -> bool {
        self.cancel.is_cancelled() || self.stop.load(Ordering::Relaxed)
    }

    fn key(&self, job: &Job) -> EpisodeKey {
        EpisodeKey { task_id: job.task.id.clone(), policy: self.label.clone(), sample: job.sample }
    }

    async fn episode(&self, job: &Job) -> Episode {
        let key = self.key(job);
        let seed = episode_seed(self.seed, &key);
        let loaded = match self.programs.get(&job.environment) {
            Ok(loaded) => loaded,
            Err(error) => return not_run(&job.task, &self.setup, key, seed, &error),
        };
        if self.attempts == 1 {
            return self.attempt(&loaded, job, key, seed).await;
        }
        let attempts = (0..self.attempts).map(|n| {
            let seed = if n == 0 { seed } else { derive(seed, &format!("attempt {n}")) };
            self.attempt(&loaded, job, key.clone(), seed)
        });
        fewest_steps(join_all(attempts).await)
    }

    async fn attempt(&self, loaded: &Arc<Loaded>, job: &Job, key: EpisodeKey, seed: u64) -> Episode {
        let mut agent = self.policy.agent(seed);
        let mut voice = self.user.as_ref().map(|user| user.voice(seed));
        let mut cast = Cast::alone(agent.as_mut());
        if let Some(voice) = voice.as_mut() {
            cast.user = Some(voice.as_mut());
        }
        run_episode(loaded, &job.task, cast, &self.setup, key, seed).await
    }

    /// Notes how an episode ended; an endpoint that is gone stops the run.
    fn note(&self, outcome: Outcome) {
        if outcome != Outcome::PolicyError {
            self.policy_errors.store(0, Ordering::Relaxed);
        } else if self.policy_errors.fetch_add(1, Ordering::Relaxed) + 1 >= self.policy_errors_max {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// The attempt that finished by itself with the fewest steps; without any such, the first that has a reward, or the first. How an
/// attempt was judged plays no part.
fn fewest_steps(mut attempts: Vec<Episode>) -> Episode {
    let finished = |e: &Episode| matches!(e.outcome, Outcome::Solved | Outcome::Failed).then_some(e.steps.len() as u32);
    let steps: Vec<Option<u32>> = attempts.iter().map(finished).collect();
    let fewest = (0..steps.len()).filter(|i| steps[*i].is_some()).min_by_key(|i| steps[*i]);
    let kept = fewest.or_else(|| attempts.iter().position(|e| e.reward.is_some())).unwrap_or(0);
    let mut episode = attempts.swap_remove(kept);
    episode.setup.parallel = Some(Parallel { steps, kept: kept as u32 });
    episode
}

/// A worker on a thread of its own.
fn run_scripted(shared: &Shared, sender: &mpsc::Sender<Vec<Episode>>) {
    while !shared.stopping() {
        let jobs = shared.feed.take(CHUNK);
        if jobs.is_empty() {
            return;
        }
        let mut episodes = Vec::with_capacity(jobs.len());
        for job in &jobs {
            if shared.stopping() {
                break;
            }
            // A scripted agent never waits, so its episode is ready at the first look.
            let episode = shared.episode(job).now_or_never().unwrap_or_else(|| {
                let key = shared.key(job);
                let seed = episode_seed(shared.seed, &key);
                let error = Error::Worker(format!("policy `{}` says that it is scripted, but waits", shared.label));
                not_run(&job.task, &shared.setup, key, seed, &error)
            });
            shared.note(episode.outcome);
            episodes.push(episode);
        }
        if sender.blocking_send(episodes).is_err() {
            return;
        }
    }
}

/// A worker on the runtime.
async fn run_waiting(shared: Arc<Shared>, sender: mpsc::Sender<Vec<Episode>>) {
    while !shared.stopping() {
        // The feed may wait for jobs to be loaded: not on the runtime's threads, which may be what loads them.
        let feeder = Arc::clone(&shared);
        let Ok(Some(job)) = tokio::task::spawn_blocking(move || feeder.feed.take(1).pop()).await else { return };
        // Compiling takes milliseconds of a whole core: not on the runtime's threads.
        let (warm, environment) = (Arc::clone(&shared), Arc::clone(&job.environment));
        let loading = tokio::task::spawn_blocking(move || warm.programs.get(&environment).is_ok());
        if loading.await.is_err() {
            return;
        }
        let episode = shared.episode(&job).await;
        shared.note(episode.outcome);
        if sender.send(vec![episode]).await.is_err() {
            return;
        }
    }
}

/// Stores what the workers finish, in batches, until they are done.
async fn write(
    mut receiver: mpsc::Receiver<Vec<Episode>>,
    sink: &dyn EpisodeSink,
    options: &Options,
    mut stored: impl FnMut(&[(Outcome, u64)]),
) -> Result<()> {
    let mut batch: Vec<Episode> = Vec::new();
    let mut due: Option<Instant> = None;
    loop {
        let wake = due.unwrap_or_else(|| Instant::now() + TICK);
        let received = match tokio::time::timeout_at(wake, receiver.recv()).await {
            Ok(received) => received.map(Some),
            Err(_elapsed) => Some(None),
        };
        let (closed, woken) = (received.is_none(), matches!(received, Some(None)));
        if let Some(Some(episodes)) = received {
            batch.extend(episodes);
            due = due.or_else(|| Some(Instant::now() + options.flush));
        }
        let late = woken || due.is_some_and(|due| Instant::now() >= due);
        if !batch.is_empty() && (closed || late || batch.len() >= options.batch) {
            let news: Vec<(Outcome, u64)> =
                batch.iter().map(|e| (e.outcome, e.usage.iter().map(|u| u.completion).sum())).collect();
            sink.put(std::mem::take(&mut batch)).await.map_err(Error::Sink)?;
            due = None;
            stored(&news);
        } else if woken {
            stored(&[]);
        }
        if closed {
            return Ok(());
        }
    }
}

//! The jobs of a run, handed out in order, without those that are done.

use crate::environment::Environment;
use crate::sink::Samples;
use crate::task::Task;
use std::iter::Peekable;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One episode to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Environment of the task.
    pub environment: Arc<Environment>,
    /// Task.
    pub task: Arc<Task>,
    /// Sample index within the group, from 0.
    pub sample: u32,
}

type Jobs = Peekable<Box<dyn Iterator<Item = Job> + Send>>;

pub(super) struct Feed {
    total: Option<u64>,
    skipped: AtomicU64,
    /// The jobs left, and what was stored or handed out.
    state: Mutex<(Jobs, Samples)>,
}

impl Feed {
    pub(super) fn new(jobs: impl Iterator<Item = Job> + Send + 'static, stored: Samples) -> Self {
        let (least, most) = jobs.size_hint();
        let total = (most == Some(least)).then_some(least as u64);
        let jobs: Box<dyn Iterator<Item = Job> + Send> = Box::new(jobs);
        Feed { total, skipped: AtomicU64::new(0), state: Mutex::new((jobs.peekable(), stored)) }
    }

    /// Number of jobs, if it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Jobs left out so far because they are stored.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// The next jobs, at most `most` and all of one environment; none at the end.
    pub(super) fn take(&self, most: usize) -> Vec<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (jobs, known) = &mut *state;
        let mut taken: Vec<Job> = Vec::new();
        while taken.len() < most {
            let same = |job: &Job| taken.first().is_none_or(|first| first.environment.id == job.environment.id);
            let Some(job) = jobs.next_if(same) else { break };
            if known.insert(&job.task.id, job.sample) {
                taken.push(job);
            } else {
                self.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
        taken
    }
}

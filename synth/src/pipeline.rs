//! Synthesis: candidates made in parallel by index, admitted in index order. The bytes do not depend on the number of threads.
//!
//! Memory is bounded: at most `WINDOW_PER_THREAD` candidates a thread are under way or wait for their turn. Every candidate that is
//! admitted brings as many tasks as the fullest environment needs; those beyond its own share are left out, so that environments and
//! tasks come out exactly as asked for.

use crate::candidate::{Candidate, candidate};
use crate::dedup::plan::Plan;
use crate::dedup::{Admitted, Pending};
use crate::error::{Error, Result};
use crate::library::{self, ParsedSuite};
use crate::report::Report;
use crate::say::prompts::Prompts;
use crate::tasks::reject::Reject;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use terrarium_envs::clusters::Clusters;
use terrarium_envs::environment::Environment;
use terrarium_envs::sandbox::Sandbox;
use terrarium_envs::task::{Kind, Task};

/// Candidates a thread may be ahead of admission.
const WINDOW_PER_THREAD: u64 = 4;
/// Candidates turned down in a row before the wish is given up.
const REFUSED_IN_A_ROW_MAX: u64 = 200;

/// What to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of everything.
    pub seed: u64,
    /// Environments.
    pub envs: u64,
    /// Tasks in all of them together.
    pub tasks: u64,
    /// Kinds, in turn.
    pub kinds: Vec<Kind>,
    /// Least and greatest difficulty score, if it matters.
    pub difficulty: Option<(f64, f64)>,
    /// Worker threads; at least one is used.
    pub threads: usize,
    /// The suites; the library where there are none.
    pub suites: Vec<ParsedSuite>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 0,
            envs: 20,
            tasks: 500,
            kinds: Kind::ALL.to_vec(),
            difficulty: None,
            threads: 1,
            suites: Vec::new(),
        }
    }
}

impl Options {
    /// Tasks that every candidate must bring.
    pub fn tasks_per_environment(&self) -> usize {
        self.tasks.div_ceil(self.envs.max(1)) as usize
    }

    /// Tasks of the environment admitted as number `n`, from 0.
    pub fn share(&self, n: u64) -> usize {
        let upto = |n: u64| (u128::from(self.tasks) * u128::from(n) / u128::from(self.envs.max(1))) as u64;
        (upto(n + 1) - upto(n)) as usize
    }
}

/// Where a run goes on from.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The report so far.
    pub report: Report,
    /// What was admitted so far.
    admitted: Admitted,
}

impl Resume {
    /// From a stored report; then [`Resume::admit`] for everything that was stored.
    pub fn from(report: Report) -> Self {
        Resume { report, admitted: Admitted::default() }
    }

    /// Takes up an environment that an earlier run admitted, with its tasks and the clusters they were given. To end with the bytes of
    /// an unbroken run, the order must be that of admission.
    pub fn admit(&mut self, environment: &Environment, tasks: &[Task], clusters: &Clusters) {
        self.admitted.admit_again(environment, tasks, clusters);
    }
}

/// An environment that was admitted.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The environment.
    pub environment: Arc<Environment>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// The clusters of near-duplicates that they belong to.
    pub clusters: Clusters,
}

/// Makes environments and tasks.
pub struct Synthesizer {
    options: Options,
    suites: Vec<ParsedSuite>,
    prompts: Prompts,
    sandbox: Sandbox,
    plan: Plan,
}

impl Synthesizer {
    /// For options.
    ///
    /// # Errors
    /// When the options cannot be met or a suite does not parse.
    pub fn new(options: Options, sandbox: &Sandbox) -> Result<Self> {
        if options.kinds.is_empty() && options.tasks > 0 {
            return Err(Error::Options("no kind of task is asked for".to_owned()));
        }
        if options.envs == 0 && options.tasks > 0 {
            return Err(Error::Options("tasks need at least one environment".to_owned()));
        }
        let suites = if options.suites.is_empty() { library::parsed()?.to_vec() } else { options.suites.clone() };
        Ok(Synthesizer { options, suites, prompts: Prompts::new()?, sandbox: sandbox.clone(), plan: Plan::default() })
    }

    /// The candidate of an index: pure.
    ///
    /// # Errors
    /// When a world does not compile or does not run.
    pub fn candidate(&self, index: u64) -> Result<Candidate> {
        match self.plan.draw(&self.suites, self.options.seed, index) {
            Some(draw) => candidate(&self.options, &self.suites, &self.prompts, &self.sandbox, draw),
            None => {
                Ok(Candidate::given_up(index, "environment:near_duplicate", "every draw is like an earlier candidate"))
            }
        }
    }

    /// Makes everything that is still to be made. `on_environment` gets each admitted environment and the report that includes
    /// it, in index order; what it returns as an error stops the run and is passed on. `cancel` stops it after the
    /// environment at hand.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when too many candidates in a row are turned down, faults of candidates, and those of `on_environment`.
    pub fn run<E: From<Error>>(
        &self,
        resume: Resume,
        cancel: &AtomicBool,
        mut on_environment: impl FnMut(Admission, &Report) -> std::result::Result<(), E>,
    ) -> std::result::Result<Report, E> {
        let Resume { mut report, mut admitted } = resume;
        if report.environments >= self.options.envs {
            return Ok(report);
        }
        let threads = self.options.threads.max(1);
        let gate = Gate::new(report.next_index, WINDOW_PER_THREAD * threads as u64);
        let (sender, receiver) = mpsc::channel::<(u64, Result<Candidate>)>();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, gate) = (sender.clone(), &gate);
                scope.spawn(move || {
                    while let Some(index) = gate.next() {
                        if sender.send((index, self.candidate(index))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let _closing = Closing(&gate);
            let mut waiting: BTreeMap<u64, Result<Candidate>> = BTreeMap::new();
            let mut refused_in_a_row = 0;
            while report.environments < self.options.envs {
                if cancel.load(Ordering::Relaxed) {
                    report.cancelled = true;
                    break;
                }
                let Some(made) = waiting.remove(&report.next_index) else {
                    match receiver.recv() {
                        Ok((index, made)) => {
                            waiting.insert(index, made);
                            continue;
                        }
                        Err(_) => return Err(Error::Worker("every worker has ended".to_owned()).into()),
                    }
                };
                let candidate = made?;
                report.next_index += 1;
                gate.admit(report.next_index);
                match self.admit(candidate, &mut admitted, &mut report) {
                    Some(admission) => {
                        refused_in_a_row = 0;
                        on_environment(admission, &report)?;
                    }
                    None => refused_in_a_row += 1,
                }
                if refused_in_a_row > REFUSED_IN_A_ROW_MAX {
                    return Err(Error::Exhausted {
                        candidates: report.next_index,
                        environments: report.environments,
                        wanted: self.options.envs,
                        reason: report.rejected.most_frequent().unwrap_or("unknown").to_owned(),
                    }
                    .into());
                }
            }
            Ok(report)
        })
    }

    /// Admits a candidate, or counts why not. What a candidate brings counts against others only once it is admitted, so that a run
    /// that goes on from the store decides like an unbroken one.
    fn admit(&self, candidate: Candidate, admitted: &mut Admitted, report: &mut Report) -> Option<Admission> {
        report.rejected.merge(&candidate.rejected);
        report.draw(&candidate.suites, candidate.drawn, candidate.certified);
        if candidate.suites.is_empty() {
            return None;
        }
        let Some((environment, tasks)) = candidate.made else {
            report.rejected.add(&Reject::new("environment:too_few_tasks", format!("candidate {}", candidate.index)));
            return None;
        };
        if let Some(alike) = admitted.alike(&environment) {
            let detail = format!("{}: {alike:.2}", environment.id);
            report.rejected.add(&Reject::new("environment:near_duplicate", detail));
            return None;
        }
        let share = self.options.share(report.environments);
        let mut pending = Pending::default();
        let mut kept: Vec<Task> = Vec::with_capacity(share);
        for task in tasks {
            if kept.len() == share {
                break;
            }
            match admitted.consider(&task.prompt, task.split, &mut pending) {
                Ok(()) => kept.push(task),
                Err(stale) => report.rejected.add(&Reject::new(stale.reason(), task.prompt)),
            }
        }
        if kept.len() < share {
            report.rejected.add(&Reject::new("environment:too_few_tasks", format!("candidate {}", candidate.index)));
            return None;
        }
        let clusters = admitted.admit(&environment, pending);
        report.admit(environment.split, &candidate.suites);
        for task in &kept {
            let used = candidate.uses.get(&task.id).into_iter().flatten();
            report.admit_task(task, used.filter_map(|part| candidate.suites.get(*part)));
        }
        Some(Admission { environment, tasks: kept, clusters })
    }
}

/// Hands out indices, not too far ahead of admission.
struct Gate {
    next: AtomicU64,
    window: u64,
    admitted: Mutex<Option<u64>>,
    moved: Condvar,
}

impl Gate {
    fn new(first: u64, window: u64) -> Self {
        Gate { next: AtomicU64::new(first), window, admitted: Mutex::new(Some(first)), moved: Condvar::new() }
    }

    /// The next index to make, when its turn is near; `None` once closed.
    fn next(&self) -> Option<u64> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *admitted {
                None => return None,
                Some(first) if index < first + self.window => return Some(index),
                Some(_) => admitted = self.moved.wait(admitted).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn admit(&self, first: u64) {
        *self.admitted.lock().unwrap_or_else(PoisonError::into_inner) = Some(first);
        self.moved.notify_all();
    }

    fn close(&self) {
        *self.admitted.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.moved.notify_all();
    }
}

/// Closes the gate however the run ends, so that workers stop.
struct Closing<'a>(&'a Gate);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

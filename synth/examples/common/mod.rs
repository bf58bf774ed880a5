//! What the examples share: numbers from the command line, and a run of synthesis held in memory.
#![allow(dead_code, reason = "each example uses its part")]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use terrarium_envs::environment::Environment;
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::task::{Kind, Task};
use terrarium_synth::library::ParsedSuite;
use terrarium_synth::report::Report;
use terrarium_synth::{Error, Options, Resume, Synthesizer, library, link};

/// Whatever an example ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The number at a position of the command line, from 0.
pub fn number(at: usize, default: u64) -> u64 {
    std::env::args().nth(at + 1).and_then(|a| a.parse().ok()).unwrap_or(default)
}

/// The kinds named at a position of the command line, separated by commas; all where there are none.
pub fn kinds(at: usize) -> Vec<Kind> {
    let named = std::env::args().nth(at + 1);
    named.map_or_else(|| Kind::ALL.to_vec(), |names| names.split(',').filter_map(Kind::from_name).collect())
}

/// A run of synthesis.
pub struct Run {
    /// Where its worlds run.
    pub sandbox: Sandbox,
    /// Environments with their tasks, as they were admitted.
    pub made: Vec<(Arc<Environment>, Vec<Task>)>,
    /// What came of it.
    pub report: Report,
}

impl Run {
    /// Makes environments and tasks.
    pub fn new(envs: u64, tasks: u64, seed: u64, kinds: Vec<Kind>) -> Outcome<Self> {
        let sandbox = Sandbox::new(Config::default())?;
        let options = Options { envs, tasks, seed, kinds, threads: 2, ..Options::default() };
        let synthesizer = Synthesizer::new(options, &sandbox)?;
        let mut made = Vec::new();
        let report = synthesizer.run::<Error>(Resume::default(), &AtomicBool::new(false), |admitted, _| {
            made.push((admitted.environment, admitted.tasks));
            Ok(())
        })?;
        Ok(Run { sandbox, made, report })
    }

    /// All tasks of a kind, each with its environment.
    pub fn of_kind(&self, kind: Kind) -> Vec<(&Environment, &Task)> {
        let all = self.made.iter().flat_map(|(e, tasks)| tasks.iter().map(move |t| (&**e, t)));
        all.filter(|(_, t)| t.kind == kind).collect()
    }
}

/// The suite of an environment, linked as its recipe says.
pub fn suite_of(environment: &Environment) -> Outcome<Cow<'static, ParsedSuite>> {
    Ok(link::suite_of(library::parsed()?, &serde_json::from_value(environment.recipe.clone())?)?)
}

//! A small foreign component as an environment, tasks for it, a scripted agent and a sink in memory.
#![allow(dead_code, reason = "every test file uses its own part")]

use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use terrarium_envs::certificate::Certificate;
use terrarium_envs::environment::{Environment, Split, component_digest, environment_id};
use terrarium_envs::episode::{Episode, EpisodeKey};
use terrarium_envs::error::SinkError;
use terrarium_envs::message::MessageCall;
use terrarium_envs::policy::{Agent, PolicyFailure, PolicyTurn, Situation};
use terrarium_envs::sandbox::{Config, Limits, Sandbox};
use terrarium_envs::sink::{EpisodeSink, Samples};
use terrarium_envs::task::{Difficulty, Kind, Task, ToolCall};
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::verifier::{Answer, ExpectedChange, Verifier};

const GUEST: &str = r#"(component
  (core module $m
    (func (export "add") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add)
    (func (export "boom") (result i64) unreachable)
    (func (export "spin") (result i64) (loop $l br $l) i64.const 0))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" s64) (param "b" s64) (result s64) (canon lift (core func $i "add")))
  (func (export "boom") (result s64) (canon lift (core func $i "boom")))
  (func (export "spin") (result s64) (canon lift (core func $i "spin"))))"#;

/// A sandbox whose calls run dry quickly.
pub fn sandbox() -> Sandbox {
    let limits = Limits { fuel_per_call: 100_000, ..Limits::default() };
    Sandbox::new(Config { limits, ..Config::default() }).expect("a sandbox")
}

/// An environment with `add(a, b)`, `boom` and `spin`.
pub fn environment(number: u64) -> Arc<Environment> {
    let component = wat::parse_str(GUEST).expect("a component");
    let tool = |name: &str, parameters: Value| ToolSpec {
        name: name.to_owned(),
        description: format!("{name} it."),
        parameters,
        writes: false,
    };
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let two = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": false
    });
    let recipe = json!({"number": number});
    Arc::new(Environment {
        id: environment_id("sums", &recipe),
        suite: "sums".to_owned(),
        title: "Sums".to_owned(),
        domain: "science".to_owned(),
        split: Split::Train,
        system: terrarium_envs::system::message("Sums", "", 20_000),
        tools: vec![tool("add", two), tool("boom", none.clone()), tool("spin", none)],
        digest: component_digest(&component),
        component: Arc::new(component),
        recipe,
        signature: vec!["sums.add(a, b)".to_owned()],
    })
}

pub fn tool_call(name: &str, arguments: Value) -> ToolCall {
    ToolCall { name: name.to_owned(), arguments }
}

/// "What is 3 + n?"
pub fn task(environment: &Environment, n: i64) -> Arc<Task> {
    Arc::new(Task {
        id: format!("{}/{n:08x}", environment.id),
        environment_id: environment.id.clone(),
        split: environment.split,
        kind: Kind::Ask,
        prompt: format!("What is 3 + {n}?"),
        goal: json!({}),
        verifier: Verifier { change: ExpectedChange::default(), answer: Some(Answer::Integer(3 + n)) },
        solution: vec![tool_call("add", json!({"a": 3, "b": n})), tool_call("submit", json!({"answer": 3 + n}))],
        certificate: Certificate::default(),
        difficulty: Difficulty::default(),
    })
}

pub fn key(task: &Task) -> EpisodeKey {
    EpisodeKey { task_id: task.id.clone(), policy: "script".to_owned(), sample: 0 }
}

/// A turn that makes these calls (name, arguments as written).
pub fn calls(calls: &[(&str, &str)]) -> PolicyTurn {
    let calls = calls.iter().map(|(name, arguments)| MessageCall {
        id: "whatever".to_owned(),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    });
    PolicyTurn { calls: calls.collect(), ..PolicyTurn::default() }
}

/// A turn that could not be read.
pub fn malformed() -> PolicyTurn {
    PolicyTurn {
        content: "<call".to_owned(),
        malformed: Some("the call is not closed".to_owned()),
        ..PolicyTurn::default()
    }
}

/// Says what it was given, then nothing.
pub struct Script(pub Vec<Result<PolicyTurn, PolicyFailure>>);

impl Script {
    pub fn new(turns: Vec<PolicyTurn>) -> Self {
        Script(turns.into_iter().map(Ok).collect())
    }
}

#[async_trait]
impl Agent for Script {
    async fn act(&mut self, _situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        if self.0.is_empty() { Ok(PolicyTurn::default()) } else { self.0.remove(0) }
    }
}

/// Keeps episodes in memory; refuses a key that is there already.
#[derive(Default)]
pub struct Memory {
    pub episodes: Mutex<BTreeMap<EpisodeKey, Episode>>,
    pub batches: Mutex<Vec<usize>>,
}

impl Memory {
    /// The episodes without wall-clock times.
    pub fn timeless(&self) -> Vec<Episode> {
        let episodes = self.episodes.lock().expect("no panic").clone();
        episodes.into_values().map(timeless).collect()
    }
}

/// An episode without wall-clock times.
pub fn timeless(mut episode: Episode) -> Episode {
    episode.elapsed_us = 0;
    episode.steps.iter_mut().for_each(|s| s.elapsed_us = 0);
    episode
}

#[async_trait]
impl EpisodeSink for Memory {
    async fn stored(&self, policy: &str) -> Result<Samples, SinkError> {
        let episodes = self.episodes.lock().expect("no panic");
        let mut samples = Samples::default();
        for key in episodes.keys().filter(|k| k.policy == policy) {
            samples.insert(&key.task_id, key.sample);
        }
        Ok(samples)
    }

    async fn put(&self, batch: Vec<Episode>) -> Result<(), SinkError> {
        self.batches.lock().expect("no panic").push(batch.len());
        let mut episodes = self.episodes.lock().expect("no panic");
        for episode in batch {
            if episodes.insert(episode.key.clone(), episode).is_some() {
                return Err("an episode was stored twice".into());
            }
        }
        Ok(())
    }
}

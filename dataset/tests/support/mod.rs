//! Environments, tasks and episodes to store: shaped like real ones, made without a sandbox.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use terrarium_dataset::Store;
use terrarium_envs::certificate::{Certificate, MutantRuns, Mutator, Provenance};
use terrarium_envs::clusters::Clusters;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::episode::{Episode, EpisodeKey, Step, TokenTrace};
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::setup::Setup;
use terrarium_envs::submit;
use terrarium_envs::task::{Difficulty, Kind, Task, ToolCall};
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::verifier::{Answer, Check, ExpectedChange, Verifier};

/// Environment number `n`; its split follows from the number.
pub fn environment(n: usize) -> Environment {
    let component: Vec<u8> = b"\0asm".iter().copied().chain((0..4000).map(|i| (i * (n + 1) / 7) as u8)).collect();
    Environment {
        id: format!("library-desk-{n:012x}"),
        suite: "library-desk".into(),
        title: "City library lending desk".into(),
        domain: "culture".into(),
        split: Split::ALL[n % 4],
        system: format!("You work at desk {n}. Members with fines above 10.00 may not borrow. ").repeat(12),
        tools: vec![
            ToolSpec {
                name: "check_out".into(),
                description: "Lend one copy of a book to a member.".into(),
                parameters: json!({"type": "object", "properties": {"member_id": {"type": "string"}}, "required": ["member_id"]}),
                writes: true,
            },
            ToolSpec {
                name: "find_loans".into(),
                description: "Find loans.".into(),
                parameters: json!({"type": "object"}),
                writes: false,
            },
        ],
        digest: blake3::hash(&component).to_hex().to_string(),
        component: Arc::new(component),
        recipe: json!({"seed": 7, "index": n, "weights": [0.1, 0.2, 1e-7]}),
        signature: vec!["library-desk.check_out(member)".into(), "library-desk.find_loans()".into()],
    }
}

/// Task number `n` of an environment.
pub fn task(environment: &Environment, n: usize) -> Task {
    Task {
        id: format!("{}/{n:08x}", environment.id),
        environment_id: environment.id.clone(),
        split: environment.split,
        kind: [Kind::Act, Kind::Ask][n % 2],
        prompt: format!("Please lend “The Silent River” to Ida Berg, and tell me about loan {n}."),
        goal: json!({"writes": [{"insert": "loan"}], "share": 0.30000000000000004}),
        verifier: Verifier {
            change: ExpectedChange::default(),
            answer: Some(Answer::Texts(vec!["a".into(), "ü".into()])),
        },
        solution: vec![
            ToolCall { name: "find_loans".into(), arguments: json!({"member_id": "M-0001", "page": null}) },
            ToolCall { name: submit::NAME.into(), arguments: json!({"answer": 3}) },
        ],
        certificate: Certificate {
            reference: 1.0,
            noop: 0.0,
            mutants: vec![MutantRuns {
                mutator: Mutator::DropWrite,
                runs: 3,
                as_expected: 3,
                equivalent: 0,
                not_applicable: None,
            }],
            provenance: vec![Provenance {
                value: "3".into(),
                used_in: "answer".into(),
                from: "result of call 1".into(),
            }],
        },
        difficulty: Difficulty {
            score: 2.5 + n as f64 / 3.0,
            calls: 2 + n as u32 % 20,
            writes: 1,
            tools: 2,
            depth: 1,
            distractors: 4,
        },
    }
}

/// An episode of `calls` calls like a real one, `submit` included; every third is solved.
pub fn episode(task: &Task, system: &str, policy: &str, sample: u32, calls: usize) -> Episode {
    let outcome = if sample % 3 == 0 { Outcome::Solved } else { Outcome::Failed };
    let mut messages =
        vec![Message::System { content: system.to_owned() }, Message::User { content: task.prompt.clone() }];
    let mut steps = Vec::new();
    for n in 0..calls {
        let last = n + 1 == calls;
        let tool = if last { submit::NAME } else { "find_loans" };
        let id = format!("call_{n}");
        let arguments = if last {
            r#"{"answer": 3}"#.to_owned()
        } else {
            format!(r#"{{"member_id": "M-{n:04}", "page": {}}}"#, n + 1)
        };
        let row = format!(
            r#"{{"id":"L-{n:06}","title":"The Silent River","due":"2026-03-01","status":"active","fines":"{n}.50"}}"#
        );
        let result = if last {
            submit::ACCEPTED.to_owned()
        } else {
            format!(r#"{{"items":[{}],"more":false}}"#, vec![row; 5].join(","))
        };
        let call = MessageCall { id: id.clone(), name: tool.into(), arguments: arguments.clone() };
        messages.push(Message::Assistant { content: String::new(), reasoning: String::new(), calls: vec![call] });
        messages.push(Message::Tool { call_id: id.clone(), name: tool.into(), content: result.clone() });
        let diff = if n % 3 == 1 {
            r#"{"tables":[{"table":"loan","inserted":[{"id":"L-1"}],"updated":[],"deleted":[]}]}"#
        } else {
            ""
        };
        steps.push(Step {
            turn: n as u32,
            call_id: id,
            tool: tool.into(),
            arguments,
            result,
            outcome: "ok".into(),
            diff: diff.into(),
            fuel: 12_345 + n as u64,
            elapsed_us: 11,
        });
    }
    Episode {
        key: EpisodeKey { task_id: task.id.clone(), policy: policy.into(), sample },
        environment_id: task.environment_id.clone(),
        seed: u64::MAX - u64::from(sample),
        outcome,
        reward: outcome.reward(),
        checks: vec![Check { name: "answer".into(), passed: outcome == Outcome::Solved, detail: String::new() }],
        answer: Some("3".into()),
        error: None,
        setup: Setup::default(),
        usage: Vec::new(),
        cuts: Vec::new(),
        messages,
        steps,
        traces: Vec::new(),
        turns: calls as u32,
        elapsed_us: 1000,
    }
}

/// Token traces of a conversation whose prompts grow.
pub fn traces(turns: u32) -> Vec<TokenTrace> {
    let mut prompt_ids: Vec<u32> = (0..400).map(|i| i * 37 % 50_000).collect();
    let mut all = Vec::new();
    for turn in 0..turns {
        let token_ids: Vec<u32> = (0..20).map(|i| (i + turn) * 91 % 50_000).collect();
        all.push(TokenTrace {
            turn,
            prompt_ids: prompt_ids.clone(),
            logprobs: token_ids.iter().map(|t| -(*t as f32) / 7e4).collect(),
            experts: token_ids.iter().flat_map(|t| [*t as u16 % 64, 3, 5, 63]).collect(),
            token_ids: token_ids.clone(),
            texts: Vec::new(),
            finish: "eos".into(),
        });
        prompt_ids.extend(token_ids);
        prompt_ids.extend([turn, 1, 2, 3]);
    }
    all
}

/// A new database of one episode that ended so.
pub async fn one_episode(path: &Path, outcome: Outcome) -> Store {
    let store = Store::create(path).await.unwrap();
    let environment = environment(0);
    let task = task(&environment, 0);
    let mut episode = episode(&task, &environment.system, "expert", 0, 3);
    (episode.outcome, episode.reward) = (outcome, outcome.reward());
    store.put_environment_with_tasks(&environment, &[task], None).await.unwrap();
    store.put_episodes(vec![episode]).await.unwrap();
    store
}

/// A cluster of the environment's own, and one that all tasks are in: their prompts are the same but for a number.
pub fn clusters(environment: &Environment, tasks: usize) -> Clusters {
    let environment = format!("{:016x}", environment.id.len() + environment.split as usize);
    Clusters { environment, tasks: vec!["00000000000000aa".to_owned(); tasks] }
}

/// Environments 0..4 (one a split), 3 tasks each, 2 policies, episodes with and without a reward.
pub async fn filled(dir: &Path, order: usize) -> Store {
    let store = Store::create(dir.join("terrarium.db")).await.unwrap();
    store.put_meta("seed", "7").await.unwrap();
    let mut all: Vec<Episode> = Vec::new();
    for n in 0..4 {
        let environment = environment((n + order) % 4);
        let tasks: Vec<_> = (0..3).map(|n| task(&environment, n)).collect();
        store.put_clustered(&environment, &tasks, &clusters(&environment, tasks.len()), None).await.unwrap();
        for task in &tasks {
            for policy in ["expert", "openai:some/model|v2"] {
                for sample in 0..3 {
                    let mut episode = episode(task, &environment.system, policy, sample, 3 + sample as usize);
                    if sample == 1 {
                        episode.outcome = Outcome::PolicyError;
                        episode.reward = None;
                        episode.error = Some("the endpoint said 500".into());
                    }
                    if let Some(Message::Assistant { reasoning, .. }) = episode.messages.get_mut(2) {
                        *reasoning = "First I look.".into();
                    }
                    episode.elapsed_us = order as u64;
                    all.push(episode);
                }
            }
        }
    }
    if order % 2 == 1 {
        all.reverse();
    }
    for batch in all.chunks(5 + order) {
        store.put_episodes(batch.to_vec()).await.unwrap();
    }
    store
}

//! What surrounds an agent: faults, a simulated user, context management, budgets, several attempts, branches. Every episode is run
//! again from its record alone and must come out the same.

#[path = "support/desk.rs"]
mod desk;
mod support;

use async_trait::async_trait;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use support::{Memory, Script, calls, key, sandbox, timeless};
use terrarium_envs::context::{ContextPlan, Strategy};
use terrarium_envs::episode::Episode;
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::faults::{Fault, FaultPlan};
use terrarium_envs::message::Message;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{
    Agent, Expert, Forked, NoisyExpert, Policy, PolicyFailure, PolicyTurn, Random, SharedPolicy, Situation,
};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};
use terrarium_envs::setup::UserKind;
use terrarium_envs::task::Task;
use terrarium_envs::usage::Usage;
use terrarium_envs::user::{Line, UserVoice};
use terrarium_envs::{Budget, Loaded, Setup};

struct Desk {
    loaded: Arc<Loaded>,
    task: Arc<Task>,
}

fn desk() -> Desk {
    let environment = desk::environment();
    let loaded =
        Loaded::load(&terrarium_envs::sandbox::Sandbox::new(Default::default()).expect("a sandbox"), &environment);
    Desk { loaded: loaded.expect("it loads"), task: desk::task(&environment) }
}

impl Desk {
    async fn play(&self, agent: &mut dyn Agent, setup: &Setup, seed: u64) -> Episode {
        let episode = run_episode(&self.loaded, &self.task, Cast::alone(agent), setup, key(&self.task), seed).await;
        assert_eq!(timeless(self.again(&episode).await), timeless(episode.clone()), "a replay differs");
        episode
    }

    /// Runs an episode again from what it says.
    async fn again(&self, episode: &Episode) -> Episode {
        let mut said = Script(episode.said().into_iter().map(Ok).collect());
        let mut words = Words(Vec::new());
        for message in &episode.messages[2..] {
            if let Message::User { content } = message {
                words.0.push(content.clone());
            }
        }
        words.0.reverse();
        let cast = Cast { agent: &mut said, user: Some(&mut words), cuts: Some(&episode.cuts) };
        run_episode(&self.loaded, &self.task, cast, &episode.setup, episode.key.clone(), episode.seed).await
    }
}

struct Words(Vec<String>);

#[async_trait]
impl UserVoice for Words {
    async fn say(&mut self, _: &Line, _: &str) -> Result<String, PolicyFailure> {
        self.0.pop().ok_or_else(|| PolicyFailure::Failed("no more".into()))
    }
}

fn outcomes(episode: &Episode) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    episode.steps.iter().for_each(|s| *counts.entry(s.outcome.as_str()).or_default() += 1);
    counts
}

#[tokio::test]
async fn the_noisy_expert_errs_and_recovers() {
    let desk = desk();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut longer = 0;
    for seed in 0..200 {
        let mut agent = NoisyExpert.agent(seed);
        let episode = desk.play(agent.as_mut(), &Setup::default(), seed).await;
        assert_eq!(episode.outcome, Outcome::Solved, "seed {seed}: {:#?}", episode.steps);
        longer += usize::from(episode.steps.len() > desk.task.solution.len());
        for (step, message) in episode.steps.iter().zip(episode.messages.iter().skip(2).step_by(2)) {
            *seen.entry(step.outcome.clone()).or_default() += 1;
            assert!(matches!(message, Message::Assistant { calls, .. } if calls.len() == 1));
        }
    }
    assert!(longer > 190, "it erred in {longer} of 200 episodes");
    for code in ["bad_arguments", "unknown_tool", "not_found"] {
        assert!(seen.get(code).is_some_and(|n| *n > 10), "{seen:?}");
    }
}

#[tokio::test]
async fn faults_cost_calls_but_not_the_goal() {
    let desk = desk();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..100 {
        for policy in [&Expert as &dyn Policy, &NoisyExpert] {
            let faults = FaultPlan { per_mille: 250, ..FaultPlan::default() };
            let setup = Setup { faults, ..Setup::default() };
            let episode = desk.play(policy.agent(seed).as_mut(), &setup, seed).await;
            assert_eq!(episode.outcome, Outcome::Solved, "{} {seed}: {:#?}", policy.label(), episode.steps);
            outcomes(&episode).into_iter().for_each(|(code, n)| *seen.entry(code.to_owned()).or_default() += n);
        }
    }
    for code in ["timeout", "rate_limited"] {
        assert!(seen[code] > 20, "{seen:?}");
    }
}

#[tokio::test]
async fn a_list_in_parts_can_be_had_whole() {
    let desk = desk();
    let faults = FaultPlan { per_mille: 1000, kinds: vec![Fault::Paging], page: 4, ..FaultPlan::default() };
    let setup = Setup { faults, ..Setup::default() };
    let look = || calls(&[("find_members", r#"{"page":1}"#)]);
    let episode = desk.play(&mut Script::new(vec![look(), look()]), &setup, 4).await;
    let parts: Vec<serde_json::Value> =
        episode.steps.iter().map(|s| serde_json::from_str(&s.result).expect("JSON")).collect();
    let names: Vec<&str> =
        parts.iter().filter_map(|p| p["items"].as_array()).flatten().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["Ann Lee", "Bo Day", "Cy Orr", "Di Fox", "Ed May", "Flo Hill"]);
    assert!(parts[0]["part"].as_str().is_some_and(|p| p.contains("part 1 of 2")), "{}", parts[0]);
}

#[tokio::test]
async fn a_partial_batch_tells_which_calls_were_left_out() {
    let desk = desk();
    let batch = || {
        calls(&[
            ("get_book", r#"{"book_id":"B-0004"}"#),
            ("get_book", r#"{"book_id":"B-0005"}"#),
            ("get_book", r#"{"book_id":"B-0006"}"#),
        ])
    };
    let faults = FaultPlan { per_mille: 1000, kinds: vec![Fault::PartialBatch], ..FaultPlan::default() };
    let setup = Setup { faults, ..Setup::default() };
    let episode = desk.play(&mut Script::new(vec![batch(), batch()]), &setup, 4).await;
    let codes: Vec<&str> = episode.steps.iter().map(|s| s.outcome.as_str()).collect();
    assert_eq!((codes[0], codes[2], codes.len()), ("ok", "not_carried_out", 6), "{codes:?}");
    assert!(episode.steps[2].result.contains("of these 3 calls"), "{}", episode.steps[2].result);
}

#[tokio::test]
async fn a_user_keeps_things_back_and_changes_its_mind() {
    let desk = desk();
    let setup = Setup { user: UserKind::Scripted, ..Setup::default() };
    let (mut asked, mut interrupted) = (0, 0);
    for seed in 0..60 {
        for policy in [&Expert as &dyn Policy, &NoisyExpert] {
            let episode = desk.play(policy.agent(seed).as_mut(), &setup, seed).await;
            assert_eq!(episode.outcome, Outcome::Solved, "{} {seed}: {:#?}", policy.label(), episode.messages);
            let Message::User { content: opening } = &episode.messages[1] else { panic!("no opening") };
            assert_ne!(*opening, desk.task.prompt);
            interrupted += usize::from(outcomes(&episode).contains_key("user_spoke"));
            let silent = |m: &Message| matches!(m, Message::Assistant { calls, .. } if calls.is_empty());
            asked += usize::from(episode.messages.iter().any(silent));
        }
    }
    assert!(interrupted > 60 && asked == 60, "interrupted {interrupted}, asked {asked}");
}

#[tokio::test]
async fn an_agent_that_never_asks_is_told_before_it_changes_anything() {
    let desk = desk();
    let setup = Setup { user: UserKind::Scripted, ..Setup::default() };
    let lend = ("check_out", r#"{"member_id":"M-0003","book_id":"B-0006"}"#);
    let found = (0..50).find(|seed| {
        let rows = terrarium_envs::Runner::with(&desk.loaded).expect("a world").readable_state().expect("rows");
        let mut script = terrarium_envs::user::Script::new(&desk.task.prompt, &rows.unwrap_or_default(), *seed);
        script.interrupt().is_some()
    });
    let seed = found.expect("a user that changes its mind");
    let episode =
        desk.play(&mut Script::new(vec![calls(&[lend, ("get_book", r#"{"book_id":"B-0006"}"#)])]), &setup, seed).await;
    assert_eq!(episode.steps[0].outcome, "user_spoke");
    assert_eq!(episode.steps[1].outcome, "user_spoke", "nothing after it in the same message either");
    assert!(episode.steps.iter().all(|s| s.diff.is_empty()));
    let Message::User { content } = &episode.messages[5] else { panic!("{:#?}", episode.messages) };
    assert!(desk.task.prompt.contains("Ann Lee") && !content.is_empty());
}

#[tokio::test]
async fn a_voice_words_the_user_but_loses_nothing() {
    struct Voice(&'static str);
    #[async_trait]
    impl UserVoice for Voice {
        async fn say(&mut self, line: &Line, _: &str) -> Result<String, PolicyFailure> {
            match self.0 {
                "broken" => Err(PolicyFailure::Failed("no line".into())),
                "vague" => Ok("You know.".into()),
                _ => Ok(format!("Look: {}", line.details.join(" "))),
            }
        }
    }
    let desk = desk();
    let setup = Setup { user: UserKind::Model, ..Setup::default() };
    for (kind, outcome) in [("loud", Outcome::Solved), ("vague", Outcome::Solved), ("broken", Outcome::PolicyError)] {
        let mut agent = NoisyExpert.agent(1);
        let mut voice = Voice(kind);
        let cast = Cast { agent: agent.as_mut(), user: Some(&mut voice), cuts: None };
        let episode = run_episode(&desk.loaded, &desk.task, cast, &setup, key(&desk.task), 1).await;
        assert_eq!((episode.outcome, episode.reward), (outcome, outcome.reward()), "{kind}");
        let told: Vec<&String> = episode.messages[2..]
            .iter()
            .filter_map(|m| if let Message::User { content } = m { Some(content) } else { None })
            .collect();
        match kind {
            "loud" => assert!(told.iter().all(|t| t.starts_with("Look: ")), "{told:?}"),
            "vague" => assert!(!told.is_empty() && told.iter().all(|t| *t != "You know."), "{told:?}"),
            _ => assert!(told.is_empty() && episode.error.is_some_and(|e| e.contains("no line"))),
        }
        if kind != "broken" {
            let again =
                desk.again(&Episode { messages: episode.messages.clone(), ..episode_of(&desk, kind).await }).await;
            assert_eq!(again.outcome, Outcome::Solved);
        }
    }

    async fn episode_of(desk: &Desk, kind: &'static str) -> Episode {
        let setup = Setup { user: UserKind::Model, ..Setup::default() };
        let mut agent = NoisyExpert.agent(1);
        let mut voice = Voice(kind);
        let cast = Cast { agent: agent.as_mut(), user: Some(&mut voice), cuts: None };
        run_episode(&desk.loaded, &desk.task, cast, &setup, key(&desk.task), 1).await
    }
}

/// Looks again and again, thinking each time; notes what it was shown, and how it was asked to sum up.
#[derive(Default)]
struct Looker {
    views: Vec<Vec<Message>>,
    summaries: usize,
    counts: bool,
    left: usize,
}

#[async_trait]
impl Agent for Looker {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        self.views.push(situation.messages.to_vec());
        let bytes: usize = situation.messages.iter().map(Message::bytes).sum();
        let usage = Usage { prompt: bytes as u64, completion: 20, ..Usage::default() };
        let mut turn = calls(&[("find_members", r#"{"page":1}"#)]);
        if self.left == 0 {
            turn = calls(&[("submit", "{}")]);
        }
        self.left = self.left.saturating_sub(1);
        turn.reasoning = format!("thought {}", self.views.len());
        turn.usage = self.counts.then_some(usage);
        Ok(turn)
    }

    async fn summarise(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        self.summaries += 1;
        assert!(situation.messages.iter().any(|m| matches!(m, Message::Tool { .. })));
        Ok(PolicyTurn { content: format!("summary {}", self.summaries), ..PolicyTurn::default() })
    }
}

fn bytes(view: &[Message]) -> usize {
    view.iter().map(Message::bytes).sum()
}

#[tokio::test]
async fn views_stay_within_the_window_and_the_log_keeps_everything() {
    let desk = desk();
    for strategy in Strategy::ALL {
        let context = ContextPlan { window: Some(6000), strategy, ..ContextPlan::default() };
        let setup = Setup { context, ..Setup::default() };
        let mut agent = Looker { counts: true, left: 20, ..Looker::default() };
        let episode = desk.play(&mut agent, &setup, 1).await;
        assert_eq!((episode.turns, episode.steps.len()), (21, 21), "{strategy:?}");
        assert_eq!(episode.messages.len(), 2 + 42, "the log is whole");
        let largest = agent.views.iter().map(|v| bytes(v)).max().unwrap_or(0);
        if strategy == Strategy::None {
            assert!(episode.cuts.is_empty() && largest > 6000);
            continue;
        }
        assert!(!episode.cuts.is_empty() && largest <= 4800, "{strategy:?}: {largest}, {:?}", episode.cuts);
        let cut = &episode.cuts[0];
        let view = agent.views.iter().find(|v| bytes(v) < 4000 && v.len() < cut.at && has_note(v)).expect("a cut view");
        match strategy {
            Strategy::Summary => {
                assert_eq!((agent.summaries, cut.summary.as_deref()), (episode.cuts.len(), Some("summary 1")));
                assert_eq!(view.len(), 2);
            }
            Strategy::DiscardAll => assert_eq!(view.len(), 2),
            _ => assert!(view.len() > 2 && agent.summaries == 0),
        }
        // Thinking of the rounds that are left is still there: no user message came after it.
        let thoughtless = |m: &Message| matches!(m, Message::Assistant { reasoning, .. } if reasoning.is_empty());
        assert!(!view.iter().any(thoughtless));
    }
}

fn has_note(view: &[Message]) -> bool {
    matches!(&view[1], Message::User { content } if content.contains("(Earlier "))
}

#[tokio::test]
async fn a_policy_that_says_its_window_is_full_gets_a_smaller_view() {
    struct Full(bool);
    #[async_trait]
    impl Agent for Full {
        async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
            match situation.messages.len() {
                2 if self.0 => Ok(calls(&[("submit", "{}")])),
                n if n < 8 => Ok(calls(&[("find_members", r#"{"name":"Ann","page":1}"#)])),
                _ => {
                    self.0 = true;
                    Err(PolicyFailure::OutOfContext { window: 100 })
                }
            }
        }
    }
    let desk = desk();
    let context = ContextPlan { window: Some(1 << 20), strategy: Strategy::DiscardAll, ..ContextPlan::default() };
    let setup = Setup { context, ..Setup::default() };
    let episode = desk.play(&mut Full(false), &setup, 1).await;
    assert_eq!((episode.outcome, episode.cuts.len(), episode.steps.len()), (Outcome::Failed, 1, 4));
    let plain =
        run_episode(&desk.loaded, &desk.task, Cast::alone(&mut Full(false)), &Setup::default(), key(&desk.task), 1)
            .await;
    assert_eq!((plain.outcome, plain.reward), (Outcome::OutOfContext, Some(0.0)));
}

#[tokio::test]
async fn token_and_time_budgets() {
    let desk = desk();
    let budget = Budget { tokens: Some(50), ..Budget::default() };
    let mut agent = Looker { counts: true, left: 20, ..Looker::default() };
    let episode = desk.play(&mut agent, &Setup { budget, ..Setup::default() }, 1).await;
    assert_eq!((episode.outcome, episode.turns), (Outcome::OutOfContext, 3));
    assert!(episode.error.is_some_and(|e| e.contains("50 sampled tokens")));

    struct Sleeper;
    #[async_trait]
    impl Agent for Sleeper {
        async fn act(&mut self, _: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(PolicyTurn::default())
        }
    }
    let budget = Budget { time: Some(Duration::from_millis(30)), ..Budget::default() };
    let setup = Setup { budget, ..Setup::default() };
    let late = run_episode(&desk.loaded, &desk.task, Cast::alone(&mut Sleeper), &setup, key(&desk.task), 1).await;
    assert_eq!((late.outcome, late.reward), (Outcome::PolicyError, None));
    assert!(late.error.is_some_and(|e| e.starts_with("out_of_time: ")));
}

#[tokio::test]
async fn of_several_attempts_the_shortest_finished_one_is_kept() {
    /// Makes as many calls as its seed says, then submits; every third never ends.
    struct Long;
    struct Calls(u64);
    impl Policy for Long {
        fn label(&self) -> String {
            "long".into()
        }
        fn agent(&self, seed: u64) -> Box<dyn Agent> {
            Box::new(Calls(if seed % 3 == 0 { 1000 } else { 1 + seed % 7 }))
        }
        fn scripted(&self) -> bool {
            true
        }
    }
    #[async_trait]
    impl Agent for Calls {
        async fn act(&mut self, _: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
            self.0 -= 1;
            Ok(calls(&[if self.0 == 0 { ("submit", "{}") } else { ("find_members", r#"{"name":"Ann","page":1}"#) }]))
        }
    }
    let desk = desk();
    let jobs: Vec<Job> = (0..12)
        .map(|sample| Job { environment: Arc::clone(desk.loaded.environment()), task: Arc::clone(&desk.task), sample })
        .collect();
    let sink = Memory::default();
    let options = Options { attempts: 5, seed: 1, ..Options::default() };
    rollout(&sandbox(), jobs, Arc::new(Long), &sink, &options, &Cancel::new(), |_| ()).await.expect("a run");
    let episodes = sink.timeless();
    assert_eq!(episodes.len(), 12);
    for episode in episodes {
        let parallel = episode.setup.parallel.as_ref().expect("attempts");
        assert_eq!(parallel.steps.len(), 5);
        let shortest = parallel.steps.iter().flatten().min();
        assert_eq!(parallel.steps[parallel.kept as usize], shortest.copied());
        assert_eq!(shortest.map(|n| *n as usize), Some(episode.steps.len()));
        assert_eq!(timeless(desk.again(&episode).await), episode);
    }
}

#[tokio::test]
async fn a_branch_begins_like_its_origin_and_goes_its_own_way() {
    let desk = desk();
    let setup = Setup { faults: FaultPlan { per_mille: 200, ..FaultPlan::default() }, ..Setup::default() };
    let origin = Arc::new(desk.play(Expert.agent(7).as_mut(), &setup, 7).await);
    for steps in [0, 1, 5, origin.steps.len() as u32] {
        let mut ends = Vec::new();
        for policy in [Arc::new(Random) as SharedPolicy, Arc::new(Expert)] {
            let forked = Forked::new(policy, Arc::clone(&origin), steps).expect("a branch");
            for seed in 100..104 {
                let episode = desk.play(forked.agent(seed).as_mut(), &forked.setup(), seed).await;
                let steps = steps as usize;
                let same = |e: &Episode| timeless(e.clone()).steps[..steps].to_vec();
                assert_eq!(same(&episode), same(&origin), "the prefix differs");
                ends.push((forked.label(), episode.outcome, episode.steps.len()));
            }
        }
        let (random, expert) = ends.split_at(4);
        assert!(expert.iter().all(|(_, outcome, _)| *outcome == Outcome::Solved), "{expert:?}");
        if steps < 5 {
            assert!(random.iter().any(|(_, outcome, _)| *outcome != Outcome::Solved), "{random:?}");
        }
        assert_eq!(random[0].0, format!("random/script#0@{steps}"));
    }
    let too_far = Forked::new(Arc::new(Expert), Arc::clone(&origin), 999).err().expect("refused").to_string();
    assert!(too_far.contains("cannot branch after step 999"), "{too_far}");

    let batch = calls(&[("find_members", r#"{"name":"A","page":1}"#), ("find_members", r#"{"name":"B","page":1}"#)]);
    let batched = Arc::new(desk.play(&mut Script::new(vec![batch]), &Setup::default(), 1).await);
    let between = Forked::new(Arc::new(Expert), batched, 1).err().expect("refused").to_string();
    assert!(between.contains("branch after step 0 or 2"), "{between}");
    assert_eq!(json!(forked_json(&origin)), json!({"policy": "script", "sample": 0, "seed": 7, "steps": 2}));
}

fn forked_json(origin: &Arc<Episode>) -> serde_json::Value {
    let forked = Forked::new(Arc::new(Expert), Arc::clone(origin), 2).expect("a branch");
    serde_json::to_value(forked.setup().fork).expect("JSON")
}

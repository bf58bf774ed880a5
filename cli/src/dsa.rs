//! The policy `dsa`: the embedded model, spoken to in DSML with byte-level tokens.
//!
//! Without a folder it is a tiny model with seeded random weights: its episodes are real and nearly all fail, each in its own way.
//! As `dsa-constrained` a grammar lets it say nothing but one call of a tool it has, with arguments of the schema's types.
//! Tokens, log-probabilities and routed experts of every message are recorded.

use crate::agent_args::AgentArgs;
use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use terrarium_envs::context::SUMMARY_REQUEST;
use terrarium_envs::episode::TokenTrace;
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::policy::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::usage::{Meter, Usage};
use terrarium_model::dsml::grammar::Calls;
use terrarium_model::dsml::{self, ThinkingMode};
use terrarium_model::engine::grammar::Grammar;
use terrarium_model::engine::{EngineHandle, Finish, Generator, Options, Record, Request, Sampling};
use terrarium_model::tokenizer::Tokenizer;
use terrarium_model::{Config, Model};
use tokio::sync::oneshot;

/// Conversations that are batched unless told otherwise.
pub const CONVERSATIONS: usize = 8;

/// Sampled tokens of a message unless told otherwise.
const TOKENS_MAX: usize = 96;
/// The same under a grammar, whose fixed texts are most of a message ...
const CONSTRAINED_TOKENS_MAX: usize = 384;
/// ... and the most bytes of a text that it leaves to the model.
const CONSTRAINED_TEXT_BYTES: usize = 48;

/// The policy.
pub struct Dsa {
    engine: EngineHandle,
    tokenizer: Arc<Tokenizer>,
    context: usize,
    tokens_max: usize,
    constrained: bool,
    label: String,
    conversations: AtomicU64,
    meter: Arc<Meter>,
}

impl Dsa {
    /// The checkpoint in `folder`, or a tiny random model of this seed; `constrained` to calls or free.
    pub fn open(folder: Option<&Path>, constrained: bool, seed: u64, args: &AgentArgs) -> Result<Self> {
        terrarium_model::runtime::set_threads(1);
        let place = args.place.settle(None, |note| eprintln!("note: {note}"))?;
        let model = match folder {
            Some(folder) => {
                Model::load(folder, place).with_context(|| format!("cannot load the model in {}", folder.display()))?
            }
            None => Model::init(Config::tiny(), seed, place)?,
        };
        let positions = usize::try_from(model.config().max_position_embeddings).unwrap_or(usize::MAX);
        let window = args.conditions.window.and_then(|window| usize::try_from(window).ok());
        let context = window.map_or(positions, |window| window.min(positions));
        let (name, tokens_max) =
            if constrained { ("dsa-constrained", CONSTRAINED_TOKENS_MAX) } else { ("dsa", TOKENS_MAX) };
        let label = match folder.and_then(Path::file_name) {
            Some(folder) => format!("{name}:{}", folder.to_string_lossy()),
            None => name.to_owned(),
        };
        let tokenizer = match folder {
            Some(folder) => Tokenizer::load(folder, model.config())?,
            None => Tokenizer::default(),
        };
        let generator = Generator::new(model, Options::default());
        let engine = EngineHandle::spawn(generator.with_vocabulary(Arc::clone(tokenizer.vocabulary())))?;
        Ok(Dsa {
            engine,
            tokenizer: Arc::new(tokenizer),
            context,
            tokens_max: args.budget.max_tokens.map_or(tokens_max, |n| n as usize),
            constrained,
            label,
            conversations: AtomicU64::new(0),
            meter: Arc::default(),
        })
    }
}

impl Policy for Dsa {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(Speaker {
            engine: self.engine.clone(),
            tokenizer: Arc::clone(&self.tokenizer),
            context: self.context,
            tokens_max: self.tokens_max,
            constrained: self.constrained,
            grammar: None,
            seed,
            conversation: self.conversations.fetch_add(1, Ordering::Relaxed),
            known: Vec::new(),
            meter: Arc::clone(&self.meter),
        })
    }

    fn window(&self) -> Option<u64> {
        Some(self.context as u64)
    }

    fn meter(&self) -> Option<&Meter> {
        Some(&self.meter)
    }
}

struct Speaker {
    engine: EngineHandle,
    tokenizer: Arc<Tokenizer>,
    context: usize,
    tokens_max: usize,
    constrained: bool,
    /// The grammar of the environment's tools, made at the first turn of a constrained policy.
    grammar: Option<Arc<Grammar>>,
    seed: u64,
    conversation: u64,
    /// Prompt and completion of the last turn: what was sampled stays tokenised as it was sampled.
    known: Vec<u32>,
    meter: Arc<Meter>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.engine.release(self.conversation);
    }
}

#[async_trait]
impl Agent for Speaker {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let prompt = prompt(situation.messages, situation.tools).map_err(PolicyFailure::Failed)?;
        let prompt_ids = self.tokenizer.encode_after(&self.known, &prompt);
        if prompt_ids.len() >= self.context {
            return Err(PolicyFailure::OutOfContext { window: self.context });
        }
        if self.constrained && self.grammar.is_none() {
            let calls = Calls::One { text_bytes: CONSTRAINED_TEXT_BYTES };
            let tools: Vec<Value> = situation.tools.iter().map(function).collect();
            self.grammar = Some(Arc::new(dsml::grammar::grammar(&tools, ThinkingMode::Chat, calls)));
        }
        let request = Request {
            conversation: self.conversation,
            prompt: prompt_ids.clone(),
            sampling: Sampling {
                max_tokens: self.tokens_max,
                seed: self.seed,
                stream: u64::from(situation.turn),
                ..Sampling::default()
            },
            stop: Vec::new(),
            grammar: self.grammar.clone(),
            record: Record { experts: true, ..Record::default() },
        };
        let (sender, receiver) = oneshot::channel();
        let sent = self.engine.submit(request, move |result| drop(sender.send(result)));
        sent.map_err(|error| PolicyFailure::Failed(error.to_string()))?;
        let completion = match receiver.await {
            Ok(Ok(completion)) => completion,
            Ok(Err(error)) => return Err(PolicyFailure::Failed(error.to_string())),
            Err(_) => return Err(PolicyFailure::Failed("the engine's thread has ended".to_owned())),
        };
        if completion.finish == Finish::Context && completion.token_ids.is_empty() {
            return Err(PolicyFailure::OutOfContext { window: self.context });
        }
        self.known.clone_from(&prompt_ids);
        self.known.extend_from_slice(&completion.token_ids);
        let text = String::from_utf8_lossy(&self.tokenizer.decode(&completion.token_ids)).into_owned();
        let mut turn = read(&text, completion.finish);
        let usage = Usage {
            turn: situation.turn,
            prompt: prompt_ids.len() as u64,
            completion: completion.token_ids.len() as u64,
            ..Usage::default()
        };
        self.meter.message(Some(&usage));
        turn.usage = Some(usage);
        turn.trace = Some(TokenTrace {
            turn: situation.turn,
            prompt_ids,
            token_ids: completion.token_ids,
            texts: Vec::new(),
            logprobs: completion.logprobs,
            experts: completion.experts,
            finish: completion.finish.name().to_owned(),
        });
        Ok(turn)
    }

    async fn summarise(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let mut messages = situation.messages.to_vec();
        messages.push(Message::User { content: SUMMARY_REQUEST.to_owned() });
        self.act(Situation { messages: &messages, ..situation }).await
    }
}

/// The DSML prompt of a conversation.
fn prompt(messages: &[Message], tools: &[ToolSpec]) -> Result<String, String> {
    let messages: Vec<Value> = messages.iter().map(|message| openai(message, tools)).collect();
    let options = dsml::Options { mode: ThinkingMode::Chat, drop_thinking: true };
    dsml::encode(&messages, options).map_err(|error| format!("the conversation has no DSML encoding: {error}"))
}

/// Tokens of the DSML prompt that opens an episode.
pub fn opening_tokens(system: &str, user: &str, tools: &[ToolSpec]) -> usize {
    let messages = [Message::System { content: system.to_owned() }, Message::User { content: user.to_owned() }];
    prompt(&messages, tools).map_or(usize::MAX, |text| Tokenizer::default().encode(&text).len())
}

/// A tool in OpenAI form.
fn function(tool: &ToolSpec) -> Value {
    let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
    json!({"type": "function", "function": function})
}

fn openai(message: &Message, tools: &[ToolSpec]) -> Value {
    match message {
        Message::System { content } => {
            let tools: Vec<Value> = tools.iter().map(function).collect();
            json!({"role": "system", "content": content, "tools": tools})
        }
        Message::User { content } => json!({"role": "user", "content": content}),
        Message::Assistant { content, calls, .. } => {
            let calls: Vec<Value> = calls
                .iter()
                .map(
                    |c| json!({"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}),
                )
                .collect();
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        Message::Tool { call_id, content, .. } => json!({"role": "tool", "tool_call_id": call_id, "content": content}),
    }
}

/// What a completion says. Calls are read tolerantly; what is wrong with one that cannot be understood is for the agent to
/// mend, and then none of the message's calls is made. So is a message without calls that was cut off.
fn read(text: &str, finish: Finish) -> PolicyTurn {
    let message = dsml::read(text, ThinkingMode::Chat);
    let broken = |wrong: String| PolicyTurn {
        content: text.trim_end_matches(dsml::EOS).to_owned(),
        malformed: Some(wrong),
        ..PolicyTurn::default()
    };
    if message.calls.is_empty() && finish != Finish::Eos {
        return broken(format!("it was cut off before its end-of-sentence token ({})", finish.name()));
    }
    let wrong: Vec<String> = message
        .calls
        .iter()
        .enumerate()
        .filter_map(|(index, call)| {
            let bad = call.as_ref().err()?;
            let name = bad.name.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
            Some(format!("call {}{name}: {}", index + 1, bad.error))
        })
        .collect();
    if !wrong.is_empty() {
        return broken(format!("no call was made; {}", wrong.join("; ")));
    }
    let calls = message.calls.into_iter().flatten().map(|call| MessageCall {
        id: String::new(),
        name: call.name,
        arguments: call.arguments,
    });
    PolicyTurn { content: message.content, calls: calls.collect(), ..PolicyTurn::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_become_turns_or_say_what_is_wrong() {
        let call = format!(
            "I look.\n\n<{t}function_calls>\n<{t}invoke name=\"get\">\n<{t}parameter name=\"id\" string=\"true\">M-1</{t}parameter>\n</{t}invoke>\n</{t}function_calls>{end}",
            t = dsml::TOKEN,
            end = dsml::EOS
        );
        let turn = read(&call, Finish::Eos);
        assert_eq!((turn.content.as_str(), turn.calls.len(), turn.malformed), ("I look.", 1, None));
        assert_eq!((turn.calls[0].name.as_str(), turn.calls[0].arguments.as_str()), ("get", "{\"id\": \"M-1\"}"));
        let turn = read(&format!("Done.{}", dsml::EOS), Finish::Eos);
        assert!(turn.calls.is_empty() && turn.malformed.is_none());
        let turn = read("cut off in the mid", Finish::Length);
        assert!(turn.malformed.is_some_and(|m| m.contains("end-of-sentence")));
        // Untidy calls are understood, also where the closing tags are missing.
        let turn = read(&call.replace('｜', "|").replace(dsml::EOS, ""), Finish::Length);
        assert_eq!((turn.calls.len(), turn.malformed), (1, None));
        // A call that is none says why, and what was written stays to be seen.
        let turn = read(&call.replace("\"true\"", "\"false\""), Finish::Eos);
        let wrong = turn.malformed.unwrap();
        assert!(wrong.starts_with("no call was made; call 1 of `get`: parameter `id` is marked"), "{wrong}");
        assert!(turn.calls.is_empty() && turn.content.contains("M-1"));
    }

    #[test]
    fn prompts_hold_tools_and_results() {
        let tools = [terrarium_envs::submit::tool()];
        let call = MessageCall { id: "call_0".into(), name: "submit".into(), arguments: "{\"answer\": 3}".into() };
        let messages = [
            Message::System { content: "S".into() },
            Message::User { content: "U".into() },
            Message::Assistant { content: String::new(), reasoning: String::new(), calls: vec![call] },
            Message::Tool { call_id: "call_0".into(), name: "submit".into(), content: "{\"submitted\":true}".into() },
        ];
        let text = prompt(&messages, &tools).unwrap();
        for part in ["S\n\n## Tools", "\"name\": \"submit\"", "<function_results>", "{\"submitted\":true}"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let opening = prompt(&messages[..2], &tools).unwrap();
        assert_eq!(opening_tokens("S", "U", &tools), Tokenizer::default().encode(&opening).len());
    }
}

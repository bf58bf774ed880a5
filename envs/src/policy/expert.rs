//! The expert: replays the reference solution, one call a turn. Its episodes show that the stored solution still earns its reward
//! through the very path that any other agent takes. A call that was refused for a passing reason (a time-out, a word of the user) is
//! made again.

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::faults::PASSING;
use crate::message::{Message, MessageCall};
use crate::task::ToolCall;
use async_trait::async_trait;

/// The policy `expert`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expert;

#[derive(Default)]
struct Replay {
    /// The next call; none before the first message.
    next: Option<usize>,
}

impl Policy for Expert {
    fn label(&self) -> String {
        "expert".to_owned()
    }

    fn agent(&self, _seed: u64) -> Box<dyn Agent> {
        Box::new(Replay::default())
    }

    fn scripted(&self) -> bool {
        true
    }
}

#[async_trait]
impl Agent for Replay {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let next = match self.next {
            None => made(situation.messages, &situation.task.solution),
            Some(next) if was_refused_in_passing(situation.messages) => next.saturating_sub(1),
            Some(next) => next,
        };
        let mut turn = PolicyTurn::default();
        if let Some(call) = situation.task.solution.get(next) {
            turn.calls.push(message_call(call));
        }
        self.next = Some(next + 1);
        Ok(turn)
    }
}

/// A call of a solution as a policy makes it.
pub(super) fn message_call(call: &ToolCall) -> MessageCall {
    MessageCall { id: String::new(), name: call.name.clone(), arguments: call.arguments.to_string() }
}

/// How many calls of a solution were made already, in order, in a conversation that somebody else began.
pub(super) fn made(messages: &[Message], solution: &[ToolCall]) -> usize {
    let mut made = 0;
    for (index, message) in messages.iter().enumerate() {
        let Message::Assistant { calls, .. } = message else { continue };
        for call in calls {
            let Some(next) = solution.get(made) else { return made };
            let same =
                call.name == next.name && serde_json::from_str(&call.arguments).ok().as_ref() == Some(&next.arguments);
            let answered = messages[index..].iter().any(|m| {
                matches!(m, Message::Tool { call_id, content, .. } if *call_id == call.id && passing_code(content).is_none())
            });
            made += usize::from(same && answered);
        }
    }
    made
}

/// Whether the last call was refused for a reason that passes.
pub(super) fn was_refused_in_passing(messages: &[Message]) -> bool {
    let last = messages.iter().rev().find_map(|m| match m {
        Message::Tool { content, .. } => Some(content),
        _ => None,
    });
    last.is_some_and(|content| passing_code(content).is_some())
}

/// The code of an error that passes by itself.
pub(super) fn passing_code(content: &str) -> Option<&str> {
    let (code, _) = content.strip_prefix(r#"{"error":{"code":""#)?.split_once('"')?;
    PASSING.contains(&code).then_some(code)
}

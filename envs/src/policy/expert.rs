//! The expert: replays the reference solution, one call a turn. Its episodes show that the stored solution still earns its reward
//! through the very path that any other agent takes.

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::message::MessageCall;
use async_trait::async_trait;

/// The policy `expert`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expert;

struct Replay {
    next: usize,
}

impl Policy for Expert {
    fn label(&self) -> String {
        "expert".to_owned()
    }

    fn agent(&self, _seed: u64) -> Box<dyn Agent> {
        Box::new(Replay { next: 0 })
    }

    fn scripted(&self) -> bool {
        true
    }
}

#[async_trait]
impl Agent for Replay {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let mut turn = PolicyTurn::default();
        if let Some(call) = situation.task.solution.get(self.next) {
            self.next += 1;
            turn.calls.push(MessageCall {
                id: String::new(),
                name: call.name.clone(),
                arguments: call.arguments.to_string(),
            });
        }
        Ok(turn)
    }
}

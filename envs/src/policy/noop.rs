//! The idle one: says nothing and submits nothing. Every task must score 0 for it.

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use async_trait::async_trait;

/// The policy `noop`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

struct Silent;

impl Policy for Noop {
    fn label(&self) -> String {
        "noop".to_owned()
    }

    fn agent(&self, _seed: u64) -> Box<dyn Agent> {
        Box::new(Silent)
    }

    fn scripted(&self) -> bool {
        true
    }
}

#[async_trait]
impl Agent for Silent {
    async fn act(&mut self, _situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        Ok(PolicyTurn::default())
    }
}

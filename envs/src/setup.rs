//! Under which conditions an episode runs. They are stored with it, so that replay and re-scoring meet the same ones.

use crate::budget::Budget;
use crate::context::ContextPlan;
use crate::faults::FaultPlan;
use serde::{Deserialize, Serialize};

/// The conditions of an episode. What is at its default is left out of the JSON, so that a plain episode has `{}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// Limits.
    #[serde(skip_serializing_if = "is_default")]
    pub budget: Budget,
    /// What is done when the context window fills up.
    #[serde(skip_serializing_if = "is_default")]
    pub context: ContextPlan,
    /// Trouble that the host makes on purpose.
    #[serde(skip_serializing_if = "is_default")]
    pub faults: FaultPlan,
    /// Who the agent talks to.
    #[serde(skip_serializing_if = "is_default")]
    pub user: UserKind,
    /// The episode that this one branched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The attempts that this one was picked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Parallel>,
}

/// Who stands behind the user messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    /// Nobody: the prompt says everything, and a message without calls ends the episode.
    #[default]
    Silent,
    /// A script made from the task: it leaves details out until asked, and changes its mind once.
    Scripted,
    /// The same, with the words of a language model.
    Model,
}

/// Where an episode branched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Policy of the other episode (its task is the same).
    pub policy: String,
    /// Its sample.
    pub sample: u32,
    /// Its seed: faults and user go on as they were there.
    pub seed: u64,
    /// Steps that were taken over.
    pub steps: u32,
}

/// Several attempts at one sample, of which the one with the fewest steps was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallel {
    /// Steps of each attempt, in order; none for one that did not finish by itself.
    pub steps: Vec<Option<u32>>,
    /// The one that was kept, from 0.
    pub kept: u32,
}

impl Setup {
    /// The seed of what surrounds the agent (faults, the scripted user) in an episode with this seed.
    pub fn surroundings_seed(&self, episode_seed: u64) -> u64 {
        self.fork.as_ref().map_or(episode_seed, |fork| fork.seed)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_setup_is_an_empty_object_and_every_setup_comes_back() {
        assert_eq!(serde_json::to_string(&Setup::default()).expect("JSON"), "{}");
        let setup = Setup {
            budget: Budget { turns: 5, ..Budget::default() },
            context: ContextPlan { window: Some(4096), ..ContextPlan::default() },
            faults: FaultPlan { per_mille: 100, ..FaultPlan::default() },
            user: UserKind::Scripted,
            fork: Some(Fork { policy: "random".into(), sample: 2, seed: u64::MAX, steps: 3 }),
            parallel: Some(Parallel { steps: vec![Some(4), None], kept: 0 }),
        };
        let text = serde_json::to_string(&setup).expect("JSON");
        assert_eq!(serde_json::from_str::<Setup>(&text).expect("a setup"), setup);
        assert_eq!((setup.surroundings_seed(1), Setup::default().surroundings_seed(1)), (u64::MAX, 1));
    }
}

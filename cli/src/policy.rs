//! From `--policy NAME` to a policy.

use crate::Usage;
use crate::args::BudgetArgs;
use anyhow::Result;
use std::sync::Arc;
use terrarium_envs::policy::{ChatOptions, ChatPolicy, Expert, Noop, Random, SharedPolicy};

/// The variable that holds the key of an OpenAI-compatible endpoint.
pub const KEY_VARIABLE: &str = "TERRARIUM_API_KEY";

/// A policy that was typed, and how many of its episodes run at a time unless told otherwise.
pub struct Chosen {
    pub policy: SharedPolicy,
    pub concurrency: usize,
}

/// Reads a policy's name: `expert`, `noop`, `random`, `dsa[:DIR]`, `openai:URL#MODEL`.
pub fn choose(name: &str, seed: u64, budget: &BudgetArgs) -> Result<Chosen> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let scripted = |policy: SharedPolicy| Chosen { policy, concurrency: cores };
    Ok(match name.split_once(':').unwrap_or((name, "")) {
        ("expert", "") => scripted(Arc::new(Expert)),
        ("noop", "") => scripted(Arc::new(Noop)),
        ("random", "") => scripted(Arc::new(Random)),
        #[cfg(feature = "torch")]
        ("dsa", dir) => {
            let dir = (!dir.is_empty()).then(|| std::path::PathBuf::from(dir));
            let policy = crate::dsa::Dsa::open(dir.as_deref(), seed, budget)?;
            Chosen { policy: Arc::new(policy), concurrency: crate::dsa::CONVERSATIONS }
        }
        #[cfg(not(feature = "torch"))]
        ("dsa", _) => {
            let _ = (seed, budget);
            let message = "this binary was built without libtorch (--no-default-features): it has no policy `dsa`";
            return Err(Usage(message.to_owned()).into());
        }
        ("openai", _) => {
            let mut options = ChatOptions::parse(name).map_err(|error| Usage(error.to_string()))?;
            options.api_key = std::env::var(KEY_VARIABLE).ok();
            Chosen { policy: Arc::new(ChatPolicy::new(options)?), concurrency: 16 }
        }
        _ => {
            let known = "expert, noop, random, dsa, dsa:DIR, openai:URL#MODEL";
            return Err(Usage(format!("unknown policy `{name}`; one of {known}")).into());
        }
    })
}

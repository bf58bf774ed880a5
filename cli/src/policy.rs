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

/// A policy's name as typed, read but not opened: no model is loaded and no endpoint asked.
#[derive(Debug)]
pub enum Named {
    Expert,
    Noop,
    Random,
    #[cfg(feature = "torch")]
    Dsa(Option<std::path::PathBuf>),
    OpenAi(ChatOptions),
}

impl Named {
    /// Reads `expert`, `noop`, `random`, `dsa[:DIR]` or `openai:URL#MODEL`.
    pub fn parse(name: &str) -> Result<Self, Usage> {
        Ok(match name.split_once(':').unwrap_or((name, "")) {
            ("expert", "") => Named::Expert,
            ("noop", "") => Named::Noop,
            ("random", "") => Named::Random,
            #[cfg(feature = "torch")]
            ("dsa", dir) => Named::Dsa((!dir.is_empty()).then(|| dir.into())),
            #[cfg(not(feature = "torch"))]
            ("dsa", _) => {
                let message = "this binary was built without libtorch (--no-default-features): it has no policy `dsa`";
                return Err(Usage(message.to_owned()));
            }
            ("openai", _) => Named::OpenAi(ChatOptions::parse(name).map_err(|error| Usage(error.to_string()))?),
            _ => {
                let known = "expert, noop, random, dsa, dsa:DIR, openai:URL#MODEL";
                return Err(Usage(format!("unknown policy `{name}`; one of {known}")));
            }
        })
    }

    /// Makes it ready to run.
    ///
    /// # Errors
    /// A checkpoint that cannot be loaded, an HTTP client that cannot be made.
    #[cfg_attr(
        not(feature = "torch"),
        expect(unused_variables, reason = "only the embedded model has a seed and a budget")
    )]
    pub fn open(self, seed: u64, budget: &BudgetArgs) -> Result<Chosen> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let scripted = |policy: SharedPolicy| Chosen { policy, concurrency: cores };
        Ok(match self {
            Named::Expert => scripted(Arc::new(Expert)),
            Named::Noop => scripted(Arc::new(Noop)),
            Named::Random => scripted(Arc::new(Random)),
            #[cfg(feature = "torch")]
            Named::Dsa(dir) => {
                let policy = crate::dsa::Dsa::open(dir.as_deref(), seed, budget)?;
                Chosen { policy: Arc::new(policy), concurrency: crate::dsa::CONVERSATIONS }
            }
            Named::OpenAi(mut options) => {
                options.api_key = std::env::var(KEY_VARIABLE).ok();
                Chosen { policy: Arc::new(ChatPolicy::new(options)?), concurrency: 16 }
            }
        })
    }
}

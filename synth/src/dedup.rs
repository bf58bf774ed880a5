//! Near-duplicates. Environments count as the same when they offer the same tools of the same suite under the same policy parameters
//! with data of the same size and locales: names and random rows are no variety. Tasks count as the same when their prompts are equal.

use crate::vary::Recipe;
use std::collections::BTreeSet;
use terrarium_envs::environment::Environment;

/// What was admitted so far, as hashes.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    environments: BTreeSet<[u8; 16]>,
    prompts: BTreeSet<[u8; 16]>,
}

fn short(parts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

impl Admitted {
    /// Takes an environment up; false where a near-duplicate was there before.
    pub fn environment(&mut self, environment: &Environment, recipe: &Recipe) -> bool {
        let signature = environment.signature.join("\n");
        let parameters = serde_json::to_string(&recipe.parameters).unwrap_or_default();
        let data = format!("{} {}", recipe.data.size.name(), recipe.data.locales.join(" "));
        self.environments.insert(short(&[&signature, &parameters, &data]))
    }

    /// Takes a prompt up; false where it was there before.
    pub fn prompt(&mut self, prompt: &str) -> bool {
        self.prompts.insert(short(&[prompt]))
    }
}

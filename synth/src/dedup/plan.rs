//! Which draw of each candidate is made: drawn again until it is not too much like an earlier candidate. This is decided before anything is
//! compiled, candidate after candidate, so that it depends on no thread and no task is made for nothing.

use super::ENVIRONMENTS_ALIKE_MAX;
use super::pool::Pool;
use crate::library::ParsedSuite;
use crate::link;
use crate::vary::{Draw, recipe_of, signature, surface};
use std::sync::{Mutex, PoisonError};

/// Draws of a candidate before it is given up.
const DRAWS_MAX: u8 = 8;

/// The draws of all candidates so far; a byte and some 2 KB each.
#[derive(Debug, Default)]
pub struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pool: Pool,
    draws: Vec<Option<u8>>,
}

impl Plan {
    /// The draw of a candidate; `None` where every one was too much like an earlier candidate. Decides on all candidates before it first.
    pub fn draw(&self, suites: &[ParsedSuite], seed: u64, index: u64) -> Option<Draw> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.draws.len() as u64 <= index {
            let next = state.draws.len() as u64;
            let draw = (0..DRAWS_MAX).find(|attempt| {
                let draw = Draw { index: next, attempt: *attempt };
                let stock = link::stock(suites, seed, draw);
                let recipe = recipe_of(&stock, seed, draw);
                let surface = surface::build(&stock.parsed.suite, &recipe.surface, Vec::new());
                let signature = signature::of(&stock.parsed.suite, &recipe, &surface);
                let fresh = state.pool.nearest(&signature).is_none_or(|alike| alike <= ENVIRONMENTS_ALIKE_MAX);
                if fresh {
                    state.pool.add(&signature, Some(0));
                }
                fresh
            });
            state.draws.push(draw);
        }
        state.draws[index as usize].map(|attempt| Draw { index, attempt })
    }
}

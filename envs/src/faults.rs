//! Trouble made on purpose: what tools meet in real life, seeded, with the goal unchanged.
//!
//! Time-outs and rate limits refuse a call before it reaches the world; paging shows a long list a part at a time; a partial batch
//! carries out only the first calls of a message. An agent that reads what it gets and tries again loses nothing: at most
//! [`FaultPlan::in_a_row`] calls are refused one after another, and `submit` always gets through. What happens depends on the seed and
//! the calls alone, so that a replay meets the same trouble.

use crate::random::stream;
use crate::submit;
use crate::world::{CallRecord, Status};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The tool does not answer in time; nothing was done.
    Timeout,
    /// 429: too many calls; nothing was done.
    RateLimit,
    /// A list comes in parts: the same call again gives the next.
    Paging,
    /// Of several calls in one message only the first are carried out.
    PartialBatch,
}

impl Fault {
    /// All kinds in a fixed order.
    pub const ALL: [Fault; 4] = [Fault::Timeout, Fault::RateLimit, Fault::Paging, Fault::PartialBatch];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Timeout => "timeout",
            Fault::RateLimit => "rate_limit",
            Fault::Paging => "paging",
            Fault::PartialBatch => "partial_batch",
        }
    }

    /// The kind of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Fault::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// Error code of a call that was not made because the user has just said something.
pub const SPOKE: &str = "user_spoke";

/// Error codes after which the same call may simply be made again.
pub const PASSING: [&str; 4] = ["timeout", "rate_limited", "not_carried_out", SPOKE];

/// How much trouble, and of which kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultPlan {
    /// Calls in a thousand that meet trouble. Default 0.
    pub per_mille: u32,
    /// Which kinds; empty: all.
    pub kinds: Vec<Fault>,
    /// Most calls refused one after another. Default 2.
    pub in_a_row: u32,
    /// Items of a list shown at a time by paging. Default 5.
    pub page: usize,
}

impl Default for FaultPlan {
    fn default() -> Self {
        FaultPlan { per_mille: 0, kinds: Vec::new(), in_a_row: 2, page: 5 }
    }
}

/// The trouble of one episode.
pub struct Faults<'p> {
    plan: &'p FaultPlan,
    rng: ChaCha8Rng,
    refused: u32,
    /// Lists that come in parts, by tool and arguments: the part that is next.
    parts: BTreeMap<(String, String), usize>,
}

impl<'p> Faults<'p> {
    /// The trouble of an episode with this seed; none if the plan wants none.
    pub fn new(plan: &'p FaultPlan, seed: u64) -> Option<Self> {
        let wanted = plan.per_mille > 0;
        wanted.then(|| Faults { plan, rng: stream(seed, "faults"), refused: 0, parts: BTreeMap::new() })
    }

    /// How many calls of a message with `calls` of them are carried out.
    pub fn batch(&mut self, calls: usize) -> usize {
        if calls < 2 || !self.strikes(Fault::PartialBatch) {
            return calls;
        }
        self.rng.random_range(1..calls)
    }

    /// What a call gets that is not carried out because of [`Faults::batch`].
    pub fn not_carried_out(carried_out: usize, calls: usize) -> CallRecord {
        refusal(
            "not_carried_out",
            &format!("only the first {carried_out} of these {calls} calls were carried out; make this one again"),
        )
    }

    /// What a call gets instead of being made, if it meets trouble.
    pub fn before(&mut self, tool: &str) -> Option<CallRecord> {
        if tool == submit::NAME {
            return None;
        }
        let timeout = self.strikes(Fault::Timeout);
        let limited = self.strikes(Fault::RateLimit);
        if (!timeout && !limited) || self.refused >= self.plan.in_a_row {
            self.refused = 0;
            return None;
        }
        self.refused += 1;
        Some(if timeout {
            refusal("timeout", &format!("`{tool}` did not answer in time; nothing was changed. Call it again."))
        } else {
            refusal("rate_limited", &format!("too many calls just now; `{tool}` did nothing. Call it again."))
        })
    }

    /// What the agent sees of a result.
    pub fn after(&mut self, tool: &str, arguments: &str, record: CallRecord) -> CallRecord {
        if !record.is_ok() {
            return record;
        }
        let strikes = self.strikes(Fault::Paging);
        let key = (tool.to_owned(), arguments.to_owned());
        let part = match self.parts.get(&key) {
            Some(part) => *part,
            None if strikes => 0,
            None => return record,
        };
        let Some((result, more)) = cut(&record.value(), tool, self.plan.page.max(1), part) else { return record };
        self.parts.insert(key, if more { part + 1 } else { 0 });
        CallRecord { result, ..record }
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        // Drawn whether the kind is wanted or not: the others strike at the same calls with and without it.
        let hit = self.rng.random_range(0..1000) < self.plan.per_mille;
        hit && (self.plan.kinds.is_empty() || self.plan.kinds.contains(&fault))
    }
}

fn refusal(code: &str, message: &str) -> CallRecord {
    CallRecord::refused(Status::ToolError(code.to_owned()), message)
}

/// Part `part` of a list, or of the `items` of an object, and whether more follow; none if it is no list or short enough.
fn cut(value: &Value, tool: &str, page: usize, part: usize) -> Option<(String, bool)> {
    let items = value.as_array().or_else(|| value.get("items")?.as_array())?;
    if items.len() <= page {
        return None;
    }
    let parts = items.len().div_ceil(page);
    let part = part.min(parts - 1);
    let shown: Vec<Value> = items.iter().skip(part * page).take(page).cloned().collect();
    let more = part + 1 < parts;
    let note = if more {
        format!("part {} of {parts}; call `{tool}` with the same arguments again for the next", part + 1)
    } else {
        format!("part {} of {parts}, the last", part + 1)
    };
    let mut result = match value {
        Value::Object(fields) => Value::Object(fields.clone()),
        _ => json!({}),
    };
    result["items"] = Value::Array(shown);
    result["part"] = Value::from(note);
    Some((result.to_string(), more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(value: Value) -> CallRecord {
        CallRecord { result: value.to_string(), status: Status::Ok, fuel: 7 }
    }

    fn plan(kinds: &[Fault]) -> FaultPlan {
        FaultPlan { per_mille: 1000, kinds: kinds.to_vec(), ..FaultPlan::default() }
    }

    #[test]
    fn calls_get_through_after_a_few_refusals() {
        let plan = plan(&[Fault::Timeout]);
        let mut faults = Faults::new(&plan, 1).expect("trouble");
        let refused: Vec<bool> = (0..6).map(|_| faults.before("look").is_some()).collect();
        assert_eq!(refused, [true, true, false, true, true, false]);
        assert!(faults.before(submit::NAME).is_none());
        assert!(Faults::new(&FaultPlan::default(), 1).is_none());
    }

    #[test]
    fn a_list_comes_in_parts_and_loses_nothing() {
        let plan = plan(&[Fault::Paging]);
        let mut faults = Faults::new(&plan, 1).expect("trouble");
        for whole in [json!((0..12).collect::<Vec<_>>()), json!({"items": (0..12).collect::<Vec<_>>(), "more": false})]
        {
            let arguments = whole.to_string();
            let mut seen = Vec::new();
            for _ in 0..3 {
                let value = faults.after("list", &arguments, ok(whole.clone())).value();
                seen.extend(value["items"].as_array().expect("items").iter().filter_map(Value::as_i64));
                assert!(value["part"].as_str().is_some_and(|p| p.contains("of 3")), "{value}");
            }
            assert_eq!(seen, (0..12).collect::<Vec<_>>());
        }
        assert_eq!(faults.after("list", "{}", ok(json!([1, 2]))).result, "[1,2]");
        assert_eq!(faults.after("get", "{}", ok(json!({"id": 1}))).result, r#"{"id":1}"#);
    }

    #[test]
    fn trouble_repeats_with_its_seed_and_kinds_do_not_disturb_each_other() {
        let run = |kinds: &[Fault], seed| {
            let plan = FaultPlan { per_mille: 300, kinds: kinds.to_vec(), in_a_row: 100, ..FaultPlan::default() };
            let mut faults = Faults::new(&plan, seed).expect("trouble");
            let codes = (0..50).map(|_| faults.before("x").map(|r| r.status.name().to_owned()));
            codes.collect::<Vec<_>>()
        };
        assert_eq!(run(&[], 1), run(&[], 1));
        assert_ne!(run(&[], 1), run(&[], 2));
        let timeouts =
            |codes: Vec<Option<String>>| codes.into_iter().map(|c| c.as_deref() == Some("timeout")).collect::<Vec<_>>();
        assert_eq!(timeouts(run(&[], 1)), timeouts(run(&[Fault::Timeout], 1)));
    }

    #[test]
    fn a_batch_is_cut_and_says_so() {
        let plan = plan(&[Fault::PartialBatch]);
        let mut faults = Faults::new(&plan, 3).expect("trouble");
        for calls in [0, 1] {
            assert_eq!(faults.batch(calls), calls);
        }
        for calls in 2..9 {
            let carried_out = faults.batch(calls);
            assert!(carried_out >= 1 && carried_out < calls);
        }
        let told = Faults::not_carried_out(2, 5).result;
        assert!(told.contains("first 2 of these 5"), "{told}");
    }
}

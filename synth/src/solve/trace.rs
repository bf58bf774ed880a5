//! The calls of a solution and what each of them used: provenance, dependency depth and minimality follow from it.

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::certificate::Provenance;
use terrarium_envs::task::ToolCall;
use terrarium_tools::value::Value;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The prompt states it.
    Prompt,
    /// The result of the call of this index (from 0).
    Call(usize),
    /// Computed from results of these calls, by what the prompt asks for.
    Computed(String, BTreeSet<usize>),
    /// The tool's convention: page 1, page 2, ...
    Convention,
}

impl Origin {
    /// The calls it rests on.
    pub fn calls(&self) -> BTreeSet<usize> {
        match self {
            Origin::Call(call) => BTreeSet::from([*call]),
            Origin::Computed(_, calls) => calls.clone(),
            Origin::Prompt | Origin::Convention => BTreeSet::new(),
        }
    }

    /// In words, calls counted from 1 as a reader of the solution counts them.
    pub fn text(&self) -> String {
        match self {
            Origin::Prompt => "prompt".to_owned(),
            Origin::Call(call) => format!("result of call {}", call + 1),
            Origin::Computed(how, calls) if calls.is_empty() => format!("computed: {how}"),
            Origin::Computed(how, calls) => {
                let calls: Vec<String> = calls.iter().map(|c| (c + 1).to_string()).collect();
                format!("computed: {how} from results of calls {}", calls.join(", "))
            }
            Origin::Convention => "tool default".to_owned(),
        }
    }
}

/// One call of a solution.
#[derive(Clone, Debug)]
pub struct Traced {
    /// As it was made.
    pub call: ToolCall,
    /// Index in `Suite::tools`.
    pub tool: usize,
    /// Whether it writes.
    pub writes: bool,
    /// The page of a listing after its first: does not add to the depth.
    pub next_page: bool,
    /// Arguments by the suite's parameter index: value and origin.
    pub arguments: Vec<(usize, Value, Origin)>,
    /// Calls whose results decided that, or with what, this call was made.
    pub rests_on: BTreeSet<usize>,
    /// The key of the row it created, and its parameter places that take keys of rows created by earlier calls: (shown name, call).
    pub created: Option<Value>,
    /// Arguments that are keys of rows created in the solution: (shown parameter name, index of the creating call).
    pub links: Vec<(String, usize)>,
    /// Step of the goal a write belongs to.
    pub step: usize,
}

/// The calls so far.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In order.
    pub calls: Vec<Traced>,
}

impl Trace {
    /// The longest chain of calls in which each needs the result of the one before. Pages of one listing count once.
    pub fn depth(&self) -> u32 {
        let mut depths: Vec<u32> = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let below = call.rests_on.iter().filter_map(|c| depths.get(*c)).copied().max().unwrap_or(0);
            depths.push(if call.next_page { below.max(1) } else { below + 1 });
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// Calls that nothing rests on: neither a later call, nor the answer (`used`), nor a write.
    pub fn idle(&self, used: &BTreeSet<usize>) -> Vec<usize> {
        let mut needed: BTreeSet<usize> = used.clone();
        for (index, call) in self.calls.iter().enumerate().rev() {
            if call.writes || needed.contains(&index) {
                needed.insert(index);
                needed.extend(&call.rests_on);
            }
        }
        (0..self.calls.len()).filter(|c| !needed.contains(c)).collect()
    }

    /// Keeps these calls and those they rest on; gives each old position its new one.
    pub fn keep(&mut self, used: &BTreeSet<usize>) -> BTreeMap<usize, usize> {
        let mut needed = used.clone();
        for (index, call) in self.calls.iter().enumerate().rev() {
            if needed.contains(&index) {
                needed.extend(&call.rests_on);
            }
        }
        let places: BTreeMap<usize, usize> = needed.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let moved = |calls: &BTreeSet<usize>| calls.iter().filter_map(|c| places.get(c).copied()).collect();
        let mut index = 0;
        self.calls.retain(|_| {
            index += 1;
            needed.contains(&(index - 1))
        });
        for call in &mut self.calls {
            call.rests_on = moved(&call.rests_on);
            for (_, _, origin) in &mut call.arguments {
                match origin {
                    Origin::Call(from) => *from = places.get(from).copied().unwrap_or(*from),
                    Origin::Computed(_, from) => *from = moved(from),
                    Origin::Prompt | Origin::Convention => {}
                }
            }
        }
        places
    }

    /// Where every argument comes from.
    pub fn provenance(
        &self,
        shown: &dyn Fn(&Traced, usize) -> String,
        json: &dyn Fn(&Traced, usize, &Value) -> Json,
    ) -> Vec<Provenance> {
        let mut all = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            for (parameter, value, origin) in &call.arguments {
                all.push(Provenance {
                    value: json(call, *parameter, value).to_string(),
                    used_in: format!("call {} {}", index + 1, shown(call, *parameter)),
                    from: origin.text(),
                });
            }
        }
        all
    }
}

//! The fixed mutators of a certificate (DESIGN section 6). Each makes small faults in the reference solution or its answer and runs
//! them; a mutant that scores otherwise than it must rejects the task, unless the rows prove that it does the same.

pub mod act;
pub mod ask;
pub mod long;
pub mod plan;
pub mod policy;

use crate::solve::trace::Trace;
use crate::tasks::act::Spare;
use crate::tasks::expected::Stage;
use crate::tasks::reject::{Reject, Verdict};
use serde_json::{Map, Value as Json};
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_envs::runner::Runner;
use terrarium_envs::task::ToolCall;
use terrarium_envs::verifier::Verifier;
use terrarium_tools::Suite;
use terrarium_tools::surface::Surface;
use terrarium_tools::value::{Value, to_json};

/// What mutators need.
pub struct Bench<'a> {
    /// The world by rows.
    pub stage: Stage<'a>,
    /// Names shown.
    pub surface: &'a Surface,
    /// The world by tools.
    pub runner: &'a mut Runner,
    /// The verifier under test.
    pub verifier: &'a Verifier,
    /// Writes that succeed at the beginning and that nobody asks for.
    pub spares: &'a [Spare],
    /// What the reference solution submits, if anything.
    pub submitted: Option<Json>,
    /// Writes that are made before an answer is tried: those of the reference solution.
    pub prelude: Vec<ToolCall>,
    /// Where the answer under test stands among several.
    pub place: Option<(Vec<Json>, usize)>,
}

impl Bench<'_> {
    /// The world as it is when the answer is given.
    ///
    /// # Errors
    /// `fault` when our own side fails.
    pub fn begin(&mut self) -> Verdict<()> {
        let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
        self.runner.reset().map_err(fault)?;
        for call in &self.prelude {
            self.runner.call(call).map_err(fault)?;
        }
        Ok(())
    }

    /// An answer among the others.
    fn framed(&self, answer: &Json) -> Json {
        match &self.place {
            None => answer.clone(),
            Some((all, at)) => {
                let mut all = all.clone();
                all[*at] = answer.clone();
                Json::Array(all)
            }
        }
    }
}

/// Adds up the runs of the parts of a task, by mutator.
pub fn merge(all: &mut Vec<MutantRuns>, more: Vec<MutantRuns>) {
    for runs in more {
        match all.iter_mut().find(|a| a.mutator == runs.mutator) {
            None => all.push(runs),
            Some(sum) => {
                sum.runs += runs.runs;
                sum.as_expected += runs.as_expected;
                sum.equivalent += runs.equivalent;
                if sum.runs > 0 {
                    sum.not_applicable = None;
                }
            }
        }
    }
}

/// The runs of one mutator, as they are made.
pub struct Tally {
    runs: MutantRuns,
}

impl Tally {
    /// None yet.
    pub fn new(mutator: Mutator) -> Self {
        Tally { runs: MutantRuns { mutator, runs: 0, as_expected: 0, equivalent: 0, not_applicable: None } }
    }

    /// Counts a run.
    ///
    /// # Errors
    /// `mutant_survived:<mutator>` when the reward is not what the mutator must get.
    pub fn count(&mut self, reward: f64, detail: &dyn Fn() -> String) -> Verdict<()> {
        self.runs.runs += 1;
        if (reward - self.runs.mutator.expected()).abs() < f64::EPSILON {
            self.runs.as_expected += 1;
            return Ok(());
        }
        Err(Reject::new(format!("mutant_survived:{}", name(self.runs.mutator)), detail()))
    }

    /// Counts a mutant that the rows prove to do the same.
    pub fn equivalent(&mut self) {
        self.runs.equivalent += 1;
    }

    /// Whether the mutant scores as a correct solution although it must not.
    pub fn survives(&self, reward: f64) -> bool {
        reward > 0.5 && self.runs.mutator.expected() < 0.5
    }

    /// The runs; with a reason why there were none, if there were none.
    pub fn done(mut self, why_none: &str) -> MutantRuns {
        if self.runs.runs == 0 {
            self.runs.not_applicable = Some(why_none.to_owned());
        }
        self.runs
    }
}

/// Stable name of a mutator: its serde form.
pub fn name(mutator: Mutator) -> String {
    match serde_json::to_value(mutator) {
        Ok(Json::String(name)) => name,
        _ => format!("{mutator:?}"),
    }
}

/// A call under the names shown.
pub fn shown_call(suite: &Suite, surface: &Surface, tool: usize, arguments: &[(usize, Value)]) -> Option<ToolCall> {
    let shown = surface.tools.iter().find(|t| t.tool == tool)?;
    let function = &suite.functions[suite.tools[tool].function];
    let mut object = Map::new();
    for (parameter, name, _) in &shown.parameters {
        if let Some((_, value)) = arguments.iter().find(|(p, _)| p == parameter) {
            object.insert(name.clone(), to_json(suite, &function.parameters[*parameter].ty, value));
        }
    }
    Some(ToolCall { name: shown.name.clone(), arguments: Json::Object(object) })
}

/// Writes alone, in a fresh world, then a submission: the reward under a verifier, and how many writes were accepted.
fn outcome(
    bench: &mut Bench<'_>,
    verifier: &Verifier,
    calls: &[(usize, Vec<(usize, Value)>)],
    submitted: Option<&Json>,
) -> Verdict<(f64, usize)> {
    let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
    bench.runner.reset().map_err(fault)?;
    let mut accepted = 0;
    for (tool, arguments) in calls {
        let Some(call) = shown_call(bench.stage.suite, bench.surface, *tool, arguments) else { continue };
        accepted += usize::from(bench.runner.call(&call).map_err(fault)?.is_ok());
    }
    let score = bench.runner.score(verifier, submitted).map_err(fault)?;
    Ok((score.reward, accepted))
}

/// A write of the reference solution, free of the reads before it.
#[derive(Clone, Debug)]
pub struct Write {
    /// Index among the writes of the reference solution.
    pub origin: usize,
    /// Step of the goal it belongs to.
    pub step: usize,
    /// Index in `Suite::tools`.
    pub tool: usize,
    /// Arguments by parameter.
    pub arguments: Vec<(usize, Value)>,
    /// Parameters that take the key created by another write: (parameter, index among the writes).
    pub links: Vec<(usize, usize)>,
}

/// The writes of a solution.
pub fn writes(suite: &Suite, surface: &Surface, trace: &Trace) -> Vec<Write> {
    let positions: Vec<usize> = (0..trace.calls.len()).filter(|i| trace.calls[*i].writes).collect();
    let parameter_of = |tool: usize, shown: &str| {
        let tool = surface.tools.iter().find(|t| t.tool == tool)?;
        tool.parameters.iter().find(|(_, name, _)| name == shown).map(|(p, _, _)| *p)
    };
    positions
        .iter()
        .enumerate()
        .map(|(origin, position)| {
            let call = &trace.calls[*position];
            let links = call
                .links
                .iter()
                .filter_map(|(shown, creator)| {
                    Some((parameter_of(call.tool, shown)?, positions.iter().position(|p| p == creator)?))
                })
                .collect();
            debug_assert!(suite.tools[call.tool].writes);
            let arguments = call.arguments.iter().map(|(p, v, _)| (*p, v.clone())).collect();
            Write { origin, step: call.step, tool: call.tool, arguments, links }
        })
        .collect()
}

//! The certificate of a task: every run that was made to trust its reward (DESIGN section 6).

use serde::{Deserialize, Serialize};

/// What a mutator does to the reference solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutator {
    /// One write left out. Must score 0.
    DropWrite,
    /// One entity replaced by a near miss. Must score 0.
    SwapEntity,
    /// One value changed. Must score 0.
    PerturbValue,
    /// One more write than asked. Must score 0.
    ExtraWrite,
    /// Independent writes in another order. Must score 1.
    ReorderWrites,
    /// The answer of a neighbouring row. Must score 0.
    NeighbourAnswer,
    /// The answer under a filter that is off by one condition. Must score 0.
    OffByOneFilter,
    /// All candidate answers at once. Must score 0.
    ListAllCandidates,
    /// The most common answer of such questions. Must score 0.
    CommonAnswer,
    /// The right answer after a write nobody asked for. Must score 0.
    AnswerExtraWrite,
    /// The right answer spelled otherwise. Must score 1.
    EquivalentSpelling,
    /// What the policy forbids done all the same. Must score 0.
    ForbiddenAct,
    /// Refusing, or turning to the alternative, where nothing forbids what is asked. Must score 0.
    RefuseAllowed,
    /// A justified refusal under another rule. Must score 0.
    WrongRule,
    /// A justified refusal with other evidence. Must score 0.
    WrongEvidence,
    /// What the policy leaves: the alternative, or the refusal with its evidence in another spelling. Must score 1.
    PermittedAlternative,
    /// The parts of a long task in another order. Must score 1.
    ReorderParts,
    /// All answers but one, or two of them swapped. Must score 0.
    MissingAnswer,
    /// A plan that breaks one constraint and no other. Must score 0.
    BreakConstraint,
    /// A random plan. Must score 0; less than one in a hundred may happen to be right, and counts as equivalent.
    RandomPlan,
    /// A plan that is no list of as many different rows as are asked for. Must score 0.
    MalformedPlan,
    /// Another right plan. Must score 1.
    OtherPlan,
}

impl Mutator {
    /// The score this mutant must get.
    pub fn expected(self) -> f64 {
        match self {
            Mutator::ReorderWrites
            | Mutator::EquivalentSpelling
            | Mutator::PermittedAlternative
            | Mutator::ReorderParts
            | Mutator::OtherPlan => 1.0,
            _ => 0.0,
        }
    }
}

/// The runs of one mutator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MutantRuns {
    /// The mutator.
    pub mutator: Mutator,
    /// Mutants run.
    pub runs: u32,
    /// Mutants that scored as they must.
    pub as_expected: u32,
    /// Mutants left out because they were proven to do the same as the reference solution.
    pub equivalent: u32,
    /// Why there was none, if there was none.
    pub not_applicable: Option<String>,
}

/// Where a tested value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The value, as JSON text.
    pub value: String,
    /// Where it is used: `call 3 member_id`, `answer`, `loan.due`.
    pub used_in: String,
    /// Where it comes from: `prompt`, `result of call 1`, `computed: sum of ...`, `tool default`.
    pub from: String,
}

/// The certificate of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Score of the reference solution: 1.
    pub reference: f64,
    /// Score of doing nothing (and, for questions, of submitting nothing): 0.
    pub noop: f64,
    /// Runs per mutator.
    pub mutants: Vec<MutantRuns>,
    /// One entry a tested value.
    pub provenance: Vec<Provenance>,
}

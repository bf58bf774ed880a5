//! One environment candidate with its tasks: pure, from the options' seed and its index alone.

use crate::certify::{Workshop, goal_json, hides_answer};
use crate::error::Result;
use crate::library::ParsedSuite;
use crate::link;
use crate::pipeline::Options;
use crate::report::Rejections;
use crate::say::phrase::Speaker;
use crate::say::prompts::Prompts;
use crate::seed::Dice;
use crate::tasks::ask::AskWriter;
use crate::tasks::choice::ChoiceWriter;
use crate::tasks::goal::{Goal, Query, Step};
use crate::tasks::long::LongWriter;
use crate::tasks::policy::PolicyWriter;
use crate::tasks::reject::{Reject, Verdict, reject};
use crate::tasks::repair::RepairWriter;
use crate::vary::{self, Draw, make, recipe_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::sandbox::Sandbox;
use terrarium_envs::task::{Kind, Task, task_id};
use terrarium_envs::verifier::Answer;

/// Questions whose answer is the number n are kept in so many times n of a hundred cases: small counts are by far the most frequent,
/// and would make a good guess.
const NUMBER_PERCENT: i64 = 1;
/// Draws for each task wanted before the environment is given up.
const DRAWS_PER_TASK: usize = 40;
/// Calls that a long task takes at least.
const LONG_CALLS_MIN: usize = 20;
/// Tasks of a linked environment that are to cross its suites, in percent.
const CROSSING_PERCENT: usize = 65;
/// Depth that half of the tasks are to reach.
const DEPTH_WANTED: u32 = 4;
/// Tasks that may be less deep, in percent.
const SHALLOW_PERCENT: usize = 42;
/// Draws of a kind that fail before it stands aside for one task of another kind.
const FAILED_DRAWS_PER_TASK: usize = 12;
/// Sum of the weights of all kinds.
const WEIGHTS_IN_ALL: usize = 30;

/// Share of a kind among tasks of all kinds, in parts of [`WEIGHTS_IN_ALL`]. Repairs and long goals cost most to make and to try.
fn weight(kind: Kind) -> usize {
    match kind {
        Kind::Act => 6,
        Kind::Ask => 9,
        Kind::Policy => 6,
        Kind::Plan => 4,
        Kind::Repair => 3,
        Kind::LongHorizon => 2,
    }
}

/// Goals of one shape in a row that take too many calls before the shape is given up in an environment: most of those to come would, too.
const TOO_LONG_MAX: usize = 2;

/// Highest level of difficulty that goals are drawn at.
const LEVEL_MAX: usize = 4;
/// Every so many worlds of a training suite, one is for validation.
const VALIDATION_EVERY: u64 = 10;

/// What became of a candidate.
pub struct Candidate {
    /// Its index.
    pub index: u64,
    /// The suites it was made from: one, or those that are linked.
    pub suites: Vec<String>,
    /// The environment and its tasks, if there are enough of them.
    pub made: Option<(Arc<Environment>, Vec<Task>)>,
    /// By the ids of tasks: which of the suites their solutions use.
    pub uses: BTreeMap<String, BTreeSet<usize>>,
    /// Goals drawn.
    pub drawn: u64,
    /// Those that became tasks.
    pub certified: u64,
    /// What was turned down on the way.
    pub rejected: Rejections,
}

impl Candidate {
    /// One that was given up before it was made.
    pub fn given_up(index: u64, reason: &'static str, detail: &str) -> Self {
        let mut rejected = Rejections::default();
        rejected.add(&Reject::new(reason, detail));
        Candidate { index, suites: Vec::new(), made: None, uses: BTreeMap::new(), drawn: 0, certified: 0, rejected }
    }
}

/// The split of a candidate from a suite of `split`. Suites come in turn, and each has its turn of validation, in another round than its
/// neighbours.
pub fn split(split: Split, suites: u64, index: u64) -> Split {
    let turn = index / suites + index % suites;
    if split == Split::Train && turn % VALIDATION_EVERY == VALIDATION_EVERY - 1 { Split::Validation } else { split }
}

/// The candidate of a draw.
///
/// # Errors
/// When a world does not compile or does not run: faults, not rejections.
pub fn candidate(
    options: &Options,
    suites: &[ParsedSuite],
    prompts: &Prompts,
    sandbox: &Sandbox,
    draw: Draw,
) -> Result<Candidate> {
    let index = draw.index;
    let stock = link::stock(suites, options.seed, draw);
    let parsed = &stock.parsed;
    let recipe = recipe_of(&stock, options.seed, draw);
    let split = split(parsed.split, suites.len() as u64, index);
    let made = make(&parsed.suite, recipe)?;
    let environment = Arc::new(vary::environment(&parsed.suite, &made, split, index)?);
    let wanted = options.tasks_per_environment();
    let mut rejected = Rejections::default();
    let mut tasks: Vec<Task> = Vec::with_capacity(wanted);
    let mut seen = Seen::default();
    let mut failed: BTreeMap<Kind, usize> = BTreeMap::new();
    let linked = !stock.parts.is_empty();
    let mut drawn = 0;
    if wanted > 0 {
        let mut workshop = Workshop::new(&parsed.suite, &made, &environment, sandbox)?;
        let speaker = Speaker { suite: &parsed.suite };
        for attempt in 0..wanted * DRAWS_PER_TASK {
            if tasks.len() == wanted {
                break;
            }
            let mut dice = Dice::new(options.seed, &format!("task/{index}/{attempt}"));
            // The kind that is behind; ties in the order asked for. Draws that fail count a little, so that a kind for which an
            // environment offers nothing does not hold up the others.
            let behind = |k: &Kind| {
                let made = tasks.iter().filter(|t| t.kind == *k).count();
                (made * FAILED_DRAWS_PER_TASK + failed.get(k).copied().unwrap_or(0)) * WEIGHTS_IN_ALL / weight(*k)
            };
            let Some(kind) = options.kinds.iter().min_by_key(|k| behind(k)).copied() else { break };
            // A plan chooses from one table, and most claims are about one suite's records.
            let may_cross = linked && !matches!(kind, Kind::Plan | Kind::Repair);
            workshop.cross = may_cross && seen.crossing * 100 < tasks.len() * CROSSING_PERCENT + 1;
            drawn += 1;
            let made = task(
                options,
                &mut workshop,
                &speaker,
                prompts,
                &environment,
                kind,
                &mut seen,
                (tasks.len(), wanted),
                &mut dice,
            );
            match made {
                Ok(task) => tasks.push(task),
                Err(reason) => {
                    *failed.entry(kind).or_default() += 1;
                    rejected.add(&reason);
                }
            }
        }
    }
    let suites = match stock.parts.as_slice() {
        [] => vec![parsed.suite.name.clone()],
        parts => parts.iter().map(|p| p.suite.clone()).collect(),
    };
    let certified = tasks.len() as u64;
    let made = (tasks.len() == wanted).then_some((environment, tasks));
    Ok(Candidate { index, suites, made, uses: seen.uses, drawn, certified, rejected })
}

/// What the tasks of one environment have used up.
#[derive(Default)]
struct Seen {
    prompts: BTreeSet<String>,
    shapes: BTreeMap<String, usize>,
    /// By the ids of tasks: which of linked suites their solutions use.
    uses: BTreeMap<String, BTreeSet<usize>>,
    /// Shapes whose last goals took too many calls, and how many in a row.
    too_long: BTreeMap<String, usize>,
    /// Tasks that cross linked suites.
    crossing: usize,
    /// Tasks whose solutions are shallow.
    shallow: usize,
    /// How much harder goals of a kind are drawn than by default.
    levels: BTreeMap<Kind, usize>,
}

/// A goal of a kind. The level, from 0, asks for harder ones: more steps, parts, claims or demands.
///
/// # Errors
/// Why this draw fits nothing.
pub fn draw(workshop: &Workshop<'_>, kind: Kind, level: usize, dice: &mut Dice) -> Verdict<Goal> {
    let level = level.min(LEVEL_MAX);
    match kind {
        Kind::Act => workshop.act_writer().draw(level, dice),
        Kind::Ask => AskWriter { describer: workshop.describer() }.draw(level, dice),
        Kind::Plan => ChoiceWriter { describer: workshop.describer() }.draw(level, dice),
        Kind::Policy => PolicyWriter { act: workshop.act_writer() }.draw(dice),
        Kind::Repair => RepairWriter { act: workshop.act_writer() }.draw(level, dice),
        Kind::LongHorizon => LongWriter { stage: workshop.stage(), act: workshop.act_writer() }.draw(level, dice),
    }
}

fn task(
    options: &Options,
    workshop: &mut Workshop<'_>,
    speaker: &Speaker<'_>,
    prompts: &Prompts,
    environment: &Environment,
    kind: Kind,
    seen: &mut Seen,
    (made, wanted): (usize, usize),
    dice: &mut Dice,
) -> Verdict<Task> {
    // Cheapest first: draw, shape, rows, words; then tools and mutants.
    let level = seen.levels.get(&kind).copied().unwrap_or(0);
    let goal = draw(workshop, kind, level, dice)?;
    if workshop.cross && workshop.parts_needed(&goal) < 2 {
        return reject("not_crossing", "");
    }
    let shape = shape(&goal);
    if seen.shapes.get(&shape).copied().unwrap_or(0) > wanted / 5 + 1 {
        return reject("same_shape", shape);
    }
    let verifier = workshop.verifier(&goal)?;
    if let (Kind::Ask, Some(Answer::Integer(n))) = (kind, &verifier.answer)
        && !dice.percent(u32::try_from(n.saturating_mul(NUMBER_PERCENT).clamp(0, 100)).unwrap_or(100))
    {
        return reject("common_number", n.to_string());
    }
    let prompt = prompts.say(speaker, &goal, verifier.answer.as_ref(), dice)?;
    if seen.prompts.contains(&prompt) {
        return reject("same_prompt", prompt);
    }
    hides_answer(&prompt, verifier.answer.as_ref())?;
    if seen.too_long.get(&shape).is_some_and(|n| *n >= TOO_LONG_MAX) {
        return reject("too_long", "as others of its shape");
    }
    let solution = match workshop.solve(&goal) {
        Ok(solution) => {
            seen.too_long.remove(&shape);
            solution
        }
        Err(reason) => {
            if reason.reason == "too_long" {
                *seen.too_long.entry(shape).or_default() += 1;
            }
            return Err(reason);
        }
    };
    let used = workshop.parts_used(&solution);
    let crossing = used.len() > 1;
    if workshop.cross && !crossing {
        return reject("not_crossing", "");
    }
    let calls = solution.trace.calls.len() + 1;
    if kind == Kind::LongHorizon && calls < LONG_CALLS_MIN {
        return reject("too_short", calls.to_string());
    }
    let shallow = solution.trace.depth() + 1 < DEPTH_WANTED;
    if shallow && kind != Kind::Plan && seen.shallow * 100 > made * SHALLOW_PERCENT {
        return reject("too_shallow", solution.trace.depth().to_string());
    }
    let certified = workshop.check(&goal, &prompt, &verifier, &solution)?;
    if let Some((least, most)) = options.difficulty {
        let score = certified.difficulty.score;
        // Too easy: the next draw of this kind asks for more; too hard: for less.
        let level = seen.levels.entry(kind).or_default();
        if score < least {
            *level = (*level + 1).min(LEVEL_MAX);
        } else if score > most {
            *level = level.saturating_sub(1);
        }
        if !(least..=most).contains(&score) {
            return reject(if score < least { "too_easy" } else { "too_hard" }, score.to_string());
        }
    }
    let fault = |e: &dyn std::fmt::Display| crate::tasks::reject::Reject::new("fault", e.to_string());
    let goal = goal_json(&goal).map_err(|e| fault(&e))?;
    let id = task_id(&environment.id, &prompt, &goal, &certified.verifier).map_err(|e| fault(&e))?;
    seen.uses.insert(id.clone(), used);
    seen.crossing += usize::from(crossing);
    seen.shallow += usize::from(shallow);
    *seen.shapes.entry(shape).or_default() += 1;
    seen.prompts.insert(prompt.clone());
    Ok(Task {
        id,
        environment_id: environment.id.clone(),
        split: environment.split,
        kind,
        prompt,
        goal,
        verifier: certified.verifier,
        solution: certified.solution,
        certificate: certified.certificate,
        difficulty: certified.difficulty,
    })
}

/// What kind of goal it is, apart from the rows: tools and forms.
fn shape(goal: &Goal) -> String {
    match goal {
        Goal::Act(steps) | Goal::Repair(steps) => {
            let steps: Vec<String> = steps
                .iter()
                .map(|step| match step {
                    Step::Call(call) => call.tool.clone(),
                    Step::Each { call, .. } => format!("each {}", call.tool),
                    Step::If { then, otherwise, .. } => format!("if {} else {}", then.tool, otherwise.tool),
                })
                .collect();
            steps.join(", ")
        }
        Goal::Ask(query) => match query {
            Query::Lookup { of, path, column } => format!("lookup {} {} {column}", of.table, path.join(" ")),
            Query::Count(of) => format!("count {}", of.table),
            Query::Sum { of, column } => format!("sum {} {column}", of.table),
            Query::Extreme { of, extremum } => format!("extreme {} {}", of.table, extremum.column),
            Query::Names { of, .. } => format!("names {}", of.table),
            Query::MostReferred { of, by, .. } => format!("most {} {by}", of.table),
            Query::Apart { left, column, .. } => format!("apart {} {column}", left.table),
        },
        Goal::Plan(choice) => format!("choose {} {}", choice.slots, choice.table),
        Goal::Long(parts) => parts.iter().map(shape).collect::<Vec<_>>().join("; "),
        Goal::Policy(case) => {
            let instead = case.otherwise.as_ref().map_or("refuse", |c| c.tool.as_str());
            format!("policy {} {} or {instead}", case.request.tool, case.need)
        }
    }
}

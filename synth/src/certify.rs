//! Certificates: a goal is carried out by rows and by tools; both must agree, the reference solution must be minimal, every value must
//! come from somewhere, and every mutant must score as DESIGN section 6 says.

use crate::difficulty;
use crate::error::{Error, Result};
use crate::library;
use crate::link;
use crate::mutate::{self, Bench};
use crate::say::values;
use crate::seed::Dice;
use crate::solve::trace::{Origin, Traced};
use crate::solve::{Solution, solve};
use crate::tasks::across::Link;
use crate::tasks::act::{ActWriter, Spare};
use crate::tasks::describe::Describer;
use crate::tasks::draft::Tried;
use crate::tasks::expected::{Stage, verifier};
use crate::tasks::goal::{Choice, Goal};
use crate::tasks::reach::Reach;
use crate::tasks::reject::{Reject, Verdict, reject};
use crate::tasks::rows::Rows;
use crate::vary::words::{LOCALES, Locale};
use crate::vary::{Made, Recipe, make};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use terrarium_envs::canonical::{canonical_json, short_hash};
use terrarium_envs::certificate::{Certificate, Provenance};
use terrarium_envs::environment::Environment;
use terrarium_envs::runner::{Runner, run_solution};
use terrarium_envs::sandbox::Sandbox;
use terrarium_envs::task::{Difficulty, Task, ToolCall};
use terrarium_envs::verifier::{Answer, Expected, Verifier, answer};
use terrarium_envs::{submit, world};
use terrarium_tools::tree::Literal;
use terrarium_tools::types::Type;
use terrarium_tools::value::{Value, to_json};
use terrarium_tools::{Suite, eval};

/// Writes kept at hand for the mutators that add one.
const SPARES: usize = 10;

/// One environment with everything that drawing and certifying tasks needs.
pub struct Workshop<'a> {
    suite: &'a Suite,
    made: &'a Made,
    parameters: Vec<Literal>,
    rows: eval::Rows,
    reach: Reach,
    links: Vec<Link>,
    writes: Vec<usize>,
    locales: Vec<&'static Locale>,
    runner: Runner,
    spares: Vec<Spare>,
    tried: Tried,
    /// Draw goals that cross linked suites, where that can be.
    pub cross: bool,
}

/// A goal that passed.
pub struct Certified {
    /// What is checked.
    pub verifier: Verifier,
    /// The reference solution.
    pub solution: Vec<ToolCall>,
    /// The runs.
    pub certificate: Certificate,
    /// Structural difficulty.
    pub difficulty: Difficulty,
}

impl<'a> Workshop<'a> {
    /// A workshop in an environment made from `made`.
    ///
    /// # Errors
    /// When the environment does not run.
    pub fn new(suite: &'a Suite, made: &'a Made, environment: &Arc<Environment>, sandbox: &Sandbox) -> Result<Self> {
        let runner = Runner::with(&world::Loaded::load(sandbox, environment)?)?;
        let writes = made.surface.tools.iter().map(|t| t.tool).filter(|t| suite.tools[*t].writes).collect();
        let locales = LOCALES.iter().filter(|l| made.recipe.data.locales.iter().any(|n| n == l.name)).collect();
        let mut workshop = Workshop {
            suite,
            made,
            parameters: made.surface.parameters.clone(),
            rows: eval::Rows::new(&made.world),
            reach: Reach::new(suite, &made.surface),
            links: link::links(suite, &made.recipe),
            writes,
            locales,
            runner,
            spares: Vec::new(),
            tried: Tried::default(),
            cross: false,
        };
        let mut dice = Dice::new(0, &format!("spares/{}", environment.id));
        workshop.spares = workshop.act_writer().spares(SPARES, &mut dice);
        Ok(workshop)
    }

    /// The world by rows.
    pub fn stage(&self) -> Stage<'_> {
        Stage { suite: self.suite, parameters: &self.parameters, world: &self.made.world, rows: &self.rows }
    }

    /// Draws descriptions.
    pub fn describer(&self) -> Describer<'_> {
        Describer {
            rows: Rows { suite: self.suite, world: &self.made.world },
            reach: &self.reach,
            links: &self.links,
            cross: self.cross,
            brief: false,
        }
    }

    /// Draws act goals.
    pub fn act_writer(&self) -> ActWriter<'_> {
        ActWriter {
            stage: self.stage(),
            tried: &self.tried,
            describer: self.describer(),
            tools: &self.writes,
            locales: &self.locales,
        }
    }

    /// The verifier of a goal, by rows: the cheap part, before any tool runs.
    ///
    /// # Errors
    /// Why the goal is turned down.
    pub fn verifier(&self, goal: &Goal) -> Verdict<Verifier> {
        verifier(self.stage(), goal)
    }

    /// The certificate of a goal with its prompt and verifier.
    ///
    /// # Errors
    /// Why the task is turned down.
    pub fn certify(&mut self, goal: &Goal, prompt: &str, verifier: &Verifier) -> Verdict<Certified> {
        hides_answer(prompt, verifier.answer.as_ref())?;
        let solution = self.solve(goal)?;
        self.check(goal, prompt, verifier, &solution)
    }

    /// The reference solution of a goal, by tools.
    ///
    /// # Errors
    /// Why it cannot be carried out.
    pub fn solve(&mut self, goal: &Goal) -> Verdict<Solution> {
        solve(self.suite, &self.made.surface, self.made.world.today, &mut self.runner, goal)
    }

    /// Suites of a linked environment that a goal needs; 1 where there is one alone.
    pub fn parts_needed(&self, goal: &Goal) -> usize {
        link::parts_needed(self.suite, &self.made.recipe.parts, goal)
    }

    /// Suites of a linked environment whose tools a solution uses, by number; 0 alone where there is one.
    pub fn parts_used(&self, solution: &Solution) -> BTreeSet<usize> {
        link::parts_used(&self.made.recipe.parts, solution.trace.calls.iter().map(|c| c.tool))
    }

    /// The certificate of a solution somebody found.
    ///
    /// # Errors
    /// Why the task is turned down.
    pub fn check(&mut self, goal: &Goal, prompt: &str, verifier: &Verifier, solution: &Solution) -> Verdict<Certified> {
        let calls = solution.calls();
        let mut provenance = self.provenance(prompt, solution)?;
        if let Goal::Plan(choice) = goal {
            provenance.extend(self.bounds(prompt, choice)?);
        }
        let reads = solution.trace.calls.iter().filter(|c| !c.writes).count();
        if reads == 0 {
            return reject("no_lookup", "the prompt says it all");
        }
        let idle = solution.trace.idle(&solution.used());
        if !idle.is_empty() {
            return reject("not_minimal", format!("calls {idle:?} serve nothing"));
        }
        let change = &verifier.change;
        let columns =
            change.inserted.iter().flat_map(|i| &i.columns).chain(change.updated.iter().flat_map(|u| &u.columns));
        if let Some((column, _)) = columns.into_iter().find(|(_, expected)| *expected == Expected::Free) {
            // Every change follows from the goal; a column that may be anything is one that the verifier forgot.
            return reject("free_column", column);
        }
        let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
        let reference = run_solution(&mut self.runner, verifier, &calls).map_err(fault)?;
        if !reference.score.solved() {
            let failed: Vec<String> = reference
                .score
                .checks
                .iter()
                .filter(|c| !c.passed)
                .map(|c| format!("{}: {}", c.name, c.detail))
                .collect();
            return reject("disagree", failed.join("; "));
        }
        let nothing = [ToolCall { name: submit::NAME.to_owned(), arguments: json!({}) }];
        let noop = run_solution(&mut self.runner, verifier, &nothing).map_err(fault)?.score.reward;
        if noop > 0.0 {
            return reject("noop_solves", "");
        }
        let hash = short_hash(&["mutants", &canonical_json(&serde_json::to_value(goal).unwrap_or_default())], 16);
        let mut dice = Dice::new(0, &hash);
        let stage =
            Stage { suite: self.suite, parameters: &self.parameters, world: &self.made.world, rows: &self.rows };
        let mut bench = Bench {
            stage,
            surface: &self.made.surface,
            runner: &mut self.runner,
            verifier,
            spares: &self.spares,
            submitted: submit::answer(&submit::arguments(verifier.answer.as_ref())).ok().flatten(),
            prelude: Vec::new(),
            place: None,
        };
        let writes = mutate::writes(self.suite, &self.made.surface, &solution.trace);
        let mutants = match (goal, &verifier.answer) {
            (Goal::Ask(query), Some(right)) => mutate::ask::run(&mut bench, query, right, &mut dice)?,
            (Goal::Ask(_), None) => return reject("no_value", "a question without an answer"),
            (Goal::Act(_) | Goal::Repair(_), _) => mutate::act::run(&mut bench, &writes, &mut dice)?,
            (Goal::Long(parts), _) => {
                bench.prelude = solution.trace.calls.iter().filter(|c| c.writes).map(|c| c.call.clone()).collect();
                mutate::long::run(&mut bench, parts, &writes, &mut dice)?
            }
            (Goal::Plan(choice), _) => mutate::plan::run(&mut bench, choice, &mut dice)?,
            (Goal::Policy(case), _) => mutate::policy::run(&mut bench, case, &writes, &mut dice)?,
        };
        if mutants.iter().all(|m| m.runs == 0) {
            return reject("no_mutant", "");
        }
        Ok(Certified {
            verifier: verifier.clone(),
            solution: calls,
            certificate: Certificate { reference: reference.score.reward, noop, mutants, provenance },
            difficulty: difficulty::measure(goal, solution, &self.describer()),
        })
    }

    /// The bounds that a plan is tested with: all must stand in the prompt.
    fn bounds(&self, prompt: &str, choice: &Choice) -> Verdict<Vec<Provenance>> {
        let mut all = Vec::new();
        for (index, demand) in choice.demands.iter().enumerate() {
            for value in demand.values() {
                // Only amounts, numbers, dates and texts: a case of a closed list may be said in the suite's own words.
                let text = values::plain(self.suite, &Type::Str, value);
                if !matches!(value, Value::Enum(_)) && !says(prompt, &text) {
                    return reject("value_not_in_prompt", format!("demand {}: {text}", index + 1));
                }
                let value = if matches!(value, Value::Enum(_)) { demand.place().column.clone() } else { text };
                all.push(Provenance { value, used_in: format!("constraint {}", index + 1), from: "prompt".to_owned() });
            }
        }
        Ok(all)
    }

    /// Where every value of the solution comes from; what is said to come from the prompt must stand in it.
    fn provenance(&self, prompt: &str, solution: &Solution) -> Verdict<Vec<Provenance>> {
        let surface = &self.made.surface;
        let function = |call: &Traced| &self.suite.functions[self.suite.tools[call.tool].function];
        for call in &solution.trace.calls {
            for (parameter, value, origin) in &call.arguments {
                let text = values::plain(self.suite, &function(call).parameters[*parameter].ty, value);
                if *origin == Origin::Prompt && !says(prompt, &text) {
                    let name = &function(call).parameters[*parameter].name;
                    // An enumeration may be said in the suite's own words (`that is still out`); a filter then follows from those.
                    let in_words = matches!(value, Value::Enum(_)) && !call.writes;
                    if !in_words {
                        return reject("value_not_in_prompt", format!("{name} = {text}"));
                    }
                }
            }
        }
        let shown = |call: &Traced, parameter: usize| {
            let tool = surface.tools.iter().find(|t| t.tool == call.tool);
            let name = tool.and_then(|t| t.parameters.iter().find(|(p, _, _)| *p == parameter));
            name.map(|(_, name, _)| name.clone()).unwrap_or_default()
        };
        let value = |call: &Traced, parameter: usize, value: &Value| {
            to_json(self.suite, &function(call).parameters[parameter].ty, value)
        };
        let mut all = solution.trace.provenance(&shown, &value);
        if let Some((found, learned)) = &solution.answer {
            all.push(Provenance {
                value: answer::shown(found).to_string(),
                used_in: "answer".to_owned(),
                from: Origin::Computed(learned.how.clone(), learned.calls.clone()).text(),
            });
        }
        Ok(all)
    }
}

/// Whether a prompt states a value: `1` as the word that a singular or `once` stands for, `0` as `no` or `never`, too.
fn says(prompt: &str, text: &str) -> bool {
    prompt.contains(text)
        || (text == "1" && (prompt.contains("once") || prompt.contains("one")))
        || (text == "0" && (prompt.contains(" no ") || prompt.contains("never")))
}

/// A prompt must not give its answer away.
pub fn hides_answer(prompt: &str, answer: Option<&Answer>) -> Verdict<()> {
    let told = match answer {
        Some(Answer::Text(text)) => prompt.to_lowercase().contains(&text.to_lowercase()),
        Some(Answer::Texts(texts)) => texts.iter().any(|t| prompt.to_lowercase().contains(&t.to_lowercase())),
        Some(Answer::Money(cents)) => prompt.contains(&values::money(*cents)),
        Some(Answer::Date(day)) => prompt.contains(&values::date(*day)),
        Some(Answer::Integer(n)) => {
            let n = n.to_string();
            prompt.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == n)
        }
        Some(Answer::Each(answers)) => return answers.iter().try_for_each(|a| hides_answer(prompt, Some(a))),
        Some(Answer::Plan(_)) => false,
        Some(Answer::Refusal { evidence, .. }) => return hides_answer(prompt, Some(evidence)),
        None => false,
    };
    if told { reject("answer_in_prompt", "") } else { Ok(()) }
}

/// Runs certificates of stored tasks again, from the environment's recipe and the task's goal alone.
pub struct Recertifier {
    suite: Suite,
    made: Made,
    environment: Arc<Environment>,
    sandbox: Sandbox,
}

impl Recertifier {
    /// For an environment of a library suite.
    ///
    /// # Errors
    /// When the library has no such suite, or another text of it.
    pub fn new(sandbox: &Sandbox, environment: &Arc<Environment>) -> Result<Self> {
        let recipe: Recipe = serde_json::from_value(environment.recipe.clone())?;
        let parsed = link::suite_of(library::parsed()?, &recipe)?;
        Self::with_suite(sandbox, environment, &parsed.suite, &parsed.digest)
    }

    /// For an environment of a given suite.
    ///
    /// # Errors
    /// When the environment was made from another text of the suite.
    pub fn with_suite(sandbox: &Sandbox, environment: &Arc<Environment>, suite: &Suite, digest: &str) -> Result<Self> {
        let recipe: Recipe = serde_json::from_value(environment.recipe.clone())?;
        if recipe.source != digest {
            return Err(Error::Options(format!(
                "environment {} was made from another text of its suite",
                environment.id
            )));
        }
        let made = make(suite, recipe)?;
        Ok(Recertifier { suite: suite.clone(), made, environment: Arc::clone(environment), sandbox: sandbox.clone() })
    }

    /// The certificate of a task as it comes out today.
    ///
    /// # Errors
    /// When the task does not pass, or verifier or reference solution come out otherwise than stored.
    pub fn certificate(&mut self, task: &Task) -> Result<Certificate> {
        let goal: Goal = serde_json::from_value(task.goal.clone())?;
        let refused = |r: Reject| Error::Options(format!("task {} does not pass: {}: {}", task.id, r.reason, r.detail));
        let mut workshop = Workshop::new(&self.suite, &self.made, &self.environment, &self.sandbox)?;
        let verifier = workshop.verifier(&goal).map_err(refused)?;
        if verifier != task.verifier {
            return Err(Error::Options(format!("task {}: its verifier does not follow from its goal", task.id)));
        }
        let certified = workshop.certify(&goal, &task.prompt, &verifier).map_err(refused)?;
        if certified.solution != task.solution {
            return Err(Error::Options(format!("task {}: another reference solution is found", task.id)));
        }
        Ok(certified.certificate)
    }
}

/// A goal as it is stored.
///
/// # Errors
/// When it has no JSON form.
pub fn goal_json(goal: &Goal) -> Result<Json> {
    Ok(serde_json::to_value(goal)?)
}

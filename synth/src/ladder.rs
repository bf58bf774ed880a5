//! A fixed ladder of scripted solvers, to see whether the difficulty score means anything: the harder a task by its score, the fewer of
//! them should solve it. Each rung knows the goal, as an agent knows the prompt, and works with the tools alone; lower rungs look less.

use crate::error::Result;
use crate::solve::{Effort, solve_within};
use crate::tasks::goal::Goal;
use crate::vary::{Made, Recipe, make};
use serde_json::Value as Json;
use terrarium_envs::environment::Environment;
use terrarium_envs::policy::random::Guesser;
use terrarium_envs::runner::{Runner, run_solution};
use terrarium_envs::submit;
use terrarium_envs::task::{Task, ToolCall};
use terrarium_tools::Suite;

/// A scripted solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Calls drawn at random from the schemas, with values seen before.
    Random,
    /// The planner with limited effort.
    Planner(Effort),
}

/// The ladder, lowest rung first: random; greedy, which takes the first row that a listing shows; searches of growing budget.
pub const RUNGS: [(&str, Rung); 7] = [
    ("random", Rung::Random),
    ("greedy", Rung::Planner(Effort { calls: 60, pages: 1, rows: 1 })),
    ("search 4", Rung::Planner(Effort { calls: 4, pages: 4, rows: usize::MAX })),
    ("search 8", Rung::Planner(Effort { calls: 8, pages: 8, rows: usize::MAX })),
    ("search 16", Rung::Planner(Effort { calls: 16, pages: 16, rows: usize::MAX })),
    ("search 32", Rung::Planner(Effort { calls: 32, pages: 32, rows: usize::MAX })),
    ("full", Rung::Planner(Effort::LONG)),
];

/// An environment made again from its recipe, for solvers to work in.
pub struct Course<'a> {
    suite: &'a Suite,
    made: Made,
    environment: &'a Environment,
}

impl<'a> Course<'a> {
    /// Of an environment of a suite.
    ///
    /// # Errors
    /// When its recipe cannot be carried out.
    pub fn new(suite: &'a Suite, environment: &'a Environment) -> Result<Self> {
        let recipe: Recipe = serde_json::from_value(environment.recipe.clone())?;
        Ok(Course { suite, made: make(suite, recipe)?, environment })
    }

    /// Whether a solver solves a task.
    ///
    /// # Errors
    /// When our own side fails, never because the solver does.
    pub fn solves(&self, rung: Rung, runner: &mut Runner, task: &Task, seed: u64) -> Result<bool> {
        let calls = match rung {
            Rung::Random => return self.random(runner, task, seed),
            Rung::Planner(effort) => {
                let goal: Goal = serde_json::from_value(task.goal.clone())?;
                let (surface, today) = (&self.made.surface, self.made.world.today);
                match solve_within(self.suite, surface, today, runner, &goal, effort) {
                    Ok(solution) => solution.calls(),
                    Err(_) => return Ok(false),
                }
            }
        };
        Ok(run_solution(runner, &task.verifier, &calls)?.score.solved())
    }

    fn random(&self, runner: &mut Runner, task: &Task, seed: u64) -> Result<bool> {
        const CALLS: usize = 8;
        let mut guesser = Guesser::new(seed);
        runner.reset()?;
        for _ in 0..CALLS {
            let Some(tool) = guesser.pick(&self.environment.tools) else { break };
            let call = ToolCall { name: tool.name.clone(), arguments: guesser.arguments(&tool.parameters) };
            let record = runner.call(&call)?;
            if record.is_ok()
                && let Ok(result) = serde_json::from_str::<Json>(&record.result)
            {
                guesser.learn(result);
            }
        }
        let submitted = guesser.arguments(&submit::tool().parameters);
        let answer = submit::answer(&submitted).ok().flatten();
        Ok(runner.score(&task.verifier, answer.as_ref())?.solved())
    }
}

//! Mutants of plans: each constraint broken alone, random plans, lists of another form; and other plans that are right too.

use crate::mutate::{Bench, Tally, ask};
use crate::seed::Dice;
use crate::tasks::choice::{OTHER_PLANS_MIN, RANDOM_PASSES_MAX, RANDOM_PLANS, example, explore, program, random_plan};
use crate::tasks::goal::Choice;
use crate::tasks::reject::{Reject, Verdict, reject};
use crate::tasks::rows::Rows;
use serde_json::{Value as Json, json};
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_envs::verifier::Answer;
use terrarium_envs::verifier::program::Program;

/// Other right plans that are tried.
const OTHERS: usize = 5;

/// Runs every mutator of plan tasks.
///
/// # Errors
/// `unbreakable` for a constraint that no plan breaks alone, `too_easy` where random plans pass, `few_plans` where there are fewer than
/// three other right plans, `mutant_survived:...`, or `fault` when our own side fails.
pub fn run(bench: &mut Bench<'_>, choice: &Choice, dice: &mut Dice) -> Verdict<Vec<MutantRuns>> {
    bench.begin()?;
    // From the goal and the rows, not from the verifier under test: a demand that the verifier forgot shows.
    let mut program = program(Rows { suite: bench.stage.suite, world: bench.stage.world }, choice, &[])?;
    program.example = example(&program)?;
    let program = &program;
    let explored = explore(program, &program.example, dice);
    if explored.others.len() < OTHER_PLANS_MIN {
        return reject("few_plans", format!("{} other plans", explored.others.len()));
    }
    let mut broken = Tally::new(Mutator::BreakConstraint);
    for (constraint, breaker) in explored.breakers.iter().enumerate() {
        let Some(plan) = breaker else {
            return reject("unbreakable", format!("{:?}", program.constraints[constraint]));
        };
        broken.count(score(bench, &program.shown(plan))?, &|| format!("constraint {constraint}: {plan:?}"))?;
    }
    let mut others = Tally::new(Mutator::OtherPlan);
    for plan in explored.others.iter().take(OTHERS) {
        others.count(score(bench, &program.shown(plan))?, &|| format!("{plan:?}"))?;
    }
    Ok(vec![
        broken.done("there is no constraint"),
        random(bench, program, dice)?,
        malformed(bench, program)?,
        others.done("there is one plan only"),
        ask::extra_write(bench, &Answer::Plan(program.clone()), dice)?,
    ])
}

fn score(bench: &Bench<'_>, submitted: &Json) -> Verdict<f64> {
    let score = bench.runner.score(bench.verifier, Some(submitted));
    score.map(|s| s.reward).map_err(|e| Reject::new("fault", e.to_string()))
}

fn random(bench: &Bench<'_>, program: &Program, dice: &mut Dice) -> Verdict<MutantRuns> {
    /// Of the random plans, those that go through the whole verifier; the rest are put to the program alone.
    const SCORED: usize = 10;
    let mut tally = Tally::new(Mutator::RandomPlan);
    let mut passes = 0;
    for round in 0..RANDOM_PLANS {
        let plan = random_plan(program, dice);
        let right = program.holds(&plan);
        if round < SCORED && (score(bench, &program.shown(&plan))? > 0.5) != right {
            return reject("disagree", format!("{plan:?}"));
        }
        if right {
            passes += 1;
            tally.equivalent();
        } else {
            tally.count(0.0, &String::new)?;
        }
    }
    if passes > RANDOM_PASSES_MAX {
        return reject("too_easy", format!("{passes} of {RANDOM_PLANS} random plans are right"));
    }
    Ok(tally.done("there are no candidates"))
}

fn malformed(bench: &Bench<'_>, program: &Program) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::MalformedPlan);
    let names: Vec<&str> = program.example.iter().map(|c| program.candidates[*c].name.as_str()).collect();
    let all: Vec<&str> = program.candidates.iter().map(|c| c.name.as_str()).collect();
    let mut twice = names.clone();
    twice[1] = twice[0];
    let mut stranger = names.clone();
    stranger[0] = "nothing of this name";
    let mut more = names.clone();
    more.extend(all.iter().find(|n| !names.contains(*n)));
    let wrong = [json!(names[1..]), json!(twice), json!(stranger), json!(more), json!(all), json!(names.join(", "))];
    for submitted in wrong {
        tally.count(score(bench, &submitted)?, &|| submitted.to_string())?;
    }
    Ok(tally.done("a plan has one row"))
}

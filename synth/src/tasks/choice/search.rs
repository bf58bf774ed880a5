//! A right plan by search over the rows. The planner's own search, over what tools show, is in `solve::choose`.

use crate::tasks::reject::{Verdict, reject};
use terrarium_envs::verifier::program::{Cell, Constraint, Program};

/// A right plan, by search over the rows: depth first in row order, with what is filled checked as it goes.
///
/// # Errors
/// `no_plan` where there is none within the search's limit.
pub fn example(program: &Program) -> Verdict<Vec<usize>> {
    const STEPS_MAX: usize = 60_000;
    fn go(program: &Program, plan: &mut Vec<usize>, steps: &mut usize) -> bool {
        if plan.len() == program.slots {
            return program.holds(plan);
        }
        for next in 0..program.candidates.len() {
            *steps += 1;
            if *steps > STEPS_MAX {
                return false;
            }
            if plan.contains(&next) {
                continue;
            }
            plan.push(next);
            if possible(program, plan) && go(program, plan, steps) {
                return true;
            }
            plan.pop();
        }
        false
    }
    let (mut plan, mut steps) = (Vec::new(), 0);
    if go(program, &mut plan, &mut steps) { Ok(plan) } else { reject("no_plan", format!("{steps} steps")) }
}

/// Whether what is filled so far may still become a right plan.
fn possible(program: &Program, plan: &[usize]) -> bool {
    let filled = plan.len();
    let cell = |slot: usize, column: usize| &program.candidates[plan[slot]].cells[column];
    let last = filled - 1;
    program.constraints.iter().all(|constraint| match constraint {
        Constraint::Each { slots, test } => !slots.contains(&last) || test.passes(cell(last, test.column)),
        Constraint::Differ(column) => (0..last).all(|s| cell(s, *column) != cell(last, *column)),
        Constraint::Same(column) => cell(0, *column) == cell(last, *column),
        Constraint::Rising { low, high, column } => {
            (*low).max(*high) != last
                || matches!((cell(*low, *column), cell(*high, *column)), (Cell::Number(a), Cell::Number(b)) if a < b)
        }
        Constraint::Total { slots, column, most, .. } => most.is_none_or(|most| {
            let sum = |s: &usize| match cell(*s, *column) {
                Cell::Number(n) => *n,
                _ => 0,
            };
            slots.iter().filter(|s| **s < filled).map(sum).sum::<i64>() <= most
        }),
        Constraint::Several { least, test } => {
            let passing = (0..filled).filter(|s| test.passes(cell(*s, test.column))).count();
            passing + program.slots - filled >= *least
        }
        Constraint::Depends { .. } => true,
    })
}

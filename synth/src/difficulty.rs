//! Structural difficulty: what a solution needs, not what any agent made of it.

use crate::solve::Solution;
use crate::tasks::describe::Describer;
use crate::tasks::goal::Goal;
use std::collections::BTreeSet;
use terrarium_envs::task::Difficulty;

/// The difficulty of a solved goal. A demand of a plan counts as two conditions, a row to choose as one, a rule of the policy as one; of
/// a plan, every row that could be chosen distracts. The score is `depth + calls + writes + distinct tools / 2 + conditions / 2 +
/// ln(1 + distractors)`, rounded to hundredths.
pub fn measure(goal: &Goal, solution: &Solution, describer: &Describer<'_>) -> Difficulty {
    let calls = solution.trace.calls.len() as u32 + 1;
    let writes = solution.trace.calls.iter().filter(|c| c.writes).count() as u32;
    let tools: BTreeSet<usize> = solution.trace.calls.iter().map(|c| c.tool).collect();
    let tools = tools.len() as u32 + 1;
    // `submit` rests on everything before it.
    let depth = solution.trace.depth() + 1;
    let mut conditions = 0;
    let mut distractors = 0;
    let mut rows = 0;
    for part in goal.parts() {
        match part {
            Goal::Plan(choice) => {
                conditions += 2 * choice.demands.len() + choice.slots;
                rows += describer
                    .rows
                    .suite
                    .tables
                    .iter()
                    .position(|t| t.name == choice.table)
                    .map_or(0, |t| describer.rows.table(t).len());
            }
            Goal::Policy(case) => {
                let tool = describer.rows.suite.tools.iter().find(|t| t.name == case.request.tool);
                conditions += tool.map_or(0, |t| t.rules.len());
            }
            Goal::Act(_) | Goal::Ask(_) | Goal::Repair(_) | Goal::Long(_) => {}
        }
    }
    distractors += rows;
    for description in goal.descriptions() {
        description.walk(&mut |d| {
            conditions += d.conditions.len() + usize::from(d.extremum.is_some());
            distractors += describer.distractors(d);
        });
    }
    let score = f64::from(depth)
        + f64::from(calls)
        + f64::from(writes)
        + f64::from(tools) / 2.0
        + conditions as f64 / 2.0
        + logarithm(distractors);
    Difficulty { score: (score * 100.0).round() / 100.0, calls, writes, tools, depth, distractors: distractors as u32 }
}

/// The natural logarithm of `1 + n` to a quarter, from a table: `ln` of the standard library may differ between machines.
fn logarithm(n: usize) -> f64 {
    // The least n for which ln(1 + n) is that many quarters.
    const STEPS: [usize; 30] = [
        0, 1, 1, 2, 2, 3, 4, 5, 7, 9, 12, 15, 20, 25, 33, 42, 54, 70, 90, 115, 148, 190, 244, 314, 403, 518, 665, 854,
        1_096, 1_407,
    ];
    let quarters = STEPS.iter().rposition(|least| n >= *least).unwrap_or(0);
    quarters as f64 / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_near_enough() {
        for n in [0, 1, 2, 5, 10, 50, 200, 1_000, 1_800] {
            let exact = ((1 + n) as f64).ln();
            assert!((logarithm(n) - exact).abs() <= 0.36, "{n}: {} for {exact}", logarithm(n));
        }
    }
}

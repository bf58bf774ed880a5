//! Mutants of long tasks: those of the parts, each made inside the whole, and the parts in another order.

use crate::mutate::policy::concrete;
use crate::mutate::{Bench, Tally, Write, act, ask, merge};
use crate::seed::Dice;
use crate::tasks::goal::{Case, Goal};
use crate::tasks::policy::{Ruling, ruling};
use crate::tasks::reject::{Reject, Verdict};
use serde_json::Value as Json;
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_envs::verifier::{Answer, answer};

/// Runs every mutator of the parts, and those of the whole.
///
/// # Errors
/// `mutant_survived:...`, or `fault` when our own side fails.
pub fn run(bench: &mut Bench<'_>, parts: &[Goal], writes: &[Write], dice: &mut Dice) -> Verdict<Vec<MutantRuns>> {
    let mut all = act::run(bench, writes, dice)?;
    let groups = groups(parts, writes);
    all.push(reorder_parts(bench, &groups)?);
    merge(&mut all, vec![forbidden_acts(bench, parts, &groups)?]);
    let right: Vec<Answer> = match &bench.verifier.answer {
        None => Vec::new(),
        Some(Answer::Each(answers)) => answers.clone(),
        Some(one) => vec![one.clone()],
    };
    let shown: Vec<Json> = right.iter().map(answer::shown).collect();
    let questions = parts.iter().filter_map(|part| match part {
        Goal::Ask(query) => Some(query),
        _ => None,
    });
    for (at, (query, right)) in questions.zip(&right).enumerate() {
        bench.place = (shown.len() > 1).then(|| (shown.clone(), at));
        merge(&mut all, ask::run(bench, query, right, dice)?);
    }
    bench.place = None;
    all.push(missing_answer(bench, &shown)?);
    Ok(all)
}

/// The writes of each part.
fn groups(parts: &[Goal], writes: &[Write]) -> Vec<Vec<Write>> {
    let mut first = 0;
    parts
        .iter()
        .map(|part| {
            let steps = first..first + part.steps();
            first = steps.end;
            writes.iter().filter(|w| steps.contains(&w.step)).cloned().collect()
        })
        .collect()
}

fn reorder_parts(bench: &mut Bench<'_>, groups: &[Vec<Write>]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ReorderParts);
    let acting: Vec<&Vec<Write>> = groups.iter().filter(|g| !g.is_empty()).collect();
    if acting.len() > 1 {
        let turned: Vec<Write> = acting.iter().rev().flat_map(|g| g.iter().cloned()).collect();
        let (reward, _) = act::reward(bench, &turned)?;
        tally.count(reward, &|| "parts in reverse order".to_owned())?;
        let later: Vec<Write> = acting[1..].iter().chain(&acting[..1]).flat_map(|g| g.iter().cloned()).collect();
        let (reward, _) = act::reward(bench, &later)?;
        tally.count(reward, &|| "the first part last".to_owned())?;
    }
    Ok(tally.done("one part only acts"))
}

/// What the rules forbid in a part, done in place of what they leave.
fn forbidden_acts(bench: &mut Bench<'_>, parts: &[Goal], groups: &[Vec<Write>]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ForbiddenAct);
    for (index, part) in parts.iter().enumerate() {
        let Goal::Policy(case) = part else { continue };
        let forbidden = match ruling(bench.stage, case)? {
            Ruling::Forbidden { .. } => &case.request,
            Ruling::Allowed => {
                let other = Case { request: case.twin.clone(), twin: case.request.clone(), ..case.clone() };
                match ruling(bench.stage, &other) {
                    Ok(Ruling::Forbidden { .. }) => &case.twin,
                    _ => return Err(Reject::new("same_ruling", &*case.request.tool)),
                }
            }
        };
        let (tool, arguments) = concrete(bench, forbidden)?;
        let mut mutant: Vec<Write> = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            if at == index {
                mutant.push(Write {
                    origin: usize::MAX,
                    step: usize::MAX,
                    tool,
                    arguments: arguments.clone(),
                    links: Vec::new(),
                });
            } else {
                mutant.extend(group.iter().cloned());
            }
        }
        let (reward, _) = act::reward(bench, &mutant)?;
        tally.count(reward, &|| format!("the forbidden act in part {}", index + 1))?;
    }
    Ok(tally.done("no part is decided by a rule"))
}

fn missing_answer(bench: &mut Bench<'_>, shown: &[Json]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::MissingAnswer);
    if shown.is_empty() {
        return Ok(tally.done("no part asks for an answer"));
    }
    bench.begin()?;
    let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
    let mut wrong: Vec<Option<Json>> = vec![None];
    if shown.len() > 1 {
        wrong.push(Some(Json::Array(shown[1..].to_vec())));
        let mut turned = shown.to_vec();
        turned.rotate_left(1);
        if turned != shown {
            wrong.push(Some(Json::Array(turned)));
        }
    }
    for submitted in wrong {
        let score = bench.runner.score(bench.verifier, submitted.as_ref()).map_err(fault)?;
        tally.count(score.reward, &|| format!("{submitted:?}"))?;
    }
    Ok(tally.done("no part asks for an answer"))
}

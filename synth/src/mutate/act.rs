//! Mutants of act solutions. Reads change nothing, so mutants run the writes alone, in a fresh world each.

use crate::mutate::{Bench, Tally, Write, shown_call};
use crate::seed::Dice;
use crate::tasks::arguments;
use crate::tasks::expected::{independent, replay};
use crate::tasks::reject::{Reject, Verdict};
use std::collections::BTreeMap;
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_tools::suite::Source;
use terrarium_tools::types::Type;
use terrarium_tools::value::Value;

/// Near misses tried for each entity.
const NEAR_MISSES: usize = 2;
/// From here on one near miss for each entity is enough.
const MANY_WRITES: usize = 6;
/// Extra writes that must be refused for each task.
const EXTRA_WRITES: usize = 2;
/// Pairs of independent writes that are swapped for each task.
const SWAPS: usize = 2;

/// Runs every mutator of act tasks.
///
/// # Errors
/// `mutant_survived:...`, or `fault` when our own side fails.
pub fn run(bench: &mut Bench<'_>, writes: &[Write], dice: &mut Dice) -> Verdict<Vec<MutantRuns>> {
    Ok(vec![
        drop_write(bench, writes)?,
        swap_entity(bench, writes)?,
        perturb_value(bench, writes)?,
        extra_write(bench, writes, dice)?,
        reorder(bench, writes)?,
    ])
}

/// The reward of writes alone, in a fresh world, and how many were accepted.
pub(super) fn reward(bench: &mut Bench<'_>, writes: &[Write]) -> Verdict<(f64, usize)> {
    let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
    let suite = bench.stage.suite;
    bench.runner.reset().map_err(fault)?;
    let mut created: BTreeMap<usize, Value> = BTreeMap::new();
    let mut accepted = 0;
    for write in writes {
        let mut arguments = write.arguments.clone();
        for (parameter, creator) in &write.links {
            if let Some(key) = created.get(creator) {
                for (p, value) in &mut arguments {
                    if p == parameter {
                        *value = key.clone();
                    }
                }
            }
        }
        let Some(call) = shown_call(suite, bench.surface, write.tool, &arguments) else { continue };
        let record = bench.runner.call(&call).map_err(fault)?;
        if record.is_ok() {
            accepted += 1;
            if let Some(key) = crate::solve::toolbox::created_key(suite, write.tool, &record.value()) {
                created.insert(write.origin, key);
            }
        }
    }
    let score = bench.runner.score(bench.verifier, bench.submitted.as_ref()).map_err(fault)?;
    Ok((score.reward, accepted))
}

/// Whether the rows prove that these writes bring about just what is expected. Only asked of mutants without created keys.
fn same_by_rows(bench: &Bench<'_>, writes: &[Write]) -> bool {
    if writes.iter().any(|w| !w.links.is_empty()) {
        return false;
    }
    let calls: Vec<(usize, Vec<Value>)> = writes.iter().map(|w| (w.tool, full(bench, w))).collect();
    replay(bench.stage, &calls).is_some_and(|change| change == bench.verifier.change)
}

fn full(bench: &Bench<'_>, write: &Write) -> Vec<Value> {
    let suite = bench.stage.suite;
    let mut all = vec![Value::None; suite.functions[suite.tools[write.tool].function].parameters.len()];
    for (p, value) in &write.arguments {
        all[*p] = value.clone();
    }
    all
}

/// Runs a mutant that must score 0.
fn must_fail(bench: &mut Bench<'_>, tally: &mut Tally, mutant: &[Write], what: &dyn Fn() -> String) -> Verdict<()> {
    let (reward, _) = reward(bench, mutant)?;
    if tally.survives(reward) && same_by_rows(bench, mutant) {
        tally.equivalent();
        return Ok(());
    }
    tally.count(reward, what)
}

fn drop_write(bench: &mut Bench<'_>, writes: &[Write]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::DropWrite);
    for index in 0..writes.len() {
        let mut mutant = writes.to_vec();
        mutant.remove(index);
        must_fail(bench, &mut tally, &mutant, &|| format!("without write {}", index + 1))?;
    }
    Ok(tally.done("no write"))
}

fn swap_entity(bench: &mut Bench<'_>, writes: &[Write]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::SwapEntity);
    let suite = bench.stage.suite;
    for (index, write) in writes.iter().enumerate() {
        for (at, (parameter, value)) in write.arguments.iter().enumerate() {
            let ty = &suite.functions[suite.tools[write.tool].function].parameters[*parameter].ty;
            let (Some(table), Value::Key(_)) = (crate::tasks::rows::target(ty), value) else { continue };
            if write.links.iter().any(|(p, _)| p == parameter) {
                continue;
            }
            let near = near_misses(&bench.stage.world.tables[table].rows, value);
            for other in near.into_iter().take(if writes.len() > MANY_WRITES { 1 } else { NEAR_MISSES }) {
                let mut mutant = writes.to_vec();
                mutant[index].arguments[at].1 = other.clone();
                must_fail(bench, &mut tally, &mutant, &|| format!("write {} with {other:?} for {value:?}", index + 1))?;
            }
        }
    }
    Ok(tally.done("no write takes an entity that was there before"))
}

/// Keys of the rows most like the one with this key.
fn near_misses(rows: &[Vec<Value>], key: &Value) -> Vec<Value> {
    let Some(own) = rows.iter().find(|r| r[0] == *key) else { return Vec::new() };
    let likeness = |row: &Vec<Value>| row.iter().zip(own).filter(|(a, b)| a == b).count();
    let mut others: Vec<&Vec<Value>> = rows.iter().filter(|r| r[0] != *key).collect();
    others.sort_by_key(|row| std::cmp::Reverse(likeness(row)));
    others.into_iter().take(NEAR_MISSES).map(|row| row[0].clone()).collect()
}

fn perturb_value(bench: &mut Bench<'_>, writes: &[Write]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::PerturbValue);
    let suite = bench.stage.suite;
    for (index, write) in writes.iter().enumerate() {
        for (at, (parameter, value)) in write.arguments.iter().enumerate() {
            let ty = &suite.functions[suite.tools[write.tool].function].parameters[*parameter].ty;
            let source = arguments::source_of(suite, write.tool, *parameter);
            let Some(other) = perturbed(bench, ty, source, value) else { continue };
            let mut mutant = writes.to_vec();
            mutant[index].arguments[at].1 = other.clone();
            must_fail(bench, &mut tally, &mutant, &|| format!("write {} with {other:?} for {value:?}", index + 1))?;
        }
    }
    Ok(tally.done("no write takes a value"))
}

fn perturbed(bench: &Bench<'_>, ty: &Type, source: Option<&Source>, value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(n) => Value::Int(n + 1),
        Value::Money(cents) => Value::Money(if *cents > 100 { cents - 50 } else { cents + 50 }),
        Value::Date(day) => Value::Date(day + 1),
        Value::Bool(yes) => Value::Bool(!yes),
        Value::Enum(case) => match crate::vary::data::scalar(ty) {
            Type::Enum(e) => Value::Enum((case + 1) % bench.stage.suite.enums[*e].cases.len().max(1) as u32),
            _ => return None,
        },
        Value::Str(text) => match source {
            Some(Source::Choice { values }) => Value::Str(values.iter().find(|v| *v != text)?.clone()),
            _ => Value::Str(format!("{text} 2")),
        },
        _ => return None,
    })
    .filter(|other| other != value)
}

fn extra_write(bench: &mut Bench<'_>, writes: &[Write], dice: &mut Dice) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ExtraWrite);
    let start = dice.below(bench.spares.len());
    let mut done = 0;
    for offset in 0..bench.spares.len() {
        let spare = &bench.spares[(start + offset) % bench.spares.len()];
        let mut mutant = writes.to_vec();
        mutant.push(Write {
            origin: usize::MAX,
            step: usize::MAX,
            tool: spare.tool,
            arguments: spare.given.clone(),
            links: Vec::new(),
        });
        let (reward, accepted) = reward(bench, &mutant)?;
        // Refused after the others: nothing extra happened.
        if accepted < mutant.len() {
            continue;
        }
        if tally.survives(reward) && same_by_rows(bench, &mutant) {
            tally.equivalent();
            continue;
        }
        tally.count(reward, &|| format!("extra {} {:?}", bench.stage.suite.tools[spare.tool].name, spare.given))?;
        done += 1;
        if done == EXTRA_WRITES {
            break;
        }
    }
    Ok(tally.done("no further write is accepted"))
}

fn reorder(bench: &mut Bench<'_>, writes: &[Write]) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ReorderWrites);
    if writes.len() < 2 {
        return Ok(tally.done("one write only"));
    }
    let mut swapped = 0;
    for index in 0..writes.len() - 1 {
        let linked = |w: &Write| !w.links.is_empty();
        if linked(&writes[index]) || linked(&writes[index + 1]) {
            continue;
        }
        let calls: Vec<(usize, Vec<Value>)> = writes[..=index + 1].iter().map(|w| (w.tool, full(bench, w))).collect();
        if !independent(bench.stage, &calls) {
            continue;
        }
        let mut mutant = writes.to_vec();
        mutant.swap(index, index + 1);
        let (reward, _) = reward(bench, &mutant)?;
        tally.count(reward, &|| format!("writes {} and {} swapped", index + 1, index + 2))?;
        swapped += 1;
        if swapped == SWAPS {
            break;
        }
    }
    Ok(tally.done("every write depends on the one before"))
}

//! Mutants of answers. Wrong answers come from the rows: a neighbouring row, a filter that is off by one, all candidates, the most
//! common value; and the right answer after a write that nobody asked for.

use crate::mutate::{Bench, Tally, shown_call};
use crate::seed::Dice;
use crate::tasks::columns::called_columns;
use crate::tasks::goal::{Description, Query};
use crate::tasks::reject::{Reject, Verdict};
use crate::tasks::rows::{Rows, answer_of, column_id, number, table_id, target};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_envs::verifier::{Answer, answer};
use terrarium_tools::value::Value;

/// Neighbouring rows tried.
const NEIGHBOURS: usize = 3;
/// Candidates listed at once.
const CANDIDATES_MAX: usize = 50;
/// Extra writes tried before the right answer.
const EXTRA_WRITES: usize = 2;

/// Runs every mutator of ask tasks.
///
/// # Errors
/// `mutant_survived:...`, or `fault` when our own side fails.
pub fn run(bench: &mut Bench<'_>, query: &Query, right: &Answer, dice: &mut Dice) -> Verdict<Vec<MutantRuns>> {
    bench.begin()?;
    let rows = Rows { suite: bench.stage.suite, world: bench.stage.world };
    Ok(vec![
        neighbour(bench, rows, query, right)?,
        off_by_one(bench, rows, query, right)?,
        all_candidates(bench, rows, query, right)?,
        common(bench, rows, query, right)?,
        spelling(bench, right)?,
        extra_write(bench, right, dice)?,
    ])
}

fn score(bench: &Bench<'_>, submitted: &Json) -> Verdict<f64> {
    let score = bench.runner.score(bench.verifier, Some(&bench.framed(submitted)));
    score.map(|s| s.reward).map_err(|e| Reject::new("fault", e.to_string()))
}

/// A value as an agent would submit it.
fn submitted(value: Value) -> Option<Json> {
    answer_of(value).ok().map(|a| answer::shown(&a))
}

/// The column asked for in every row it could be read from.
fn candidates(rows: Rows<'_>, query: &Query) -> Vec<Value> {
    let place = || -> Verdict<(usize, usize)> {
        let of = query.descriptions()[0];
        let mut table = table_id(rows.suite, &of.table)?;
        let column = match query {
            Query::Lookup { path, column, .. } => {
                for hop in path {
                    let hop = column_id(&rows.suite.tables[table], hop)?;
                    table = target(&rows.suite.tables[table].columns[hop].ty).unwrap_or(table);
                }
                column
            }
            Query::MostReferred { by, column, .. } => {
                let by = column_id(&rows.suite.tables[table], by)?;
                table = target(&rows.suite.tables[table].columns[by].ty).unwrap_or(table);
                column
            }
            Query::Sum { column, .. } | Query::Names { column, .. } | Query::Apart { column, .. } => column,
            Query::Extreme { extremum, .. } => &extremum.column,
            Query::Count(_) => return Ok((table, 0)),
        };
        Ok((table, column_id(&rows.suite.tables[table], column)?))
    };
    match place() {
        Ok((table, column)) => {
            rows.table(table).iter().map(|r| r[column].clone()).filter(|v| *v != Value::None).collect()
        }
        Err(_) => Vec::new(),
    }
}

fn neighbour(bench: &Bench<'_>, rows: Rows<'_>, query: &Query, right: &Answer) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::NeighbourAnswer);
    let mut wrong: Vec<Json> = match right {
        // Next to a computed number lie the numbers next to it.
        Answer::Integer(n) if !matches!(query, Query::Lookup { .. } | Query::Extreme { .. }) => {
            vec![json!(n - 1), json!(n + 1)]
        }
        Answer::Texts(texts) => {
            let mut fewer = texts.clone();
            fewer.pop();
            let mut other = texts.clone();
            let stranger = candidates(rows, query).into_iter().find_map(|v| match v {
                Value::Str(text) if !texts.contains(&text) => Some(text),
                _ => None,
            });
            if let (Some(last), Some(stranger)) = (other.last_mut(), &stranger) {
                *last = stranger.clone();
            }
            let mut more = texts.clone();
            more.extend(stranger);
            [fewer, other, more].into_iter().filter(|t| t != texts).map(|t| json!(t)).collect()
        }
        _ => {
            let mut all = candidates(rows, query);
            // The nearest values first, where they are amounts.
            let own = match right {
                Answer::Integer(n) | Answer::Money(n) => Some(*n),
                Answer::Date(day) => Some(i64::from(*day)),
                _ => None,
            };
            if let Some(own) = own {
                all.sort_by_key(|v| number(v).map_or(i64::MAX, |n| (n - own).abs()));
            }
            all.into_iter().filter_map(submitted).collect()
        }
    };
    if let (Answer::Money(cents), true) = (right, wrong.is_empty()) {
        wrong = vec![answer::shown(&Answer::Money(cents + 1))];
    }
    wrong.retain(|w| !answer::matches(right, w));
    wrong.dedup();
    for value in wrong.into_iter().take(NEIGHBOURS) {
        tally.count(score(bench, &value)?, &|| value.to_string())?;
    }
    Ok(tally.done("no neighbour has another value"))
}

/// Every condition left out once, and the extremum turned round.
fn off_by_one(bench: &Bench<'_>, rows: Rows<'_>, query: &Query, right: &Answer) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::OffByOneFilter);
    for (position, description) in query.descriptions().into_iter().enumerate() {
        let table = table_id(rows.suite, &description.table)?;
        let called: Vec<&str> = called_columns(&rows.suite.tables[table])
            .into_iter()
            .map(|c| rows.suite.tables[table].columns[c].name.as_str())
            .collect();
        for index in 0..description.conditions.len() {
            let mut looser = description.clone();
            let dropped = looser.conditions.remove(index);
            let Some(wrong) = under(rows, query, position, &looser, right) else {
                // One of the names in `the loan of ... to ...` may be more than is needed; people say both.
                if !called.contains(&dropped.column.as_str()) {
                    tally.equivalent();
                }
                continue;
            };
            let wrong = answer::shown(&wrong);
            tally.count(score(bench, &wrong)?, &|| format!("without the condition on {}: {wrong}", dropped.column))?;
        }
        if let Some(extremum) = &description.extremum {
            let mut turned = description.clone();
            turned.extremum = Some(crate::tasks::goal::Extremum { greatest: !extremum.greatest, ..extremum.clone() });
            if let Some(wrong) = under(rows, query, position, &turned, right) {
                let wrong = answer::shown(&wrong);
                tally.count(score(bench, &wrong)?, &|| format!("the other end of {}: {wrong}", extremum.column))?;
            }
        }
    }
    Ok(tally.done("every looser filter leads to the same rows"))
}

/// The answer with one description replaced. For one row that is no longer the only one: that of a row that now matches too.
/// `None` when the same rows match.
fn under(rows: Rows<'_>, query: &Query, position: usize, description: &Description, right: &Answer) -> Option<Answer> {
    let original = query.descriptions()[position].clone();
    let mut changed = query.clone();
    if original.many {
        let (before, after) = (rows.matching(&original).ok()?, rows.matching(description).ok()?);
        if before.len() == after.len() {
            return None;
        }
        *changed.descriptions_mut().into_iter().nth(position)? = description.clone();
        return rows.answer(&changed).ok();
    }
    let set = Description { many: true, ..description.clone() };
    let own = rows.one(&original).ok()?;
    // With an extremum the looser set has one row of its own.
    let others: Vec<Value> =
        rows.matching(&set).ok()?.into_iter().filter(|r| r[0] != own[0]).map(|r| r[0].clone()).collect();
    let answers = others.into_iter().filter_map(|key| {
        let only = Description {
            table: original.table.clone(),
            conditions: vec![crate::tasks::goal::Condition {
                column: "id".to_owned(),
                test: crate::tasks::goal::Test::Is(key),
            }],
            extremum: None,
            many: false,
        };
        let mut changed = query.clone();
        *changed.descriptions_mut().into_iter().nth(position)? = only;
        rows.answer(&changed).ok()
    });
    let answers: Vec<Answer> = answers.collect();
    answers.iter().find(|a| *a != right).or(answers.first()).cloned()
}

fn all_candidates(bench: &Bench<'_>, rows: Rows<'_>, query: &Query, right: &Answer) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ListAllCandidates);
    let mut all: Vec<Json> = candidates(rows, query).into_iter().filter_map(submitted).collect();
    if let (Query::Count(_) | Query::Sum { .. } | Query::Apart { .. }, Answer::Integer(n)) = (query, right) {
        all = (0..=n + 2).take(CANDIDATES_MAX).map(|n| json!(n)).collect();
    }
    all.sort_by_key(Json::to_string);
    all.dedup();
    all.truncate(CANDIDATES_MAX);
    let shown = answer::shown(right);
    if !shown.is_array() && !all.contains(&shown) {
        all.push(shown);
    }
    if all.len() > 1 {
        let list = Json::Array(all);
        if !answer::matches(right, &list) || matches!(right, Answer::Texts(_)) {
            tally.count(score(bench, &list)?, &|| list.to_string())?;
        }
    }
    Ok(tally.done("there is one candidate only"))
}

fn common(bench: &Bench<'_>, rows: Rows<'_>, query: &Query, right: &Answer) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::CommonAnswer);
    let mut counts: BTreeMap<String, (usize, Json)> = BTreeMap::new();
    let mut put = |value: Json| {
        let entry = counts.entry(value.to_string()).or_insert((0, value));
        entry.0 += 1;
    };
    match query {
        Query::Count(of) => {
            // How many rows share a value of the first condition's column: what such counts usually are.
            let table = table_id(rows.suite, &of.table)?;
            let column = match of.conditions.first() {
                Some(condition) => column_id(&rows.suite.tables[table], &condition.column)?,
                None => 0,
            };
            let mut groups: BTreeMap<String, usize> = BTreeMap::new();
            for row in rows.table(table) {
                *groups.entry(format!("{:?}", row[column])).or_default() += 1;
            }
            groups.values().for_each(|n| put(json!(n)));
        }
        _ => candidates(rows, query).into_iter().filter_map(submitted).for_each(&mut put),
    }
    let most = counts.values().map(|(n, _)| *n).max().unwrap_or(0);
    // Where every value occurs once none is common: any other one stands for the guess.
    let guess = counts
        .values()
        .filter(|(n, _)| *n == most)
        .map(|(_, v)| v)
        .find(|v| most > 1 || !answer::matches(right, v))
        .cloned();
    if let Some(guess) = guess {
        tally.count(score(bench, &guess)?, &|| guess.to_string())?;
    }
    Ok(tally.done("no other value"))
}

fn spelling(bench: &Bench<'_>, right: &Answer) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::EquivalentSpelling);
    let shown = answer::shown(right);
    let others: Vec<Json> = match right {
        Answer::Integer(n) => vec![json!(n.to_string()), json!([n])],
        Answer::Money(_) => vec![json!(format!("${}", shown.as_str().unwrap_or_default())), json!([shown])],
        Answer::Date(_) => vec![json!(format!(" {} ", shown.as_str().unwrap_or_default())), json!([shown])],
        Answer::Text(text) => vec![json!(text.to_uppercase()), json!(format!("“{text}”")), json!(format!("  {text} "))],
        Answer::Texts(texts) => {
            let mut turned = texts.clone();
            turned.reverse();
            vec![json!(turned), json!(texts.iter().map(|t| t.to_uppercase()).collect::<Vec<_>>())]
        }
        Answer::Refusal { .. } | Answer::Each(_) | Answer::Plan(_) => Vec::new(),
    };
    for other in others {
        tally.count(score(bench, &other)?, &|| other.to_string())?;
    }
    Ok(tally.done("one spelling only"))
}

pub(super) fn extra_write(bench: &mut Bench<'_>, right: &Answer, dice: &mut Dice) -> Verdict<MutantRuns> {
    let fault = |e: terrarium_envs::Error| Reject::new("fault", e.to_string());
    let mut tally = Tally::new(Mutator::AnswerExtraWrite);
    let shown = answer::shown(right);
    let start = dice.below(bench.spares.len());
    let mut done = 0;
    for offset in 0..bench.spares.len() {
        let spare = &bench.spares[(start + offset) % bench.spares.len()];
        let Some(call) = shown_call(bench.stage.suite, bench.surface, spare.tool, &spare.given) else { continue };
        bench.begin()?;
        if !bench.runner.call(&call).map_err(fault)?.is_ok() {
            continue;
        }
        tally.count(score(bench, &shown)?, &|| format!("after {}", call.name))?;
        done += 1;
        if done == EXTRA_WRITES {
            break;
        }
    }
    Ok(tally.done("no write is accepted"))
}

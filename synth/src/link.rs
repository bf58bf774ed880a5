//! Environments over two or three linked suites: which suites go together, and the suite that they make. Two suites can be linked
//! where each has a table of people, or of companies, told apart by name; in a linked world some of them are the same.

use crate::error::{Error, Result};
use crate::library::ParsedSuite;
use crate::say::grammar::{article, capital};
use crate::seed::Dice;
use crate::tasks::across::Link;
use crate::tasks::columns::naming_column;
use crate::tasks::goal::{Goal, Step};
use crate::vary::data::inner;
use crate::vary::{Draw, Part, Recipe};
use std::borrow::Cow;
use std::collections::BTreeSet;
use terrarium_tools::Suite;
use terrarium_tools::join::{Joined, join};
use terrarium_tools::suite::Source;
use terrarium_tools::types::TableId;

/// Environments of a hundred with few tools, for models with a short context: these are never linked.
const POCKET_PERCENT: u32 = 15;
/// Of the others, those over several suites, where there is a suite to link with.
const LINKED_PERCENT: u32 = 82;
/// Of these, those over three.
const THREE_PERCENT: u32 = 8;

/// The suite that an environment candidate is made from.
pub struct Stock<'a> {
    /// One of the library, or several as one.
    pub parsed: Cow<'a, ParsedSuite>,
    /// What it was put together from; empty for one suite alone.
    pub parts: Vec<Part>,
    /// Tables that share people or companies, by name.
    pub links: Vec<(String, String)>,
    /// Whether the environment is to have few tools.
    pub pocket: bool,
}

/// The stock of a candidate: the suites in turn, with partners of the same split.
pub fn stock<'a>(suites: &'a [ParsedSuite], seed: u64, draw: Draw) -> Stock<'a> {
    let first = &suites[(draw.index % suites.len() as u64) as usize];
    let mut dice = Dice::new(seed, &format!("link/{}", draw.name()));
    let pocket = dice.percent(POCKET_PERCENT);
    let alone = Stock { parsed: Cow::Borrowed(first), parts: Vec::new(), links: Vec::new(), pocket };
    if pocket || !dice.percent(LINKED_PERCENT) {
        return alone;
    }
    let wanted = if dice.percent(THREE_PERCENT) { 3 } else { 2 };
    let mut others: Vec<&ParsedSuite> =
        suites.iter().filter(|s| s.split == first.split && s.suite.name != first.suite.name).collect();
    dice.shuffle(&mut others);
    let mut parts = vec![first];
    let mut ties: Vec<(TableId, usize, TableId)> = Vec::new();
    for other in others {
        let ways = namesakes(&first.suite, &other.suite);
        // A third suite shares the people that the first two share.
        let ways: Vec<_> = ways.into_iter().filter(|w| ties.first().is_none_or(|t| t.0 == w.0)).collect();
        if let Some((here, there)) = dice.pick(&ways) {
            ties.push((*here, parts.len(), *there));
            parts.push(other);
        }
        if parts.len() == wanted {
            break;
        }
    }
    if parts.len() < 2 {
        return alone;
    }
    let (parsed, joined) = joined(&parts, &ties);
    let name = |table: TableId| joined.suite.tables[table].name.clone();
    let links = ties.iter().map(|(here, part, there)| (name(*here), name(joined.tables[*part].start + there)));
    Stock { links: links.collect(), parts: parts_of(&parts), parsed: Cow::Owned(parsed), pocket }
}

/// The suite of a recipe, put together again where it was linked.
///
/// # Errors
/// [`Error::Options`] when a suite is missing or has another text than the recipe was made from.
pub fn suite_of<'a>(suites: &'a [ParsedSuite], recipe: &Recipe) -> Result<Cow<'a, ParsedSuite>> {
    let find = |slug: &str, digest: &str| match suites.iter().find(|s| s.suite.name == slug) {
        None => Err(Error::Options(format!("the library has no suite `{slug}`"))),
        Some(found) if found.digest != digest => {
            Err(Error::Options(format!("the environment was made from another text of suite `{slug}`")))
        }
        Some(found) => Ok(found),
    };
    if recipe.parts.is_empty() {
        return Ok(Cow::Borrowed(find(&recipe.suite, &recipe.source)?));
    }
    let parts = recipe.parts.iter().map(|p| find(&p.suite, &p.source)).collect::<Result<Vec<_>>>()?;
    let whole = join(&recipe.suite, &parts.iter().map(|p| &p.suite).collect::<Vec<_>>());
    let position = |name: &String| whole.suite.tables.iter().position(|t| t.name == *name);
    let ties: Option<Vec<_>> = recipe
        .data
        .links
        .iter()
        .map(|(here, there)| {
            let there = position(there)?;
            let part = whole.tables.iter().position(|range| range.contains(&there))?;
            Some((position(here)?, part, there - whole.tables[part].start))
        })
        .collect();
    let Some(ties) = ties else { return Err(Error::Options(format!("`{}` has no such links", recipe.suite))) };
    Ok(Cow::Owned(joined(&parts, &ties).0))
}

fn parts_of(parts: &[&ParsedSuite]) -> Vec<Part> {
    let part = |p: &&ParsedSuite| Part {
        suite: p.suite.name.clone(),
        source: p.digest.clone(),
        tables: p.suite.tables.len(),
        tools: p.suite.tools.len(),
    };
    parts.iter().map(part).collect()
}

/// Tables whose rows bear a person's name but are more than one person, or too young to be a haulier as well.
const GROUPS: [&str; 3] = ["household", "foster home", "child"];

/// Suites as one. `ties` are tables of the first part with the part and table that they share people with.
fn joined(parts: &[&ParsedSuite], ties: &[(TableId, usize, TableId)]) -> (ParsedSuite, Joined) {
    let slugs: Vec<&str> = parts.iter().map(|p| p.suite.name.as_str()).collect();
    let mut whole = join(&slugs.join("-and-"), &parts.iter().map(|p| &p.suite).collect::<Vec<_>>());
    for (here, part, there) in ties {
        let there = whole.tables[*part].start + there;
        let tables = &mut whole.suite.tables;
        // Whose records are meant must be said: `the patient Ann Lee` is also `the library member Ann Lee`.
        for table in [*here, there] {
            let name = naming_column(&tables[table]).map(|c| tables[table].columns[c].name.clone()).unwrap_or_default();
            tables[table].called = format!("the {} {{{name}}}", tables[table].label);
        }
        let who = if is_person(&tables[there]) { "person" } else { "company" };
        let line = format!(
            "\n{} {} and {} {} with the same name are the same {who}.",
            capital(article(&tables[*here].label)),
            tables[*here].label,
            article(&tables[there].label),
            tables[there].label
        );
        whole.suite.policy.push_str(&line);
    }
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.digest.as_bytes());
    }
    let digest = hasher.finalize().to_hex().as_str()[..16].to_owned();
    let mut modules: Vec<String> = parts.iter().flat_map(|p| p.modules.iter().cloned()).collect();
    modules.sort_unstable();
    modules.dedup();
    let parsed = ParsedSuite { suite: whole.suite.clone(), digest, modules, split: parts[0].split };
    (parsed, whole)
}

fn is_person(table: &terrarium_tools::suite::Table) -> bool {
    naming_column(table).is_some_and(|c| *inner(&table.columns[c].source) == Source::PersonName)
}

/// Pairs of tables, one of each suite, whose rows are people or companies told apart by name and found by a tool.
fn namesakes(a: &Suite, b: &Suite) -> Vec<(TableId, TableId)> {
    let tables = |suite: &Suite| -> Vec<(TableId, bool)> {
        let named = suite.tables.iter().enumerate().filter_map(|(t, table)| {
            // A crew called by its leader is not that person, nor is a reservation or a household.
            let named = |c: &usize| {
                let column = &table.columns[*c];
                column.unique && column.name == "name" && column.label == "name" && !GROUPS.contains(&&*table.label)
            };
            let column = naming_column(table).filter(named)?;
            let kind = match table.columns[column].source {
                Source::PersonName => true,
                Source::CompanyName => false,
                _ => return None,
            };
            let found = suite.tools.iter().any(|tool| {
                tool.finds
                    .as_ref()
                    .is_some_and(|f| f.table == t && !f.single && f.shows.iter().any(|(c, _)| *c == column))
            });
            found.then_some((t, kind))
        });
        named.collect()
    };
    let (here, there) = (tables(a), tables(b));
    let pairs = here.iter().flat_map(|(t, kind)| there.iter().filter(move |o| o.1 == *kind).map(|o| (*t, o.0)));
    pairs.collect()
}

/// The links of a recipe, seen from either side.
pub fn links(suite: &Suite, recipe: &Recipe) -> Vec<Link> {
    let mut all = Vec::new();
    for (here, there) in &recipe.data.links {
        let find = |name: &String| {
            let table = suite.tables.iter().position(|t| t.name == *name)?;
            Some((table, naming_column(&suite.tables[table])?))
        };
        if let (Some((table, column)), Some((other, other_column))) = (find(here), find(there)) {
            all.push(Link { table, column, other, other_column });
            all.push(Link { table: other, column: other_column, other: table, other_column: column });
        }
    }
    all
}

/// Which part of a linked suite something stands in, by how many each part has.
fn part_of(index: usize, sizes: impl Iterator<Item = usize>) -> usize {
    let mut end = 0;
    sizes
        .take_while(|size| {
            end += size;
            end <= index
        })
        .count()
}

/// The suites that a goal needs, by its tools and tables.
pub fn parts_needed(suite: &Suite, parts: &[Part], goal: &Goal) -> usize {
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    for description in goal.descriptions() {
        description.walk(&mut |d| {
            let table = suite.tables.iter().position(|t| t.name == d.table);
            needed.extend(table.map(|t| part_of(t, parts.iter().map(|p| p.tables))));
        });
    }
    let tool = |name: &str| {
        let tool = suite.tools.iter().position(|t| t.name == name);
        tool.map(|t| part_of(t, parts.iter().map(|p| p.tools)))
    };
    for part in goal.parts() {
        match part {
            Goal::Act(steps) | Goal::Repair(steps) => {
                needed.extend(steps.iter().flat_map(Step::calls).filter_map(|c| tool(&c.tool)));
            }
            Goal::Policy(case) => needed.extend(tool(&case.request.tool)),
            Goal::Ask(_) | Goal::Plan(_) | Goal::Long(_) => {}
        }
    }
    needed.len()
}

/// The suites whose tools a solution uses, by number.
pub fn parts_used(parts: &[Part], tools: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    tools.map(|t| part_of(t, parts.iter().map(|p| p.tools))).collect()
}

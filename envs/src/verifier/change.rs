//! Compares the net change of a world with the expected one.
//!
//! Rows that exist before the episode are found by key. Rows created in it have keys that the agent's way of working decides, so
//! expected and actual inserts are matched by a bijection under which every exact column is equal and every reference between
//! created rows leads to the row that the expectation names. Rows that refer to each other are matched by backtracking with the
//! fewest candidates first; rows that do not, by bipartite matching (augmenting paths). Whatever changed beyond the expectation
//! fails the check `nothing else changed`.

use super::{Check, Expected, ExpectedChange, ExpectedUpdate, broken};
use crate::error::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_sandbox::{Row, RowUpdate, StateDiff};

/// Steps of the backtracking search before it is given up as an error of the verifier.
pub const STEPS_MAX: usize = 200_000;

/// A row that was inserted.
struct Inserted<'a> {
    table: &'a str,
    key: &'a str,
    row: &'a Row,
    /// How many other new rows hold its key, by (table, column).
    referrers: BTreeMap<(&'a str, &'a str), usize>,
}

/// Every check of the expected change, in the order inserts, updates, deletes, `nothing else changed`.
pub(super) fn check(expected: &ExpectedChange, diff: &StateDiff) -> Result<Vec<Check>> {
    let actual = inserted_rows(expected, diff);
    let updated: BTreeMap<(&str, &str), &RowUpdate> =
        diff.tables.iter().flat_map(|t| t.updated.iter().map(|u| ((t.table.as_str(), u.key.as_str()), u))).collect();
    let deleted: BTreeSet<(&str, &str)> =
        diff.tables.iter().flat_map(|t| t.deleted.iter().map(|r| (t.table.as_str(), key_of(r)))).collect();
    let matching = Matching::find(expected, &actual, &updated)?;
    let mut checks = Vec::new();
    let mut extra = Vec::new();

    for (index, insert) in expected.inserted.iter().enumerate() {
        let detail = matching.failure(expected, &actual, index);
        checks.push(outcome(format!("insert {} #{}", insert.table, insert.name), detail));
    }
    for (index, row) in actual.iter().enumerate() {
        if !matching.used[index] {
            extra.push(format!("inserted {} {}", row.table, row.key));
        }
    }
    for update in &expected.updated {
        let found = updated.get(&(update.table.as_str(), update.key.as_str())).copied();
        let detail = match found {
            None if update.columns.iter().all(|(_, e)| *e == Expected::Free) => None,
            None if deleted.contains(&(update.table.as_str(), update.key.as_str())) => {
                Some("it was deleted".to_owned())
            }
            None => Some("it did not change".to_owned()),
            Some(row) => update_failure(update, row, &|name| matching.key(expected, &actual, name)),
        };
        checks.push(outcome(format!("update {} {}", update.table, update.key), detail));
    }
    for (table, key) in updated.keys() {
        if !expected.updated.iter().any(|u| u.table == *table && u.key == *key) {
            extra.push(format!("updated {table} {key}"));
        }
    }
    for delete in &expected.deleted {
        let gone = deleted.contains(&(delete.table.as_str(), delete.key.as_str()));
        checks.push(outcome(
            format!("delete {} {}", delete.table, delete.key),
            (!gone).then(|| "it is still there".to_owned()),
        ));
    }
    for (table, key) in &deleted {
        if !expected.deleted.iter().any(|d| d.table == *table && d.key == *key) {
            extra.push(format!("deleted {table} {key}"));
        }
    }
    checks.push(outcome("nothing else changed".to_owned(), (!extra.is_empty()).then(|| list(&extra))));
    Ok(checks)
}

fn outcome(name: String, failure: Option<String>) -> Check {
    Check { name, passed: failure.is_none(), detail: failure.unwrap_or_default() }
}

fn list(items: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(" and {} more", items.len() - SHOWN));
    }
    text
}

fn key_of(row: &Row) -> &str {
    row.get("id").or_else(|| row.values().next()).and_then(Value::as_str).unwrap_or_default()
}

fn inserted_rows<'a>(expected: &'a ExpectedChange, diff: &'a StateDiff) -> Vec<Inserted<'a>> {
    let mut rows: Vec<Inserted<'a>> = diff
        .tables
        .iter()
        .flat_map(|t| t.inserted.iter().map(|row| (t.table.as_str(), row)))
        .map(|(table, row)| Inserted { table, key: key_of(row), row, referrers: BTreeMap::new() })
        .collect();
    let mut columns: Vec<(&str, &str)> = Vec::new();
    for insert in &expected.inserted {
        for (column, value) in &insert.columns {
            if matches!(value, Expected::Created(name) if *name != insert.name) {
                columns.push((insert.table.as_str(), column.as_str()));
            }
        }
    }
    columns.sort_unstable();
    columns.dedup();
    for (table, column) in columns {
        let held: Vec<&str> = rows
            .iter()
            .filter(|r| r.table == table)
            .filter_map(|r| r.row.get(column).and_then(Value::as_str))
            .collect();
        for row in &mut rows {
            let count = held.iter().filter(|key| **key == row.key).count();
            if count > 0 {
                row.referrers.insert((table, column), count);
            }
        }
    }
    rows
}

/// Whether two JSON values are the same value; `1` and `1.0` are, an absent column is `null`.
fn same(a: Option<&Value>, b: &Value) -> bool {
    let a = a.unwrap_or(&Value::Null);
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || (x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64() && x.as_f64().is_some())
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(Some(x), y)),
        _ => a == b,
    }
}

fn update_failure<'k>(
    update: &ExpectedUpdate,
    row: &RowUpdate,
    created: &dyn Fn(&str) -> Option<&'k str>,
) -> Option<String> {
    let mut wrong = Vec::new();
    for (column, expected) in &update.columns {
        let now = row.after.get(column);
        let want = match expected {
            Expected::Free => continue,
            Expected::Exact(value) => value.clone(),
            Expected::Created(name) => match created(name) {
                Some(key) => Value::from(key),
                None => {
                    wrong.push(format!("{column} must be the new row {name}, which was not found"));
                    continue;
                }
            },
        };
        match now {
            None => wrong.push(format!("{column} did not change, expected {want}")),
            Some(value) if !same(now, &want) => wrong.push(format!("{column} is {value}, expected {want}")),
            Some(_) => {}
        }
    }
    for (column, value) in &row.after {
        let changed = !same(row.before.get(column), value);
        if changed && !update.columns.iter().any(|(c, _)| c == column) {
            wrong.push(format!("{column} also changed, to {value}"));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// The bijection between expected and actual inserts, or the best that could be had.
struct Matching {
    /// Actual row of each expected insert.
    assigned: Vec<Option<usize>>,
    /// Whether it fits.
    fits: Vec<bool>,
    /// Actual rows that an expected insert stands for (well or badly).
    used: Vec<bool>,
}

impl Matching {
    fn find(
        expected: &ExpectedChange,
        actual: &[Inserted<'_>],
        updated: &BTreeMap<(&str, &str), &RowUpdate>,
    ) -> Result<Self> {
        if expected.inserted.is_empty() {
            return Ok(Matching { assigned: Vec::new(), fits: Vec::new(), used: vec![false; actual.len()] });
        }
        // References from updated rows pin created rows to keys. If no matching agrees with them, they are judged on their own.
        let mut pins: Vec<(&str, &str)> = Vec::new();
        for update in &expected.updated {
            let Some(row) = updated.get(&(update.table.as_str(), update.key.as_str())) else { continue };
            for (column, value) in &update.columns {
                if let (Expected::Created(name), Some(key)) = (value, row.after.get(column).and_then(Value::as_str)) {
                    pins.push((name, key));
                }
            }
        }
        for pins in [&pins[..], &[]] {
            let mut search = Search::new(expected, actual, pins);
            if let Some(assigned) = search.run()? {
                let mut used = vec![false; actual.len()];
                for a in &assigned {
                    used[*a] = true;
                }
                let fits = vec![true; assigned.len()];
                return Ok(Matching { assigned: assigned.into_iter().map(Some).collect(), fits, used });
            }
            if pins.is_empty() {
                return Ok(search.best());
            }
        }
        unreachable!("the loop ends with the empty list of pins")
    }

    fn key<'a>(&self, expected: &ExpectedChange, actual: &[Inserted<'a>], name: &str) -> Option<&'a str> {
        let index = expected.inserted.iter().position(|i| i.name == name)?;
        self.assigned[index].map(|a| actual[a].key)
    }

    fn failure(&self, expected: &ExpectedChange, actual: &[Inserted<'_>], index: usize) -> Option<String> {
        if self.fits[index] {
            return None;
        }
        let insert = &expected.inserted[index];
        let Some(row) = self.assigned[index].map(|a| &actual[a]) else {
            return Some(format!("no new {} fits", insert.table));
        };
        let mut wrong = Vec::new();
        for (column, value) in &insert.columns {
            if let Expected::Exact(value) = value
                && !same(row.row.get(column), value)
            {
                wrong.push(format!("{column} is {}, expected {value}", row.row.get(column).unwrap_or(&Value::Null)));
            }
        }
        if wrong.is_empty() {
            wrong.push("its references to other new rows do not fit".to_owned());
        }
        Some(format!("{} {}: {}", row.table, row.key, wrong.join("; ")))
    }
}

/// The search for a bijection.
struct Search<'a> {
    expected: &'a ExpectedChange,
    actual: &'a [Inserted<'a>],
    /// Actual rows that each expected insert may stand for.
    candidates: Vec<Vec<usize>>,
    /// References between expected inserts: (from, column, to).
    references: Vec<(usize, &'a str, usize)>,
    /// Expected inserts with a reference from or to another.
    linked: Vec<usize>,
    assigned: Vec<Option<usize>>,
    used: Vec<bool>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(expected: &'a ExpectedChange, actual: &'a [Inserted<'a>], pins: &[(&str, &str)]) -> Self {
        let names: BTreeMap<&str, usize> =
            expected.inserted.iter().enumerate().map(|(i, insert)| (insert.name.as_str(), i)).collect();
        let mut references = Vec::new();
        let mut referrers: Vec<BTreeMap<(&str, &str), usize>> = vec![BTreeMap::new(); expected.inserted.len()];
        for (from, insert) in expected.inserted.iter().enumerate() {
            for (column, value) in &insert.columns {
                if let Expected::Created(name) = value
                    && *name != insert.name
                {
                    let to = names[name.as_str()];
                    references.push((from, column.as_str(), to));
                    *referrers[to].entry((insert.table.as_str(), column.as_str())).or_default() += 1;
                }
            }
        }
        let candidates = expected
            .inserted
            .iter()
            .enumerate()
            .map(|(index, insert)| {
                let fits = |row: &Inserted<'_>| {
                    row.table == insert.table
                        && pins.iter().all(|(name, key)| *name != insert.name || *key == row.key)
                        && row.row.keys().all(|column| insert.columns.iter().any(|(c, _)| c == column))
                        && insert.columns.iter().all(|(column, value)| match value {
                            Expected::Free => true,
                            Expected::Exact(value) => same(row.row.get(column), value),
                            Expected::Created(name) if *name == insert.name => {
                                row.row.get(column).and_then(Value::as_str) == Some(row.key)
                            }
                            Expected::Created(name) => {
                                let table = &expected.inserted[names[name.as_str()]].table;
                                let key = row.row.get(column).and_then(Value::as_str);
                                actual.iter().any(|other| other.table == *table && Some(other.key) == key)
                            }
                        })
                        && referrers[index]
                            .iter()
                            .all(|(place, count)| row.referrers.get(place).is_some_and(|found| found >= count))
                };
                (0..actual.len()).filter(|a| fits(&actual[*a])).collect()
            })
            .collect();
        let mut linked: Vec<usize> = references.iter().flat_map(|(from, _, to)| [*from, *to]).collect();
        linked.sort_unstable();
        linked.dedup();
        let assigned = vec![None; expected.inserted.len()];
        Search { expected, actual, candidates, references, linked, assigned, used: vec![false; actual.len()], steps: 0 }
    }

    /// The actual row of each expected insert, if there is a bijection into the actual rows.
    fn run(&mut self) -> Result<Option<Vec<usize>>> {
        let everyone: Vec<usize> = (0..self.candidates.len()).collect();
        if self.match_freely(&everyone).iter().any(Option::is_none) || !self.assign_linked()? {
            return Ok(None);
        }
        let single: Vec<usize> = everyone.into_iter().filter(|e| self.linked.binary_search(e).is_err()).collect();
        for (e, a) in single.iter().zip(self.match_freely(&single)) {
            self.assigned[*e] = a;
        }
        Ok(self.assigned.iter().copied().collect())
    }

    /// Assigns the linked rows so that the single ones can still be matched.
    fn assign_linked(&mut self) -> Result<bool> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return broken(format!("matching the created rows took more than {STEPS_MAX} steps"));
        }
        let open = self.linked.iter().filter(|e| self.assigned[**e].is_none()).copied();
        let Some((e, choices)) = open.map(|e| (e, self.choices(e))).min_by_key(|(e, choices)| (choices.len(), *e))
        else {
            let single: Vec<usize> =
                (0..self.candidates.len()).filter(|e| self.linked.binary_search(e).is_err()).collect();
            return Ok(self.match_freely(&single).iter().all(Option::is_some));
        };
        for a in choices {
            self.assigned[e] = Some(a);
            self.used[a] = true;
            if self.assign_linked()? {
                return Ok(true);
            }
            self.assigned[e] = None;
            self.used[a] = false;
        }
        Ok(false)
    }

    /// The actual rows that `e` may still take, given what is assigned.
    fn choices(&self, e: usize) -> Vec<usize> {
        let holds = |from: usize, column: &str, to: usize| {
            self.actual[from].row.get(column).and_then(Value::as_str) == Some(self.actual[to].key)
        };
        let fits = |a: usize| {
            !self.used[a]
                && self.references.iter().all(|(from, column, to)| {
                    if *from == e {
                        match self.assigned[*to] {
                            Some(b) => holds(a, column, b),
                            None => {
                                self.candidates[*to].iter().any(|b| !self.used[*b] && *b != a && holds(a, column, *b))
                            }
                        }
                    } else if *to == e {
                        self.assigned[*from].is_none_or(|b| holds(b, column, a))
                    } else {
                        true
                    }
                })
        };
        self.candidates[e].iter().copied().filter(|a| fits(*a)).collect()
    }

    /// A greatest matching of the given expected rows with unused actual ones, references left aside: augmenting paths.
    fn match_freely(&self, rows: &[usize]) -> Vec<Option<usize>> {
        let mut owner: Vec<Option<usize>> = vec![None; self.actual.len()];
        for position in 0..rows.len() {
            let mut seen = vec![false; self.actual.len()];
            self.augment(rows, position, &mut owner, &mut seen);
        }
        let mut taken = vec![None; rows.len()];
        for (a, position) in owner.iter().enumerate() {
            if let Some(position) = position {
                taken[*position] = Some(a);
            }
        }
        taken
    }

    fn augment(&self, rows: &[usize], position: usize, owner: &mut [Option<usize>], seen: &mut [bool]) -> bool {
        for a in &self.candidates[rows[position]] {
            if self.used[*a] || seen[*a] {
                continue;
            }
            seen[*a] = true;
            if owner[*a].is_none_or(|other| self.augment(rows, other, owner, seen)) {
                owner[*a] = Some(position);
                return true;
            }
        }
        false
    }

    /// When there is no bijection: which inserts can be called done, and which actual row each failed one stands for.
    fn best(&self) -> Matching {
        let everyone: Vec<usize> = (0..self.candidates.len()).collect();
        let mut assigned = self.match_freely(&everyone);
        let complete = assigned.iter().all(Option::is_some);
        let fits = (0..assigned.len())
            .map(|e| assigned[e].is_some() && !(complete && self.linked.binary_search(&e).is_ok()))
            .collect();
        let mut used = vec![false; self.actual.len()];
        assigned.iter().flatten().for_each(|a| used[*a] = true);
        for e in everyone {
            if assigned[e].is_some() {
                continue;
            }
            let insert = &self.expected.inserted[e];
            let likeness = |a: usize| {
                let row = self.actual[a].row;
                insert.columns.iter().filter(|(c, v)| matches!(v, Expected::Exact(v) if same(row.get(c), v))).count()
            };
            let free = (0..self.actual.len()).filter(|a| !used[*a] && self.actual[*a].table == insert.table);
            if let Some(a) = free.max_by_key(|a| (likeness(*a), usize::MAX - *a)) {
                assigned[e] = Some(a);
                used[a] = true;
            }
        }
        Matching { assigned, fits, used }
    }
}

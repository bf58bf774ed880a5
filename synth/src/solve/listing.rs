//! Listings: which read tool shows the rows wanted, over all its pages, and what is learned from them.
//!
//! Which rows a read tool returns for which arguments is taken from its declared meaning (`finds`), results are read as JSON.

use crate::solve::effort::CALLS_MAX;
use crate::solve::filter::{Filter, implied};
use crate::solve::known::Found;
use crate::solve::toolbox::{Given, Toolbox};
use crate::solve::trace::Origin;
use crate::tasks::goal::Test;
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::target;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use terrarium_tools::suite::{Finds, Relation};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::{Value, from_json};

/// Keys that one listing is repeated for.
const FAN_OUT_MAX: usize = 12;

/// Rows that a listing showed.
pub struct Listing {
    /// Keys and calls.
    pub found: Found,
    /// Positions of the filters that the tool applied exactly.
    pub applied: BTreeSet<usize>,
}

/// How a listing tool is used for some filters.
struct Usage {
    tool: usize,
    given: Vec<Given>,
    applied: BTreeSet<usize>,
    used: usize,
    /// Parameter that is given each of several keys in turn.
    fan_out: Option<(usize, Found)>,
    calls: BTreeSet<usize>,
    hidden: usize,
}

impl Toolbox<'_> {
    /// Rows of a table by the listing tool that fits the filters best. `wanted` are columns that the caller will look at.
    ///
    /// # Errors
    /// `unreachable` where no tool lists the table under what is known.
    pub fn search(&mut self, table: TableId, filters: &[Filter], wanted: &BTreeSet<usize>) -> Verdict<Listing> {
        let mut best: Option<Usage> = None;
        for index in 0..self.surface.tools.len() {
            let tool = self.surface.tools[index].tool;
            if let Some(usage) = self.usage(tool, table, filters, wanted)
                && best.as_ref().is_none_or(|b| {
                    let rank = |u: &Usage| (u.fan_out.is_some(), std::cmp::Reverse(u.used), u.hidden, u.tool);
                    rank(&usage) < rank(b)
                })
            {
                best = Some(usage);
            }
        }
        let Some(usage) = best else { return reject("unreachable", &self.suite.tables[table].name) };
        let mut found = Found { keys: Vec::new(), calls: usage.calls.clone() };
        match &usage.fan_out {
            None => self.list(usage.tool, usage.given.clone(), &usage.calls, &mut found)?,
            Some((parameter, keys)) => {
                let keys = if keys.keys.is_empty() && keys.calls.is_empty() {
                    self.all_targets(usage.tool, *parameter)?
                } else {
                    keys.clone()
                };
                if keys.keys.len() > FAN_OUT_MAX {
                    return reject("too_long", format!("{} listings", keys.keys.len()));
                }
                found.calls.extend(&keys.calls);
                for key in &keys.keys {
                    let mut given = usage.given.clone();
                    given.push(self.key_argument(usage.tool, *parameter, key, &keys));
                    let mut rests_on = usage.calls.clone();
                    rests_on.extend(&keys.calls);
                    self.list(usage.tool, given, &rests_on, &mut found)?;
                }
            }
        }
        Ok(Listing { found, applied: usage.applied })
    }

    fn all_targets(&mut self, tool: usize, parameter: usize) -> Verdict<Found> {
        let ty = &self.suite.functions[self.suite.tools[tool].function].parameters[parameter].ty;
        match target(ty) {
            Some(table) => Ok(self.search(table, &[], &BTreeSet::new())?.found),
            None => reject("unreachable", "a listing that insists on a value"),
        }
    }

    fn key_argument(&self, tool: usize, parameter: usize, key: &str, keys: &Found) -> Given {
        let ty = &self.suite.functions[self.suite.tools[tool].function].parameters[parameter].ty;
        let call = target(ty).and_then(|table| self.known.fact(table, key, 0)).map(|f| f.call);
        let origin = call.or_else(|| keys.calls.first().copied()).map_or(Origin::Prompt, Origin::Call);
        Given { parameter, value: Value::Key(key.to_owned()), origin }
    }

    /// How a tool would be used, if it can be.
    fn usage(&self, tool: usize, table: TableId, filters: &[Filter], wanted: &BTreeSet<usize>) -> Option<Usage> {
        let definition = &self.suite.tools[tool];
        let finds = definition.finds.as_ref().filter(|f| f.table == table)?;
        if !finds.shows.iter().any(|(c, _)| *c == 0) {
            return None;
        }
        let function = &self.suite.functions[definition.function];
        let mut usage = Usage {
            tool,
            given: Vec::new(),
            applied: BTreeSet::new(),
            used: 0,
            fan_out: None,
            calls: BTreeSet::new(),
            hidden: wanted.iter().filter(|c| !finds.shows.iter().any(|(s, _)| s == *c)).count(),
        };
        let mut by_unique = false;
        for (parameter, p) in function.parameters.iter().enumerate() {
            if finds.page == Some(parameter) {
                continue;
            }
            let mut given = false;
            for (_, column, relation) in finds.matches.iter().filter(|(m, _, _)| *m == parameter) {
                for (position, filter) in filters.iter().enumerate().filter(|(_, f)| f.column() == *column) {
                    match filter {
                        Filter::Keys(_, keys) if *relation == Relation::Equal && keys.keys.len() == 1 => {
                            usage.given.push(self.key_argument(tool, parameter, &keys.keys[0], keys));
                            usage.calls.extend(&keys.calls);
                            usage.applied.insert(position);
                            given = true;
                        }
                        Filter::Test(_, test) => {
                            if let Some((value, exact)) = implied(test, *relation) {
                                usage.given.push(Given { parameter, value, origin: Origin::Prompt });
                                if exact {
                                    usage.applied.insert(position);
                                }
                                given = true;
                                by_unique |= self.suite.tables[table].columns[*column].unique;
                            }
                        }
                        Filter::Values(_, shared) => {
                            if let ([(value, call)], Some((_, exact))) = (
                                &*shared.values,
                                shared.values.first().and_then(|(v, _)| implied(&Test::Is(v.clone()), *relation)),
                            ) {
                                let origin = Origin::Call(*call);
                                usage.given.push(Given { parameter, value: value.clone(), origin });
                                usage.calls.extend(&shared.calls);
                                if exact {
                                    usage.applied.insert(position);
                                }
                                given = true;
                                by_unique |= self.suite.tables[table].columns[*column].unique;
                            }
                        }
                        Filter::Keys(..) => {}
                    }
                    if given {
                        break;
                    }
                }
                if given {
                    break;
                }
            }
            if given {
                usage.used += 1;
                continue;
            }
            if matches!(p.ty, Type::Option(_)) {
                continue;
            }
            // Something it insists on: one listing for each key that may stand there.
            let column =
                finds.matches.iter().find(|(m, _, r)| *m == parameter && *r == Relation::Equal).map(|(_, c, _)| *c)?;
            if usage.fan_out.is_some() || finds.single || column == 0 || target(&p.ty).is_none() {
                return None;
            }
            let keys = filters.iter().enumerate().find_map(|(position, f)| match f {
                Filter::Keys(c, keys) if *c == column => Some((position, keys.clone())),
                _ => None,
            });
            if let Some((position, _)) = &keys {
                usage.applied.insert(*position);
            }
            usage.fan_out = Some((parameter, keys.map(|(_, k)| k).unwrap_or_default()));
        }
        (!finds.single || by_unique).then_some(usage)
    }

    /// Calls a listing tool for all its pages and learns what it shows.
    fn list(&mut self, tool: usize, given: Vec<Given>, rests_on: &BTreeSet<usize>, found: &mut Found) -> Verdict<()> {
        let suite = self.suite;
        let Some(finds) = &suite.tools[tool].finds else {
            return reject("unreachable", "no declared meaning");
        };
        let Some(page_parameter) = finds.page else {
            let (call, result) = self.call(tool, given, rests_on.clone(), false, 0)?;
            if let Some(result) = result {
                found.calls.insert(call);
                self.learn(finds, call, &result, found);
            }
            return Ok(());
        };
        let mut before: Option<usize> = None;
        for page in 1..=CALLS_MAX as i64 {
            let mut given = given.clone();
            given.push(Given { parameter: page_parameter, value: Value::Int(page), origin: Origin::Convention });
            let rests_on = before.map_or_else(|| rests_on.clone(), |call| BTreeSet::from([call]));
            let (call, result) = self.call(tool, given, rests_on, page > 1, 0)?;
            let Some(result) = result else { return Ok(()) };
            found.calls.insert(call);
            before = Some(call);
            self.learn(finds, call, &result, found);
            if result.get("more") != Some(&Json::Bool(true)) || page as usize >= self.effort.pages {
                return Ok(());
            }
        }
        reject("too_long", "pages without end")
    }

    pub(super) fn learn(&mut self, finds: &Finds, call: usize, result: &Json, found: &mut Found) {
        let items: &[Json] = match result {
            Json::Array(items) => items,
            Json::Object(_) if !finds.single => result.get("items").and_then(Json::as_array).map_or(&[], Vec::as_slice),
            Json::Null => &[],
            one => std::slice::from_ref(one),
        };
        for item in items {
            let columns: Vec<(usize, Value)> = finds
                .shows
                .iter()
                .filter_map(|(column, field)| {
                    let ty = if *column == 0 {
                        Type::Key(finds.table)
                    } else {
                        self.suite.tables[finds.table].columns[*column].ty.clone()
                    };
                    let value = from_json(self.suite, &ty, item.get(field).unwrap_or(&Json::Null)).ok()?;
                    Some((*column, value))
                })
                .collect();
            let key = columns.iter().find_map(|(column, value)| match value {
                Value::Key(key) if *column == 0 => Some(key.clone()),
                _ => None,
            });
            if let Some(key) = key {
                self.known.learn(finds.table, &key, call, columns);
                if !found.keys.contains(&key) {
                    found.keys.push(key);
                }
            }
        }
    }
}

//! The tools of an environment as the planner uses them: calls with their origins, listings over all pages, look-ups by key.
//!
//! Which rows a read tool returns for which arguments is taken from its declared meaning (`finds`), results are read as JSON.

use crate::solve::known::{Found, Known};
use crate::solve::trace::{Origin, Trace, Traced};
use crate::tasks::goal::Test;
use crate::tasks::reject::{Reject, Verdict, reject};
use crate::tasks::rows::target;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::runner::Runner;
use terrarium_envs::task::ToolCall;
use terrarium_tools::Suite;
use terrarium_tools::suite::{Effect, Finds, Relation};
use terrarium_tools::surface::Surface;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::{Value, from_json, to_json};

/// Calls of the solution of a long goal before it is given up.
pub const LONG_CALLS_MAX: usize = 48;
/// Calls of other solutions.
pub const CALLS_MAX: usize = 30;
/// Keys that one listing is repeated for.
const FAN_OUT_MAX: usize = 12;

/// How far a solver goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Calls at most.
    pub calls: usize,
    /// Pages read of one listing.
    pub pages: usize,
    /// Rows of a listing that are looked at; those beyond it are taken as they come.
    pub rows: usize,
}

impl Effort {
    /// As far as it takes: what reference solutions are made with.
    pub const FULL: Effort = Effort { calls: CALLS_MAX, pages: CALLS_MAX, rows: usize::MAX };
    /// The same for long goals.
    pub const LONG: Effort = Effort { calls: LONG_CALLS_MAX, ..Effort::FULL };
}

/// A condition with its references turned into keys.
#[derive(Clone, Debug)]
pub enum Filter {
    /// A test that needs no other row.
    Test(usize, Test),
    /// The column holds one of these keys, found by these calls.
    Keys(usize, Found),
    /// The column holds one of these values, seen in another suite's table.
    Values(usize, Shared),
}

/// Values of a column of other rows, each with the call that showed it.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Values.
    pub values: Vec<(Value, usize)>,
    /// Every call that the choice of the rows rests on.
    pub calls: BTreeSet<usize>,
}

impl Filter {
    /// The column.
    pub fn column(&self) -> usize {
        match self {
            Filter::Test(column, _) | Filter::Keys(column, _) | Filter::Values(column, _) => *column,
        }
    }
}

/// Rows that a listing showed.
pub struct Listing {
    /// Keys and calls.
    pub found: Found,
    /// Positions of the filters that the tool applied exactly.
    pub applied: BTreeSet<usize>,
}

/// An argument with where it comes from.
#[derive(Clone, Debug)]
pub struct Given {
    /// Parameter of the suite's function.
    pub parameter: usize,
    /// Value.
    pub value: Value,
    /// Its origin.
    pub origin: Origin,
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

/// The tools of one environment, one world, and everything learned from it.
pub struct Toolbox<'a> {
    /// The suite's declared meanings.
    pub suite: &'a Suite,
    /// Names shown.
    pub surface: &'a Surface,
    /// The world's date, as the system message states it.
    pub today: i32,
    /// How far to go.
    pub effort: Effort,
    /// The running world.
    pub runner: &'a mut Runner,
    /// What was learned.
    pub known: Known,
    /// What was called.
    pub trace: Trace,
    cache: BTreeMap<String, (usize, Json)>,
}

impl<'a> Toolbox<'a> {
    /// In a world at its beginning.
    ///
    /// # Errors
    /// `fault` when the world cannot be started again.
    pub fn new(suite: &'a Suite, surface: &'a Surface, today: i32, runner: &'a mut Runner) -> Verdict<Self> {
        runner.reset().map_err(|e| Reject::new("fault", e.to_string()))?;
        let (known, trace, cache) = (Known::default(), Trace::default(), BTreeMap::new());
        Ok(Toolbox { suite, surface, today, effort: Effort::FULL, runner, known, trace, cache })
    }

    /// Name shown of a parameter.
    pub fn shown_parameter(&self, tool: usize, parameter: usize) -> &str {
        let shown = self.surface.tools.iter().find(|t| t.tool == tool);
        let name =
            shown.and_then(|t| t.parameters.iter().find(|(p, _, _)| *p == parameter)).map(|(_, name, _)| name.as_str());
        name.unwrap_or_default()
    }

    /// Makes a call; a read call that was made before is not made again.
    pub fn call(
        &mut self,
        tool: usize,
        given: Vec<Given>,
        mut rests_on: BTreeSet<usize>,
        next_page: bool,
        step: usize,
    ) -> Verdict<(usize, Option<Json>)> {
        let definition = &self.suite.tools[tool];
        let function = &self.suite.functions[definition.function];
        let Some(shown) = self.surface.tools.iter().find(|t| t.tool == tool) else {
            return reject("unknown_name", &definition.name);
        };
        let mut arguments = Map::new();
        for (parameter, name, _) in &shown.parameters {
            if let Some(given) = given.iter().find(|g| g.parameter == *parameter) {
                arguments.insert(name.clone(), to_json(self.suite, &function.parameters[*parameter].ty, &given.value));
            }
        }
        let call = ToolCall { name: shown.name.clone(), arguments: Json::Object(arguments) };
        let cache_key = format!("{} {}", call.name, call.arguments);
        if !definition.writes
            && let Some((index, result)) = self.cache.get(&cache_key)
        {
            return Ok((*index, Some(result.clone())));
        }
        if self.trace.calls.len() >= self.effort.calls {
            return reject("too_long", format!("more than {} calls", self.effort.calls));
        }
        let record = self.runner.call(&call).map_err(|e| Reject::new("fault", e.to_string()))?;
        if !record.is_ok() {
            if definition.writes {
                return reject("write_refused", format!("{} {}: {}", call.name, call.arguments, record.result));
            }
            return Ok((self.trace.calls.len(), None));
        }
        let result = record.value();
        for given in &given {
            rests_on.extend(given.origin.calls());
        }
        let index = self.trace.calls.len();
        if !definition.writes {
            self.cache.insert(cache_key, (index, result.clone()));
        }
        self.trace.calls.push(Traced {
            call,
            tool,
            writes: definition.writes,
            next_page,
            arguments: given.into_iter().map(|g| (g.parameter, g.value, g.origin)).collect(),
            rests_on,
            created: None,
            links: Vec::new(),
            step,
        });
        Ok((index, Some(result)))
    }

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
        let Some(finds) = self.suite.tools[tool].finds.clone() else {
            return reject("unreachable", "no declared meaning");
        };
        let Some(page_parameter) = finds.page else {
            let (call, result) = self.call(tool, given, rests_on.clone(), false, 0)?;
            if let Some(result) = result {
                found.calls.insert(call);
                self.learn(&finds, call, &result, found);
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
            self.learn(&finds, call, &result, found);
            if result.get("more") != Some(&Json::Bool(true)) || page as usize >= self.effort.pages {
                return Ok(());
            }
        }
        reject("too_long", "pages without end")
    }

    fn learn(&mut self, finds: &Finds, call: usize, result: &Json, found: &mut Found) {
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

    /// A column of a row, looked up by its key if it was not shown yet. Gives the value and the call that shows it.
    ///
    /// # Errors
    /// `unreachable` where no tool shows it.
    pub fn column(&mut self, table: TableId, key: &str, column: usize) -> Verdict<(Value, usize)> {
        if let Some(fact) = self.known.fact(table, key, column) {
            return Ok((fact.value.clone(), fact.call));
        }
        let by_key = self.surface.tools.iter().find_map(|shown| {
            let definition = &self.suite.tools[shown.tool];
            let finds = definition.finds.as_ref()?;
            let (parameter, _, _) = finds.matches.iter().find(|(_, c, r)| *c == 0 && *r == Relation::Equal)?;
            let parameters = &self.suite.functions[definition.function].parameters;
            let insists = (0..parameters.len())
                .any(|p| p != *parameter && Some(p) != finds.page && !matches!(parameters[p].ty, Type::Option(_)));
            let fits =
                finds.table == table && finds.single && !insists && finds.shows.iter().any(|(c, _)| *c == column);
            fits.then_some((shown.tool, *parameter, finds.clone()))
        });
        if let Some((tool, parameter, finds)) = by_key {
            let origin = self.known.fact(table, key, 0).map(|f| f.call);
            // A key that was seen only in a reference was shown by whatever call showed that reference.
            let origin = origin.or_else(|| self.known_reference(table, key)).map_or(Origin::Prompt, Origin::Call);
            let given = Given { parameter, value: Value::Key(key.to_owned()), origin };
            let (call, result) = self.call(tool, vec![given], BTreeSet::new(), false, 0)?;
            if let Some(result) = result {
                self.learn(&finds, call, &result, &mut Found::default());
                // `get` tools that do not repeat the key still show the row asked for.
                let missing: Vec<(usize, Value)> = finds
                    .shows
                    .iter()
                    .filter_map(|(c, field)| {
                        let ty = &self.suite.tables[table].columns[*c].ty;
                        from_json(self.suite, ty, result.get(field)?).ok().map(|v| (*c, v))
                    })
                    .collect();
                self.known.learn(table, key, call, missing);
            }
        } else {
            self.search(table, &[], &BTreeSet::from([column]))?;
        }
        match self.known.fact(table, key, column) {
            Some(fact) => Ok((fact.value.clone(), fact.call)),
            None => reject(
                "unreachable",
                format!("{}.{}", self.suite.tables[table].name, self.suite.tables[table].columns[column].name),
            ),
        }
    }

    /// The first call that showed a key as a reference.
    fn known_reference(&self, table: TableId, key: &str) -> Option<usize> {
        self.known.referring(table, key, |t, c| target(&self.suite.tables[t].columns[c].ty))
    }
}

/// The key of the row that a write call created, from its result.
pub fn created_key(suite: &Suite, tool: usize, result: &Json) -> Option<Value> {
    let definition = &suite.tools[tool];
    let table = definition.effects.iter().find_map(|e| match e {
        Effect::Insert { table, .. } => Some(*table),
        _ => None,
    })?;
    let text = match &suite.functions[definition.function].returns {
        Type::Row(t) if *t == table => result.get("id")?.as_str()?,
        Type::Key(t) if *t == table => result.as_str()?,
        Type::Record(record) => {
            let fields = &suite.records[*record].fields;
            let (name, _) = fields.iter().find(|(_, ty)| *ty == Type::Key(table))?;
            result.get(name)?.as_str()?
        }
        _ => return None,
    };
    Some(Value::Key(text.to_owned()))
}

/// The argument under which a tool's relation lets all rows through that pass the test, and whether it lets no others through.
fn implied(test: &Test, relation: Relation) -> Option<(Value, bool)> {
    match (test, relation) {
        (Test::Is(value), Relation::Equal) => Some((value.clone(), true)),
        (Test::Is(Value::Str(text)), Relation::Contains) => Some((Value::Str(text.clone()), false)),
        (Test::Is(value), Relation::AtMost | Relation::AtLeast) => Some((value.clone(), false)),
        (Test::Below(value), Relation::Less) => Some((value.clone(), true)),
        (Test::Below(value), Relation::AtMost) => Some((value.clone(), false)),
        (Test::AtMost(value), Relation::AtMost) => Some((value.clone(), true)),
        (Test::Above(value), Relation::Greater) => Some((value.clone(), true)),
        (Test::Above(value), Relation::AtLeast) => Some((value.clone(), false)),
        (Test::AtLeast(value), Relation::AtLeast) => Some((value.clone(), true)),
        _ => None,
    }
}

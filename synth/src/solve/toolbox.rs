//! The tools of an environment as the planner uses them: calls with their origins, and look-ups by key.

use crate::solve::effort::Effort;
use crate::solve::known::{Found, Known};
use crate::solve::trace::{Origin, Trace, Traced};
use crate::tasks::reject::{Reject, Verdict, reject};
use crate::tasks::rows::target;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use terrarium_envs::runner::Runner;
use terrarium_envs::task::ToolCall;
use terrarium_tools::Suite;
use terrarium_tools::suite::{Effect, Relation};
use terrarium_tools::surface::Surface;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::{Value, from_json, to_json};

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
    cache: BTreeMap<String, (usize, Rc<Json>)>,
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
    ) -> Verdict<(usize, Option<Rc<Json>>)> {
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
            return Ok((*index, Some(Rc::clone(result))));
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
        let result = Rc::new(record.value());
        for given in &given {
            rests_on.extend(given.origin.calls());
        }
        let index = self.trace.calls.len();
        if !definition.writes {
            self.cache.insert(cache_key, (index, Rc::clone(&result)));
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

    /// A column of a row, looked up by its key if it was not shown yet. Gives the value and the call that shows it.
    ///
    /// # Errors
    /// `unreachable` where no tool shows it.
    pub fn column(&mut self, table: TableId, key: &str, column: usize) -> Verdict<(Value, usize)> {
        if let Some(fact) = self.known.fact(table, key, column) {
            return Ok((fact.value.clone(), fact.call));
        }
        let suite = self.suite;
        let by_key = self.surface.tools.iter().find_map(|shown| {
            let definition = &suite.tools[shown.tool];
            let finds = definition.finds.as_ref()?;
            let (parameter, _, _) = finds.matches.iter().find(|(_, c, r)| *c == 0 && *r == Relation::Equal)?;
            let parameters = &suite.functions[definition.function].parameters;
            let insists = (0..parameters.len())
                .any(|p| p != *parameter && Some(p) != finds.page && !matches!(parameters[p].ty, Type::Option(_)));
            let fits =
                finds.table == table && finds.single && !insists && finds.shows.iter().any(|(c, _)| *c == column);
            fits.then_some((shown.tool, *parameter, finds))
        });
        if let Some((tool, parameter, finds)) = by_key {
            let origin = self.known.fact(table, key, 0).map(|f| f.call);
            // A key that was seen only in a reference was shown by whatever call showed that reference.
            let origin = origin.or_else(|| self.known_reference(table, key)).map_or(Origin::Prompt, Origin::Call);
            let given = Given { parameter, value: Value::Key(key.to_owned()), origin };
            let (call, result) = self.call(tool, vec![given], BTreeSet::new(), false, 0)?;
            if let Some(result) = result {
                self.learn(finds, call, &result, &mut Found::default());
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

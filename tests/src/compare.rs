//! One suite over one world, run both ways: as a compiled component in the sandbox, and by the `starlark` interpreter.

use crate::support::{self, Random};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use terrarium_sandbox::{CallOutcome, Config, Limits, Program, Sandbox, Trap};
use terrarium_tools::compile::compile;
use terrarium_tools::oracle::{Oracle, OracleReply};
use terrarium_tools::value::{World, to_json};
use terrarium_tools::{Suite, Surface};

/// A suite and its two ways.
pub struct Case {
    suite: Suite,
    surface: Surface,
    world: World,
    rows: usize,
    program: Arc<Program>,
}

/// What a comparison has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls with equal outcomes on both ways.
    pub compared: u64,
    /// Those of them that gave a value.
    pub succeeded: u64,
    /// Those of them that gave an error which the author of the suite wrote; their messages were equal too.
    pub refused: u64,
    /// Calls that the compiled way stopped at a limit; they are not run the other way, and leave no trace.
    pub limited: u64,
}

impl Calls {
    /// Adds up.
    pub fn add(&mut self, other: Calls) {
        self.compared += other.compared;
        self.succeeded += other.succeeded;
        self.refused += other.refused;
        self.limited += other.limited;
    }
}

/// A sandbox for programs that may try to use much of everything.
pub fn sandbox(optimize: bool) -> Sandbox {
    let limits = Limits { fuel_per_call: 4_000_000, memory_bytes_max: 8 << 20, ..Limits::default() };
    Sandbox::new(Config { limits, programs_max: 0, instances_max: 64, optimize, ..Config::default() })
        .expect("the sandbox starts")
}

impl Case {
    /// Compiles a suite over a random world of `rows` rows a table.
    ///
    /// # Errors
    /// What did not compile or load, in words.
    pub fn new(sandbox: &Sandbox, suite: Suite, rows: usize, random: &mut Random) -> Result<Case, String> {
        let mut surface = Surface::plain(&suite);
        for (value, parameter) in surface.parameters.iter_mut().zip(&suite.parameters) {
            *value = random.pick(&parameter.choices);
        }
        let world = support::world(&suite, rows, random);
        let compiled = compile(&suite, &surface, &world).map_err(|e| format!("the suite does not compile: {e}"))?;
        let program = sandbox.load(&compiled.component).map_err(|e| format!("the component does not load: {e}"))?;
        Ok(Case { suite, surface, world, rows, program })
    }

    /// Makes `calls` random calls both ways and compares outcomes, and the rows at the end.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn check(&self, calls: usize, random: &mut Random) -> Result<Calls, String> {
        let mut instance = self.program.instantiate().map_err(|e| format!("the program does not start: {e}"))?;
        let mut oracle = Oracle::new(&self.suite, &self.surface, &self.world)
            .map_err(|e| format!("the oracle does not load: {e}"))?;
        let mut seen = Calls::default();
        for _ in 0..calls {
            let shown = &self.surface.tools[random.below(self.surface.tools.len())];
            let arguments = self.arguments(shown, random);
            let call = instance.call(&shown.name, &arguments).map_err(|e| format!("the sandbox fails: {e}"))?;
            let got = match call.outcome {
                CallOutcome::Ok(text) => Ok(serde_json::from_str::<Json>(&text).map_err(|e| format!("{text}: {e}"))?),
                CallOutcome::ToolError { code, message } => Err((code, message)),
                CallOutcome::Trap(Trap::OutOfFuel | Trap::OutOfMemory | Trap::OutputTooLarge) => {
                    seen.limited += 1;
                    continue;
                }
                other => return Err(format!("{}({arguments}): {other:?}", shown.name)),
            };
            let reply = oracle.call(&shown.name, &arguments);
            let expected = match reply.map_err(|e| format!("{}({arguments}): {e}", shown.name))? {
                OracleReply::Ok(json) => Ok(json),
                OracleReply::Error { code, message } => Err((code, message)),
            };
            let equal = match (&got, &expected) {
                (Ok(a), Ok(b)) => a == b,
                // The words of the language's own errors may differ, those of the author may not.
                (Err((a, here)), Err((b, there))) => a == b && (!a.starts_with("e_") || here == there),
                _ => false,
            };
            if !equal {
                return Err(format!("{}({arguments}): compiled {got:?}, interpreted {expected:?}", shown.name));
            }
            seen.compared += 1;
            seen.succeeded += u64::from(got.is_ok());
            seen.refused += u64::from(got.is_err_and(|(code, _)| code.starts_with("e_")));
        }
        let state = instance.state().map_err(|e| format!("the state does not read: {e}"))?;
        let expected = oracle.state();
        if state != expected {
            return Err(format!("end states differ: compiled {state}, interpreted {expected}"));
        }
        Ok(seen)
    }

    fn arguments(&self, shown: &terrarium_tools::surface::SurfaceTool, random: &mut Random) -> Json {
        let function = &self.suite.functions[self.suite.tools[shown.tool].function];
        let values = shown.parameters.iter().map(|(index, name, _)| {
            let ty = &function.parameters[*index].ty;
            let value = support::argument(&self.suite, ty, self.rows, random);
            (name.clone(), to_json(&self.suite, ty, &value))
        });
        Json::Object(values.collect::<Map<_, _>>())
    }
}

/// Marks some columns as unique, which sources make only of few types.
pub fn mark_unique(suite: &mut Suite, random: &mut Random) {
    use terrarium_tools::Type;
    for column in suite.tables.iter_mut().flat_map(|table| table.columns.iter_mut().skip(1)) {
        let plain = if let Type::Option(inner) = &column.ty { &**inner } else { &column.ty };
        column.unique = matches!(plain, Type::Str | Type::Int) && random.one_in(5);
    }
}

//! Foreign components: a random interface, and a random core module behind it that knows nothing of it but the signatures: one of our own
//! generator (`modules.rs`), which aims at the canonical ABI, or one by `wasm-smith` (`smith.rs`), which knows all of WebAssembly.
//!
//! The module exports just what the canonical ABI wants of the interface, and is wrapped by `ComponentEncoder`. Much of what it answers is
//! wrong: addresses outside its memory, lengths of gigabytes, unknown cases, loops without end. The sandbox must give each call one of its outcomes within its limits.

use crate::interfaces::{arguments, interface};
use crate::modules;
use crate::support::Random;
use std::collections::BTreeMap;
use terrarium_sandbox::{CallOutcome, Config, Error, Limits, Path, Sandbox, Trap};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// Calls of each tool of a component.
const CALLS: usize = 2;

/// Limits of a call of a foreign component here.
pub fn limits() -> Limits {
    Limits {
        fuel_per_call: 50_000,
        memory_bytes_max: 1 << 20,
        table_elements_max: 1_000,
        output_bytes_max: 16 << 10,
        ..Limits::default()
    }
}

/// A sandbox with these limits.
pub fn sandbox(optimize: bool) -> Sandbox {
    let config = Config { limits: limits(), programs_max: 0, instances_max: 64, optimize, ..Config::default() };
    Sandbox::new(config).expect("the sandbox starts")
}

/// What became of components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Components made.
    pub components: u64,
    /// Those that were loaded, started and called.
    pub called: u64,
    /// Those that ran on both paths with equal outcomes.
    pub both: u64,
    /// Outcomes of calls by name; why a component was not called, by the name of the error.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Adds up.
    pub fn add(&mut self, other: &Seen) {
        self.components += other.components;
        self.called += other.called;
        self.both += other.both;
        for (name, count) in &other.outcomes {
            *self.outcomes.entry(name).or_default() += count;
        }
    }

    fn count(&mut self, name: &'static str) {
        *self.outcomes.entry(name).or_default() += 1;
    }
}

/// Makes one component by our own generator and calls its tools.
///
/// # Errors
/// A broken promise, in words.
pub fn check(sandbox: &Sandbox, random: &mut Random) -> Result<Seen, String> {
    let wit = interface(random);
    let plain = random.one_in(3);
    let bytes = component(&wit, |resolve, world| Ok(modules::random(resolve, world, plain, random)))?;
    judge(sandbox, &bytes, plain, random).map_err(|e| format!("{e}\n{wit}"))
}

/// A component around a module of `make`, which is given the module whose exports to copy.
///
/// # Errors
/// When `make` fails, or the encoder does not take its module.
pub fn made(make: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>, random: &mut Random) -> Result<Vec<u8>, String> {
    component(&interface(random), |resolve, world| make(&modules::hollow(resolve, world)))
}

/// Calls the tools of one component; those of a `plain` one on both paths.
///
/// # Errors
/// A broken promise, in words.
pub fn judge(sandbox: &Sandbox, bytes: &[u8], plain: bool, random: &Random) -> Result<Seen, String> {
    let mut seen = Seen { components: 1, ..Seen::default() };
    let Some(outcomes) = run(sandbox, bytes, Path::Component, &mut random.clone(), &mut seen)? else {
        return Ok(seen);
    };
    seen.called = 1;
    // A module that keeps its whole state in its memory also runs without wasmtime's lowering and lifting.
    let mut ignored = Seen::default();
    if plain && let Some(core) = run(sandbox, bytes, Path::Core, &mut random.clone(), &mut ignored)? {
        for ((tool, here, fuel), (_, there, other)) in outcomes.iter().zip(&core) {
            let machine = |o: &CallOutcome| matches!(o, CallOutcome::Trap(Trap::StackOverflow | Trap::OutputTooLarge));
            // A reply that is both too large and broken may be reported as either.
            let broken = |o: &CallOutcome| matches!(o, CallOutcome::Trap(Trap::Other(t)) if t == Trap::INVALID_REPLY);
            let either = (machine(here) || broken(here)) && (machine(there) || broken(there));
            if !either && (here != there || fuel != other) {
                return Err(format!("{tool}: {here:?} ({fuel} fuel) and {there:?} ({other} fuel)"));
            }
        }
        seen.both = 1;
    }
    Ok(seen)
}

type Outcomes = Vec<(String, CallOutcome, u64)>;

/// Calls every tool on one path; nothing if the component does not get that far.
fn run(
    sandbox: &Sandbox,
    bytes: &[u8],
    path: Path,
    random: &mut Random,
    seen: &mut Seen,
) -> Result<Option<Outcomes>, String> {
    let started = sandbox.load_as(bytes, path).and_then(|program| program.instantiate());
    let mut instance = match started {
        Ok(instance) => instance,
        Err(error) => {
            seen.count(match error {
                Error::Invalid(_) => "not started: invalid",
                Error::StartTrap(_) => "not started: trap",
                Error::Contract(_) => "not started: contract",
                other => return Err(format!("{other}")),
            });
            return Ok(None);
        }
    };
    let limits = &sandbox.config().limits;
    let mut outcomes = Vec::new();
    let tools = instance.program().tools().to_vec();
    for _ in 0..CALLS {
        for tool in &tools {
            let arguments = arguments(tool, random);
            let call = instance.call(&tool.name, &arguments).map_err(|e| format!("{}({arguments}): {e}", tool.name))?;
            if call.fuel > limits.fuel_per_call {
                return Err(format!("{}: {} fuel", tool.name, call.fuel));
            }
            seen.count(match &call.outcome {
                CallOutcome::Ok(text) if text.len() > limits.output_bytes_max => {
                    return Err(format!("{}: a reply of {} bytes", tool.name, text.len()));
                }
                CallOutcome::Ok(text) => {
                    serde_json::from_str::<serde_json::Value>(text)
                        .map_err(|e| format!("{}: {text}: {e}", tool.name))?;
                    "ok"
                }
                CallOutcome::ToolError { .. } => "tool_error",
                CallOutcome::BadArguments { message } => {
                    return Err(format!("{}({arguments}): valid arguments are refused: {message}", tool.name));
                }
                // The clock is far behind the fuel: only a hang gets there.
                CallOutcome::Trap(Trap::EpochDeadline) => return Err(format!("{}({arguments}) hangs", tool.name)),
                CallOutcome::Trap(trap) => trap.name(),
            });
            outcomes.push((tool.name.clone(), call.outcome, call.fuel));
        }
    }
    Ok(Some(outcomes))
}

/// A component of an interface around the module that `make` writes for it.
///
/// # Errors
/// When the interface, the module or the encoder is at fault, which is a fault of this crate.
pub fn component(
    wit: &str,
    make: impl FnOnce(&Resolve, WorldId) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("guest.wit", wit).map_err(|e| format!("{e:#}\n{wit}"))?;
    let world = resolve.select_world(&[package], Some("suite")).map_err(|e| format!("{e:#}"))?;
    let mut module = make(&resolve, world)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|e| format!("{e:#}"))?;
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|e| format!("{e:#}\n{wit}"))
}

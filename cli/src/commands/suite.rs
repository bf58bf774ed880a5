//! `terrarium suite check | build | call | schema | wrap | list`.

use crate::args::{Global, SuiteCommand};
use crate::{Ending, Usage, output, sources};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use terrarium_envs::policy::random::Guesser;
use terrarium_sandbox::{CallOutcome, Config, Limits, Sandbox};
use terrarium_tools::{Suite, Surface};

/// Runs it.
pub fn run(global: &Global, command: &SuiteCommand) -> Result<Ending> {
    match command {
        SuiteCommand::Check { file, oracle } => check(global, file, *oracle),
        SuiteCommand::Build { file, out, wit, explain } => build(global, file, out, *wit, *explain),
        SuiteCommand::Call { file, tool, arguments, fuel, memory } => {
            let limits = Limits {
                fuel_per_call: *fuel,
                memory_bytes_max: (*memory as usize).saturating_mul(1 << 20),
                ..Limits::default()
            };
            call(global, file, tool, arguments, limits)
        }
        SuiteCommand::Schema { file } => schema(file),
        SuiteCommand::Wrap { file, wit, out } => wrap(global, file, wit, out),
        SuiteCommand::List => list(global),
    }
}

fn counts(suite: &Suite) -> serde_json::Value {
    json!({
        "name": suite.name,
        "title": suite.title,
        "domain": suite.domain,
        "tools": suite.tools.len(),
        "writes": suite.tools.iter().filter(|t| t.writes).count(),
        "tables": suite.tables.len(),
        "parameters": suite.parameters.len(),
    })
}

fn check(global: &Global, file: &Path, oracle: bool) -> Result<Ending> {
    let suite = sources::suite(file)?;
    let mut summary = counts(&suite);
    let mut text = format!(
        "{}: {} tools over {} tables, {} policy parameters: no errors",
        suite.name,
        suite.tools.len(),
        suite.tables.len(),
        suite.parameters.len()
    );
    let world = terrarium_synth::vary::sample_world(&suite, global.seed)?;
    terrarium_tools::compile::compile(&suite, &Surface::plain(&suite), &world)?;
    if oracle {
        let compared = compare(global, &suite, &world)?;
        summary["compared_calls"] = json!(compared);
        text.push_str(&format!("\n{compared} random calls: compiled and interpreted agree"));
    }
    output::summary(global, &summary, &text)?;
    Ok(Ending::Done)
}

#[cfg(feature = "oracle")]
fn compare(global: &Global, suite: &Suite, world: &terrarium_tools::World) -> Result<u64> {
    crate::oracle::compare(suite, world, global.seed, 2_000)
}

#[cfg(not(feature = "oracle"))]
fn compare(_: &Global, _: &Suite, _: &terrarium_tools::World) -> Result<u64> {
    anyhow::bail!(
        "this binary was built without the oracle; build it with `cargo build -p terrarium-cli --features oracle`"
    )
}

fn build(global: &Global, file: &Path, out: &Path, wit: bool, explain: bool) -> Result<Ending> {
    let suite = sources::suite(file)?;
    let world = terrarium_synth::vary::sample_world(&suite, global.seed)?;
    let started = Instant::now();
    let compiled = terrarium_tools::compile::compile(&suite, &Surface::plain(&suite), &world)?;
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    std::fs::write(out, &compiled.component).with_context(|| format!("cannot write {}", out.display()))?;
    let mut summary = json!({
        "name": suite.name,
        "out": out,
        "bytes": compiled.component.len(),
        "core_bytes": compiled.core_bytes,
        "data_bytes": compiled.data_bytes,
        "milliseconds": milliseconds,
    });
    let mut text = format!(
        "{}: {} bytes ({} of core module, {} of them data), compiled in {milliseconds:.1} ms",
        out.display(),
        compiled.component.len(),
        compiled.core_bytes,
        compiled.data_bytes
    );
    if wit {
        text = format!("{}\n{text}", compiled.wit);
    }
    if explain {
        let surface = Surface::plain(&suite);
        let tools = terrarium_tools::explain::explain(&suite, &surface, &compiled);
        let fuel = fuel(&suite, &surface, &compiled.component, global.seed)?;
        let tools: Vec<_> = tools.iter().zip(&fuel).collect();
        text = format!(
            "{}\n{text}",
            tools.iter().map(|(tool, fuel)| explained(tool, fuel)).collect::<Vec<_>>().join("\n")
        );
        summary["tools"] = tools
            .iter()
            .map(|(t, fuel)| json!({"name": t.name, "wit": t.wit, "parameters": t.parameters, "reads": t.reads, "writes": t.writes,
                "functions": t.functions, "code_bytes": t.code_bytes, "calls": fuel.len(), "fuel_median": median(fuel), "fuel_most": fuel.last()}))
            .collect();
    }
    output::summary(global, &summary, &text)?;
    Ok(Ending::Done)
}

/// Random calls of each tool that `--explain` makes in the sample world.
const EXPLAINED_CALLS: usize = 100;

/// Fuel of random calls of each tool of a surface in one world, ascending: those that gave a value, or of a tool that never did, those it refused. Arguments come
/// from the schemas and from what earlier calls have shown.
fn fuel(suite: &Suite, surface: &Surface, component: &[u8], seed: u64) -> Result<Vec<Vec<u64>>> {
    let mut world = Sandbox::new(Config::default())?.load(component)?.instantiate()?;
    let mut guess = Guesser::new(seed);
    let schemas = terrarium_tools::schema::tool_schemas(suite, surface);
    let (mut succeeded, mut refused) = (vec![Vec::new(); schemas.len()], vec![Vec::new(); schemas.len()]);
    for _ in 0..EXPLAINED_CALLS {
        for (at, tool) in schemas.iter().enumerate() {
            let call = world.call(&tool.name, &guess.arguments(&tool.parameters))?;
            match call.outcome {
                CallOutcome::Ok(reply) => {
                    guess.learn(serde_json::from_str(&reply)?);
                    succeeded[at].push(call.fuel);
                }
                _ => refused[at].push(call.fuel),
            }
        }
    }
    let mut all: Vec<Vec<u64>> =
        succeeded.into_iter().zip(refused).map(|(ok, no)| if ok.is_empty() { no } else { ok }).collect();
    all.iter_mut().for_each(|fuel| fuel.sort_unstable());
    Ok(all)
}

fn median(ascending: &[u64]) -> Option<u64> {
    ascending.get(ascending.len() / 2).copied()
}

/// A tool in a few lines. Fuel is ascending, and of one call at least.
fn explained(tool: &terrarium_tools::explain::Explained, fuel: &[u64]) -> String {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!(
        "{}: {}\n  arguments {}\n  reads {}; writes {}; runs {}\n  {} bytes of code; fuel of a call {} (the most of {}: {})\n",
        tool.name,
        tool.wit,
        tool.parameters,
        list(&tool.reads),
        list(&tool.writes),
        list(&tool.functions),
        tool.code_bytes,
        median(fuel).unwrap_or_default(),
        fuel.len(),
        fuel.last().copied().unwrap_or_default()
    )
}

fn is_component(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "wasm")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Runs one tool of a component or suite.
fn call(global: &Global, file: &Path, tool: &str, arguments: &str, limits: Limits) -> Result<Ending> {
    let arguments: serde_json::Value = serde_json::from_str(arguments)
        .map_err(|error| Usage(format!("the arguments must be a JSON object: {error}")))?;
    let bytes = if is_component(file) {
        read(file)?
    } else {
        let suite = sources::suite(file)?;
        let world = terrarium_synth::vary::sample_world(&suite, global.seed)?;
        terrarium_tools::compile::compile(&suite, &Surface::plain(&suite), &world)?.component
    };
    let config = Config { limits, ..Config::default() };
    let program = Sandbox::new(config)?.load(&bytes).with_context(|| format!("cannot load {}", file.display()))?;
    let mut instance = program.instantiate()?;
    let call = instance.call(tool, &arguments)?;
    let (ended, shown) = match &call.outcome {
        CallOutcome::Ok(result) => {
            (Ending::Done, json!({"result": serde_json::from_str::<serde_json::Value>(result)?}))
        }
        CallOutcome::ToolError { code, message } => {
            (Ending::Failed, json!({"error": {"code": code, "message": message}}))
        }
        CallOutcome::BadArguments { message } => {
            (Ending::Failed, json!({"error": {"code": "bad_arguments", "message": message}}))
        }
        CallOutcome::Trap(trap) => {
            (Ending::Failed, json!({"error": {"code": trap.name(), "message": trap.to_string()}}))
        }
    };
    let mut shown = shown;
    shown["fuel"] = json!(call.fuel);
    if program.has_state() {
        shown["changed"] = serde_json::to_value(instance.net_diff()?)?;
    }
    output::summary(global, &shown, &serde_json::to_string_pretty(&shown)?)?;
    Ok(ended)
}

fn schema(file: &Path) -> Result<Ending> {
    if is_component(file) {
        return foreign_schema(file);
    }
    let suite = sources::suite(file)?;
    let tools: Vec<_> = terrarium_tools::schema::tool_schemas(&suite, &Surface::plain(&suite))
        .into_iter()
        .map(|t| json!({"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}))
        .collect();
    output::print(&serde_json::to_string_pretty(&tools)?)?;
    Ok(Ending::Done)
}

/// Tools of a component from elsewhere, whose types are all that is known of them.
fn foreign_schema(file: &Path) -> Result<Ending> {
    let program = Sandbox::new(Config::default())?
        .load(&read(file)?)
        .with_context(|| format!("cannot load {}", file.display()))?;
    let function = |tool: &terrarium_sandbox::Export| json!({"type": "function", "function": {"name": tool.name, "parameters": tool.parameters_schema()}});
    let tools: Vec<_> = program.tools().iter().map(function).collect();
    output::print(&serde_json::to_string_pretty(&tools)?)?;
    Ok(Ending::Done)
}

/// Wraps a core module as a component, and loads it as a proof that the sandbox takes it.
fn wrap(global: &Global, file: &Path, wit: &Path, out: &Path) -> Result<Ending> {
    let text = std::fs::read_to_string(wit).with_context(|| format!("cannot read {}", wit.display()))?;
    let component = terrarium_tools::wrap(&read(file)?, &wit.to_string_lossy(), &text)?;
    let program = Sandbox::new(Config::default())?
        .load(&component)
        .with_context(|| format!("{} is no tool suite", file.display()))?;
    std::fs::write(out, &component).with_context(|| format!("cannot write {}", out.display()))?;
    let tools: Vec<&str> = program.tools().iter().map(|tool| tool.name.as_str()).collect();
    let summary = json!({"out": out, "bytes": component.len(), "tools": tools});
    let text = format!("{}: {} bytes, tools {}", out.display(), component.len(), tools.join(", "));
    output::summary(global, &summary, &text)?;
    Ok(Ending::Done)
}

fn list(global: &Global) -> Result<Ending> {
    let suites = terrarium_synth::library::suites()
        .iter()
        .map(|entry| sources::suite(Path::new(entry.slug)))
        .collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = suites
        .iter()
        .map(|s| {
            vec![
                s.name.clone(),
                s.domain.clone(),
                s.tools.len().to_string(),
                s.tables.len().to_string(),
                s.title.clone(),
            ]
        })
        .collect();
    let summary = json!({ "suites": suites.iter().map(counts).collect::<Vec<_>>() });
    output::summary(global, &summary, &output::table(&["suite", "domain", "tools", "tables", "title"], &rows))?;
    Ok(Ending::Done)
}

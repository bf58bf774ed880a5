//! `suite check --oracle`: the same random calls through the compiled component and the interpreter.

use anyhow::{Result, bail};
use terrarium_envs::policy::random::Guesser;
use terrarium_sandbox::{CallOutcome, Config, Sandbox};
use terrarium_tools::oracle::{Oracle, OracleReply};
use terrarium_tools::{Suite, Surface, World};

/// Makes `calls` random schema-valid calls on both and compares every reply and, at the end, the state. Returns how many were compared.
pub fn compare(suite: &Suite, world: &World, seed: u64, calls: u64) -> Result<u64> {
    let surface = Surface::plain(suite);
    let compiled = terrarium_tools::compile::compile(suite, &surface, world)?;
    let mut instance = Sandbox::new(Config::default())?.load(&compiled.component)?.instantiate()?;
    let mut oracle = Oracle::new(suite, &surface, world)?;
    let schemas = terrarium_tools::schema::tool_schemas(suite, &surface);
    let mut guess = Guesser::new(seed);
    for number in 0..calls {
        let Some(schema) = guess.pick(&schemas) else { bail!("the suite has no tools") };
        let (tool, arguments) = (&schema.name, guess.arguments(&schema.parameters));
        let ran = match instance.call(tool, &arguments)?.outcome {
            CallOutcome::Ok(json) => {
                guess.learn(serde_json::from_str(&json)?);
                format!("ok {json}")
            }
            CallOutcome::ToolError { code, .. } => format!("error {code}"),
            CallOutcome::BadArguments { message } => bail!("call {number}, {tool}({arguments}): {message}"),
            CallOutcome::Trap(trap) => bail!("call {number}, {tool}({arguments}) trapped: {trap:?}"),
        };
        let interpreted = match oracle.call(tool, &arguments)? {
            OracleReply::Ok(json) => format!("ok {json}"),
            OracleReply::Error { code, .. } => format!("error {code}"),
        };
        if ran != interpreted {
            bail!("call {number}, {tool}({arguments}): compiled says `{ran}`, the interpreter `{interpreted}`");
        }
    }
    let (ran, interpreted) = (instance.state()?.to_string(), oracle.state().to_string());
    if ran != interpreted {
        bail!("after {calls} calls the states differ: compiled {ran}\ninterpreted {interpreted}");
    }
    Ok(calls)
}

//! Generates for a file of prompts and says how long it took: our side of `tests/transformers/run.py`.
//!
//! `generate FOLDER PROMPTS.json TOKENS THREADS BATCH exact|int8`: prompts are `[[id, ...], ...]`; every one gets TOKENS tokens at temperature 0,
//! BATCH of them side by side, with indexer keys of that form. Prints one JSON object: seconds of the whole, and the tokens of every completion.

#![expect(clippy::print_stdout, reason = "its one result is for a program that reads it")]

use std::path::Path;
use std::time::Instant;

use terrarium_model::cache::IndexFormat;
use terrarium_model::engine::{Generator, Options, Request, Sampling};
use terrarium_model::{Kind, Model, runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, prompts, tokens, threads, batch, index] = &arguments[..] else {
        return Err("usage: generate FOLDER PROMPTS.json TOKENS THREADS BATCH exact|int8".into());
    };
    let (max_tokens, threads, batch) = (tokens.parse()?, threads.parse()?, batch.parse::<usize>()?);
    if runtime::ensure_passive_openmp(std::env::var_os(runtime::WAIT_POLICY).as_deref(), threads) {
        return Err(runtime::restart_passive().into());
    }
    runtime::set_threads(threads);
    let prompts: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(prompts)?)?;
    let model = Model::load(Path::new(folder), Kind::Float)?;
    let longest: usize = prompts.iter().map(Vec::len).max().unwrap_or(0) + max_tokens;
    let options = Options {
        batch_max: batch,
        cache_tokens_max: batch * (longest + 64).next_multiple_of(64),
        ..Options::default()
    };
    let format = match index.as_str() {
        "exact" => IndexFormat::Exact,
        "int8" => IndexFormat::Int8,
        other => return Err(format!("index keys are exact or int8, not {other}").into()),
    };
    let mut generator = Generator::with_format(model, options, format)?;
    let sampling = Sampling { temperature: 0.0, max_tokens, ..Sampling::default() };
    let requests =
        prompts.into_iter().zip(0..).map(|(prompt, number)| Request::new(number, prompt, sampling)).collect();
    let start = Instant::now();
    let completions = generator.generate(requests)?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens: Vec<Vec<u32>> = completions.into_iter().map(|completion| completion.token_ids).collect();
    println!("{}", serde_json::json!({"seconds": seconds, "tokens": tokens}));
    Ok(())
}

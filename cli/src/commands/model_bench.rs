//! `terrarium model bench`.

use super::model::amount;
use crate::args::Global;
use crate::model_args::{BenchArgs, IndexKind};
use crate::{Usage, output};
use anyhow::Result;
use serde_json::json;
use terrarium_model::bench::{self, Measured};
use terrarium_model::cache::IndexFormat;
use terrarium_model::stages::STAGES;
use terrarium_model::{Config, Kind, Model, runtime};

/// Runs it.
pub fn run(global: &Global, args: &BenchArgs) -> Result<()> {
    let Some(config) = Config::preset(&args.preset).filter(|config| config.size().parameters < 1 << 30) else {
        return Err(
            Usage(format!("preset `{}` is unknown or too large; one of: tiny, small, bench", args.preset)).into()
        );
    };
    let longest = config.max_position_embeddings as usize;
    if let Some(context) = args.contexts.iter().find(|&&context| context <= args.chunk || context > longest) {
        return Err(Usage(format!("context {context} must lie in {}..={longest}", args.chunk + 1)).into());
    }
    if runtime::ensure_passive_openmp(std::env::var_os(runtime::WAIT_POLICY).as_deref(), args.threads) {
        let error = runtime::restart_passive();
        output::note(global, &format!("cannot start again with {}=passive: {error}", runtime::WAIT_POLICY));
    }
    runtime::set_threads(args.threads);
    let format = match args.index {
        IndexKind::Exact => IndexFormat::Exact,
        IndexKind::Int8 => IndexFormat::Int8,
    };
    let machine = bench::machine();
    let weight_bytes = 4 * config.size().parameters;
    let model = Model::init(config, global.seed, Kind::Float)?;
    let mut measured = Vec::new();
    for &context in &args.contexts {
        for (tokens, runs) in [(1, args.runs), (args.chunk, args.runs.div_ceil(5))] {
            output::note(global, &format!("context {context}, {tokens} tokens"));
            measured.push(bench::pass(&model, &machine, context, tokens, format, runs, !args.sparse_only)?);
        }
    }
    let memory = peak_memory().map_or_else(|| "unknown".to_owned(), amount);
    let cache = measured.iter().map(|pass| pass.cache_bytes).max().unwrap_or(0);
    let summary = json!({
        "preset": args.preset, "index": format!("{:?}", args.index).to_lowercase(), "kernels": terrarium_model::ops::available(),
        "machine": machine, "weight_bytes": weight_bytes, "cache_bytes": cache, "peak_bytes": peak_memory(), "passes": measured,
    });
    let text = [
        format!(
            "preset {}, float32, index keys {:?}, {} threads; memory {:.1} GB/s, float32 products {:.0} Gflop/s, kernels {}",
            args.preset,
            args.index,
            machine.threads,
            machine.bandwidth / 1e9,
            machine.matrix_rate / 1e9,
            if terrarium_model::ops::available() { "AVX-512" } else { "none for this machine: plain definitions" },
        ),
        format!(
            "weights {}, largest cache {}, peak of the process {memory}",
            amount(weight_bytes),
            amount(cache as i64)
        ),
        String::new(),
        "decode, ms a token over all layers (time / floor)".to_owned(),
        table(measured.iter().filter(|pass| pass.tokens == 1)),
        String::new(),
        format!("prefill of the last {} tokens, ms over all layers (time / floor)", args.chunk),
        table(measured.iter().filter(|pass| pass.tokens > 1)),
    ];
    output::summary(global, &summary, &text.join("\n"))
}

fn table<'a>(passes: impl Iterator<Item = &'a Measured>) -> String {
    let ms = |seconds: f64| format!("{:.2}", seconds * 1e3);
    let rows: Vec<Vec<String>> = passes
        .map(|pass| {
            let mut row = vec![pass.context.to_string()];
            row.extend(pass.stages.iter().map(|timed| format!("{} / {}", ms(timed.seconds), ms(timed.floor))));
            row.extend([ms(pass.sparse), ms(pass.dense_absorbed), ms(pass.dense_expanded), ms(pass.dense)]);
            row.push(format!("{:.2}", pass.dense / pass.sparse));
            row.push(format!("{:.1}", pass.tokens as f64 / pass.sparse));
            row
        })
        .collect();
    let mut header = vec!["context"];
    header.extend(STAGES.iter().map(|stage| stage.name()));
    header.extend(["sparse", "absorbed", "expanded", "dense", "dense/sparse", "tokens/s"]);
    output::table(&header, &rows)
}

/// The most memory the process has had, in bytes.
fn peak_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<i64>().ok()? * 1024)
}

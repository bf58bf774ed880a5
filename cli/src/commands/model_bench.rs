//! `terrarium model bench`.

use super::model::amount;
use crate::args::Global;
use crate::model_args::BenchArgs;
use crate::place::{self, IndexKind};
use crate::{Usage, output};
use anyhow::Result;
use serde_json::json;
use terrarium_model::bench::{self, Measured};
use terrarium_model::cache::Format;
use terrarium_model::stages::STAGES;
use terrarium_model::{Config, Device, Model, runtime};

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
    let place = args.place.settle(None, |note| output::note(global, note))?;
    let on_cpu = place.device == Device::Cpu;
    let index = args.index.unwrap_or(if on_cpu { IndexKind::Int8 } else { IndexKind::Fp8 });
    let format = Format { rows: args.rows.format(), index: index.format() };
    let machine = bench::machine(place);
    let weight_bytes = place.kind.elt_size_in_bytes() as i64 * config.size().parameters;
    let model = Model::init(config, global.seed, place)?;
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
        "preset": args.preset, "place": place::name(place), "rows": format!("{:?}", args.rows).to_lowercase(),
        "index": format!("{index:?}").to_lowercase(), "kernels": terrarium_model::ops::available(),
        "machine": machine, "weight_bytes": weight_bytes, "cache_bytes": cache, "peak_bytes": peak_memory(), "passes": measured,
    });
    let text = [
        format!(
            "preset {}, {}, rows {:?}, index keys {index:?}, {} threads; memory {:.1} GB/s, {} products {:.0} Gflop/s, kernels {}",
            args.preset,
            place::name(place),
            args.rows,
            machine.threads,
            machine.bandwidth / 1e9,
            place::kind_name(place.kind),
            machine.matrix_rate / 1e9,
            match (on_cpu, terrarium_model::ops::available()) {
                (false, _) => "CUDA",
                (true, true) => "AVX-512",
                (true, false) => "none for this machine: plain definitions",
            },
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

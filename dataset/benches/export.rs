//! How many bytes of JSON lines a second an export writes, beside two things that it cannot beat: serde_json writing the same rows out of
//! memory into memory, and the disk taking the same bytes.
//! Run: `cargo bench -p terrarium-dataset --bench export --profile dev`. docs/performance.md has the figures.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use terrarium_dataset::Store;
use terrarium_dataset::export::{Container, ExportOptions, Format, export};

/// Ten-step episodes.
const EPISODES: u32 = 8192;

async fn filled(dir: &Path) -> Store {
    let store = Store::create(dir.join("terrarium.db")).await.unwrap();
    let environment = support::environment(0);
    let task = support::task(&environment, 0);
    store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
    for from in (0..EPISODES).step_by(512) {
        let episode = |sample| support::episode(&task, &environment.system, "expert", sample, 10);
        store.put_episodes((from..from + 512).map(episode).collect()).await.unwrap();
    }
    store
}

fn jsonl(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(filled(dir.path()));
    let out = dir.path().join("out");
    let write = |format: Format, container: Container| {
        let options = ExportOptions { container, ..ExportOptions::new(format) };
        runtime.block_on(export(&store, &options, &out)).unwrap()
    };
    write(Format::OpenAi, Container::Jsonl);
    let bytes = std::fs::read(out.join("train.jsonl")).unwrap();
    let mut group = criterion.benchmark_group("export");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(10).measurement_time(Duration::from_secs(8));
    group.bench_function("openai", |bencher| bencher.iter(|| write(Format::OpenAi, Container::Jsonl).rows));
    group.bench_function("openai_zst", |bencher| bencher.iter(|| write(Format::OpenAi, Container::JsonlZst).rows));
    group.bench_function("openai_parquet", |bencher| bencher.iter(|| write(Format::OpenAi, Container::Parquet).rows));
    let rows: Vec<Value> =
        bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    group.bench_function("serde_json_alone", |bencher| {
        let mut line = Vec::new();
        bencher.iter(|| {
            for row in &rows {
                line.clear();
                serde_json::to_writer(&mut line, row).unwrap();
                black_box(&line);
            }
        });
    });
    group.bench_function("the_disk", |bencher| {
        bencher.iter(|| {
            let mut file = std::fs::File::create(dir.path().join("same")).unwrap();
            bytes.chunks(1 << 18).for_each(|chunk| file.write_all(chunk).unwrap());
            file.sync_all().unwrap();
        });
    });
    group.finish();
    // Formats of other sizes, each in its own bytes.
    let mut group = criterion.benchmark_group("export_other_formats");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for format in [Format::Atif, Format::Verifiers, Format::Adp] {
        let bytes: u64 = write(format, Container::Jsonl).files.iter().map(|file| file.bytes).sum();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format.name(), |bencher| bencher.iter(|| write(format, Container::Jsonl).rows));
    }
    group.finish();
}

criterion_group!(benches, jsonl);
criterion_main!(benches);

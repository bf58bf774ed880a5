//! What does one environment cost to compile? From checked suite and rows to component bytes, without Cranelift.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use terrarium_tools::Surface;
use terrarium_tools::compile::compile;

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

fn library(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for suite in support::library() {
        for rows in [0, 50, 200] {
            let world = support::world(&suite, rows, &mut support::Random::new(1));
            let surface = Surface::plain(&suite);
            let compiled = compile(&suite, &surface, &world).expect("the suite compiles");
            eprintln!(
                "{}: {} tools, {rows} rows a table, core {} bytes, of it data {}, component {}",
                suite.name,
                suite.tools.len(),
                compiled.core_bytes,
                compiled.data_bytes,
                compiled.component.len()
            );
            let name = format!("{}, {} tools, {rows} rows a table", suite.name, suite.tools.len());
            group.bench_function(name, |b| {
                b.iter(|| compile(black_box(&suite), &surface, &world).expect("the suite compiles"));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = library
}
criterion_main!(benches);

//! What does a world cost? Reset, a keyed read and a write with JSON in and out, a list of rows, fork, state and difference, on a
//! hand-written suite of 200 rows (one table scanned linearly, as small compiled suites do).

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use terrarium_sandbox::{CallOutcome, Config, Instance, Path, Program, Sandbox};

#[path = "../tests/support/mod.rs"]
mod support;

/// The desk suite on a path.
fn program(sandbox: &Sandbox, path: Path) -> Arc<Program> {
    sandbox.load_as(&support::desk(), path).expect("program")
}

/// With 200 members, of whom the last is read.
fn filled(program: &Arc<Program>) -> Instance {
    let mut desk = program.instantiate().expect("instance");
    for i in 0..197 {
        support::ok(
            &mut desk,
            "add_member",
            json!({"name": format!("Member number {i}"), "tier": "student", "phone": "555-0100"}),
        );
    }
    desk
}

fn call(desk: &mut Instance, tool: &str, arguments: &serde_json::Value) -> String {
    match desk.call(tool, arguments).expect("call").outcome {
        CallOutcome::Ok(text) => text,
        other => panic!("{other:?}"),
    }
}

fn episode(c: &mut Criterion) {
    let sandbox = Sandbox::new(Config::default()).expect("sandbox");
    for (name, path) in [("core", Path::Auto), ("component", Path::Component)] {
        let program = program(&sandbox, path);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("reset", |b| b.iter(|| black_box(program.instantiate().expect("instance"))));
        group.bench_function("reset_write_4", |b| {
            b.iter(|| {
                let mut desk = program.instantiate().expect("instance");
                for id in ["M-0001", "M-0002", "M-0003", "M-0001"] {
                    call(&mut desk, "set_fines", &json!({"id": id, "fines": "1.00"}));
                }
            });
        });
        let mut desk = filled(&program);
        let (near, far) = (json!({"id": "M-0002"}), json!({"id": "M-0200"}));
        group.bench_function("read_first_rows", |b| b.iter(|| black_box(call(&mut desk, "get_member", &near))));
        group.bench_function("read_row_200", |b| b.iter(|| black_box(call(&mut desk, "get_member", &far))));
        group.bench_function("list_200_rows", |b| b.iter(|| black_box(call(&mut desk, "list_members", &json!({})))));
        let fines = json!({"id": "M-0002", "fines": "3.50"});
        group.bench_function("reset_and_write", |b| {
            b.iter_batched_ref(
                || program.instantiate().expect("instance"),
                |desk| call(desk, "set_fines", &fines),
                BatchSize::LargeInput,
            );
        });
    }
    let program = program(&sandbox, Path::Auto);
    let mut desk = program.instantiate().expect("instance");
    call(&mut desk, "set_fines", &json!({"id": "M-0002", "fines": "3.50"}));
    let mut group = c.benchmark_group("state");
    group.bench_function("fork", |b| b.iter(|| black_box(desk.fork().expect("fork"))));
    group.bench_function("net_diff", |b| b.iter(|| black_box(desk.net_diff().expect("diff"))));
    let full = filled(&program);
    group.bench_function("fork_200_rows", |b| b.iter(|| black_box(full.fork().expect("fork"))));
    group.bench_function("state_200_rows", |b| b.iter(|| black_box(full.state().expect("state"))));
}

fn load(c: &mut Criterion) {
    let bytes = support::desk();
    let dir = tempfile::tempdir().expect("dir");
    let mut group = c.benchmark_group("load");
    group.sample_size(20);
    for (name, cache_dir) in [("compile", None), ("cached", Some(dir.path().to_owned()))] {
        let sandbox = Sandbox::new(Config { cache_dir, programs_max: 0, ..Config::default() }).expect("sandbox");
        group.bench_function(name, |b| b.iter(|| black_box(sandbox.load(&bytes).expect("program"))));
    }
}

criterion_group!(benches, episode, load);
criterion_main!(benches);

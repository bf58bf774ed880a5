//! How many tokens a second does the tiny model generate? One core, by batch and context length.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use terrarium_model::engine::{Generator, Options, Record, Request, Sampling};
use terrarium_model::{Config, Kind, Model};

/// Tokens each request generates in one measured run.
const TOKENS: usize = 32;

fn decode(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10);
    for (batch, context) in [(1, 128), (1, 1024), (1, 3072), (8, 1024), (32, 1024)] {
        let model = Model::init(Config::tiny(), 1, Kind::Float).expect("the preset is valid");
        let mut generator = Generator::new(model, Options::default());
        // The prompt is in the cache after the first run, so that runs measure decoding, not prefill.
        let requests: Vec<Request> = (0..batch)
            .map(|conversation| Request {
                conversation,
                prompt: (0..context).map(|i| (i * 7 + conversation as u32) % 250).collect(),
                sampling: Sampling { max_tokens: TOKENS, ..Sampling::default() },
                stop: Vec::new(),
                grammar: None,
                record: Record::default(),
            })
            .collect();
        let tokens: usize = run(&mut generator, &requests);
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(format!("batch {batch}, context {context}"), |bencher| {
            bencher.iter(|| run(&mut generator, &requests));
        });
    }
    group.finish();
}

/// Generate for all requests; how many tokens came out (the same number every time: streams are seeded).
fn run(generator: &mut Generator, requests: &[Request]) -> usize {
    let completions = generator.generate(requests.to_vec()).expect("requests are valid");
    completions.iter().map(|completion| completion.token_ids.len()).sum()
}

fn prefill(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let mut group = criterion.benchmark_group("prefill");
    group.sample_size(10);
    let model = Model::init(Config::tiny(), 1, Kind::Float).expect("the preset is valid");
    for length in [512, 2048, 4096] {
        let tokens = model.tokens(&[(0..length).map(|i| (i * 7) % 250).collect()]).expect("ids are in the vocabulary");
        group.throughput(Throughput::Elements(length as u64));
        group.bench_function(format!("{length} tokens"), |bencher| {
            bencher.iter(|| tch::no_grad(|| model.forward(&tokens)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, prefill);
criterion_main!(benches);

//! The generator's promises: a result depends on model, prompt and settings only; limits end a completion as named.

use terrarium_model::engine::{Completion, EngineHandle, Finish, Generator, Options, Record, Request, Sampling};
use terrarium_model::tokenizer::Tokenizer;
use terrarium_model::{Config, Error, Kind, Model, TokensError};

fn model() -> Model {
    tch::set_num_threads(1);
    Model::init(Config::tiny(), 11, Kind::Float).unwrap()
}

fn generator() -> Generator {
    Generator::new(model(), Options::default())
}

/// A prompt of `length` tokens that begins like all others of the same `family`.
fn prompt(family: u32, length: usize, own: u32) -> Vec<u32> {
    (0..length as u32)
        .map(|i| if i < length as u32 - 5 { (i * 7 + family * 31) % 250 } else { (own * 13 + i) % 250 })
        .collect()
}

fn request(conversation: u64, prompt: Vec<u32>) -> Request {
    let sampling = Sampling { max_tokens: 40, seed: 5, stream: conversation, ..Sampling::default() };
    let record = Record { experts: true, kept_ids: true, likeliest: None };
    Request { conversation, prompt, sampling, stop: Vec::new(), grammar: None, record }
}

/// What must not depend on the company: everything but what was found in the cache.
fn essence(mut completion: Completion) -> Completion {
    completion.reused_tokens = 0;
    completion
}

fn alone(request: &Request) -> Completion {
    generator().generate(vec![request.clone()]).unwrap().remove(0)
}

#[test]
fn company_order_and_cache_do_not_change_a_result() {
    let mut requests: Vec<Request> = (0..24)
        .map(|i| request(i, prompt((i % 3) as u32, [20, 90, 300][(i % 3) as usize] + i as usize, i as u32)))
        .collect();
    for (index, request) in requests.iter_mut().enumerate() {
        request.sampling.temperature = [1.0, 0.0, 0.6][index % 3];
        request.sampling.top_p = [1.0, 0.9][index % 2];
    }
    let expected: Vec<Completion> = requests.iter().map(alone).collect();
    assert!(expected.iter().all(|completion| completion.reused_tokens == 0));

    let together = generator().generate(requests.clone()).unwrap();
    assert!(together.iter().any(|completion| completion.reused_tokens > 64), "families share prefixes");
    let small = Options { batch_max: 3, cache_tokens_max: 2048, prefill_tokens: 50, conversations_max: 4 };
    let cramped = Generator::new(model(), small).generate(requests.clone()).unwrap();
    let mut backwards = generator().generate(requests.into_iter().rev().collect()).unwrap();
    backwards.reverse();
    for (index, expected) in expected.into_iter().enumerate() {
        let expected = essence(expected);
        assert_eq!(essence(together[index].clone()), expected, "together, {index}");
        assert_eq!(essence(cramped[index].clone()), expected, "cramped, {index}");
        assert_eq!(essence(backwards[index].clone()), expected, "backwards, {index}");
    }
}

#[test]
fn a_second_turn_reuses_the_first_and_equals_a_fresh_start() {
    let mut generator = generator();
    let first = request(1, prompt(0, 200, 0));
    let completion = generator.generate(vec![first.clone()]).unwrap().remove(0);
    let mut second = request(1, [first.prompt, completion.token_ids.clone(), vec![65, 66, 67]].concat());
    second.sampling.stream = 99;
    let continued = generator.generate(vec![second.clone()]).unwrap().remove(0);
    assert_eq!(continued.reused_tokens, 200 + completion.token_ids.len() - 1);
    assert_eq!(essence(continued), alone(&second));
    // A conversation that changed its past keeps what is common.
    let changed = request(1, prompt(0, 150, 3));
    let found = generator.generate(vec![changed.clone()]).unwrap().remove(0);
    assert_eq!(found.reused_tokens, 145);
    assert_eq!(essence(found), alone(&changed));
}

#[test]
fn probabilities_are_those_of_a_full_pass() {
    let request = request(0, prompt(1, 130, 2));
    let completion = alone(&request);
    let model = model();
    let ids: Vec<i64> = request.prompt.iter().chain(&completion.token_ids).map(|&id| i64::from(id)).collect();
    let output = model.forward(&model.tokens(&[ids]).unwrap());
    let logprobs = model.logits(&output.hidden).get(0).log_softmax(-1, Kind::Double);
    let mut kept = completion.kept_ids.as_slice();
    for (index, &id) in completion.token_ids.iter().enumerate() {
        let position = (request.prompt.len() + index - 1) as i64;
        let error = logprobs.double_value(&[position, i64::from(id)]) - f64::from(completion.logprobs[index]);
        assert!(error.abs() < 1e-4, "token {index}: {error:e}");
        let experts: Vec<u16> =
            output.trace.experts[0].get(position).iter::<i64>().unwrap().map(|id| id as u16).collect();
        assert_eq!(completion.experts[index * 2..][..2], experts, "token {index}");
        assert_eq!(completion.kept[index], 512);
        kept = &kept[512..];
    }
    assert!(kept.is_empty());
}

#[test]
fn streams_differ_by_seed_and_by_number() {
    let base = request(0, prompt(0, 50, 0));
    let mut other = base.clone();
    assert_eq!(alone(&base), alone(&other));
    other.sampling.seed += 1;
    assert_ne!(alone(&base).token_ids, alone(&other).token_ids);
    other = base.clone();
    other.sampling.stream += 1;
    assert_ne!(alone(&base).token_ids, alone(&other).token_ids);
}

#[test]
fn completions_end_as_named() {
    let context = Config::tiny().max_position_embeddings as usize;
    let check = |length: usize, max_tokens: usize, seed: u64, finish: Finish| {
        let mut request = request(0, prompt(0, length, 0));
        (request.sampling.max_tokens, request.sampling.seed) = (max_tokens, seed);
        let completion = alone(&request);
        assert_eq!(completion.finish, finish, "{length} {max_tokens}");
        completion.token_ids.len()
    };
    assert_eq!(check(20, 3, 5, Finish::Length), 3);
    assert_eq!(check(20, 0, 5, Finish::Length), 0);
    assert_eq!(check(context, 9, 5, Finish::Context), 0);
    assert_eq!(check(context + 50, 9, 5, Finish::Context), 0);
    assert_eq!(check(context - 2, 9, 5, Finish::Context), 2);
    assert!(check(20, 2000, 5, Finish::Eos) < 2000);
}

#[test]
fn bad_requests_are_refused_and_leave_the_generator_usable() {
    let mut generator = generator();
    let good = request(0, prompt(0, 10, 0));
    let check = |generator: &mut Generator, change: &dyn Fn(&mut Request), expected: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = generator.generate(vec![request(7, prompt(0, 9, 0)), bad]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&mut generator, &|r| r.prompt.clear(), "empty");
    check(&mut generator, &|r| r.sampling.temperature = f64::NAN, "temperature");
    check(&mut generator, &|r| r.sampling.top_p = 0.0, "top_p");
    check(&mut generator, &|r| r.sampling.min_p = 1.5, "min_p");
    check(&mut generator, &|r| r.stop = vec![String::new()], "stop text is empty");
    check(&mut generator, &|r| r.stop = vec!["x".into()], "knows its vocabulary");
    check(&mut generator, &|r| r.conversation = 7, "already has a request");
    check(&mut generator, &|r| r.prompt.push(512), "outside the vocabulary");
    assert_eq!(generator.generate(vec![good.clone()]).unwrap().remove(0), alone(&good));
}

#[test]
fn who_gives_way_to_older_requests_ends_with_the_same_result() {
    // Six requests grow to ten pages each; the cache holds twenty.
    let options = Options { cache_tokens_max: 20 * 64, prefill_tokens: 100, ..Options::default() };
    // Another size than the embedded vocabulary's: such models are not made to end early.
    let model = || {
        tch::set_num_threads(1);
        Model::init(Config { vocab_size: 600, ..Config::tiny() }, 11, Kind::Float).unwrap()
    };
    let mut generator = Generator::new(model(), options);
    let mut requests: Vec<Request> = (0..6).map(|i| request(i, prompt(i as u32, 260 + 20 * i as usize, 1))).collect();
    for request in &mut requests {
        request.sampling.max_tokens = 220;
        request.sampling.temperature = 0.8;
        request.sampling.top_k = 200;
    }
    let found = generator.generate(requests.clone()).unwrap();
    let counters = generator.counters();
    assert!(counters.preempted > 0, "{counters:?}");
    assert_eq!(counters.drawn, found.iter().map(|completion| completion.token_ids.len() as u64).sum::<u64>());
    for (request, found) in requests.iter().zip(found) {
        let alone = Generator::new(model(), Options::default()).generate(vec![request.clone()]).unwrap().remove(0);
        assert_eq!(essence(found), essence(alone));
    }
    let mut large = requests[0].clone();
    large.sampling.max_tokens = 1100;
    assert!(generator.submit(large).unwrap_err().to_string().contains("exceed the cache"));
}

#[test]
fn a_long_prompt_does_not_hold_up_the_others() {
    let options = Options { prefill_tokens: 64, ..Options::default() };
    let mut generator = Generator::new(model(), options);
    let short = generator.submit(request(0, prompt(0, 20, 0))).unwrap();
    generator.step().unwrap();
    let long = generator.submit(request(1, prompt(1, 1000, 0))).unwrap();
    let mut drawn = Vec::new();
    // The long prompt takes sixteen steps to read; the other request draws a token in each.
    for _ in 0..15 {
        generator.step().unwrap();
        drawn.extend(generator.take_drawn());
    }
    assert_eq!(drawn.iter().filter(|drawn| drawn.ticket == short).count(), 15);
    assert_eq!(drawn.iter().filter(|drawn| drawn.ticket == long).count(), 0);
    generator.step().unwrap();
    assert!(generator.take_drawn().iter().any(|drawn| drawn.ticket == long));
}

#[test]
fn drawn_tokens_are_those_of_the_completion() {
    let mut generator = generator();
    let mut asked = request(0, prompt(0, 30, 0));
    asked.record.likeliest = Some(3);
    let ticket = generator.submit(asked.clone()).unwrap();
    let mut drawn = Vec::new();
    let completion = loop {
        let finished = generator.step().unwrap();
        drawn.extend(generator.take_drawn());
        if let Some((found, completion)) = finished.into_iter().next() {
            assert_eq!(found, ticket);
            break completion;
        }
    };
    assert_eq!(drawn.iter().map(|drawn| drawn.id).collect::<Vec<_>>(), completion.token_ids);
    assert_eq!(drawn.iter().map(|drawn| drawn.logprob).collect::<Vec<_>>(), completion.logprobs);
    let likeliest: Vec<_> = drawn.into_iter().map(|drawn| drawn.likeliest.unwrap()).collect();
    assert_eq!(likeliest, completion.likeliest);
    // At temperature 1 without cuts the sampler's probabilities are the model's.
    for (index, position) in likeliest.iter().enumerate() {
        assert!((position.drawn - completion.logprobs[index]).abs() < 1e-5);
        assert!(position.best.len() == 3 && position.best[0].1 >= position.best[2].1);
    }
}

#[test]
fn stop_texts_end_a_completion_wherever_tokens_break_them() {
    let tokenizer = Tokenizer::default();
    let vocabulary = || std::sync::Arc::clone(tokenizer.vocabulary());
    let mut asked = request(0, prompt(0, 30, 0));
    asked.sampling.max_tokens = 60;
    let free = alone(&asked);
    let text = tokenizer.decode(&free.token_ids);
    // Any three bytes of what would be said, wherever tokens begin: the first token that completes them is the last.
    for start in [0, 10, 25] {
        let Ok(stop) = String::from_utf8(text[start..start + 3].to_vec()) else { continue };
        asked.stop = vec!["not said at all".into(), stop.clone()];
        let mut generator = Generator::new(model(), Options::default()).with_vocabulary(vocabulary());
        let found = generator.generate(vec![asked.clone()]).unwrap().remove(0);
        let end = text.windows(3).position(|window| window == stop.as_bytes()).unwrap() + 3;
        let mut bytes = 0;
        let whole = |id: &u32| {
            let before = bytes;
            bytes += tokenizer.vocabulary().bytes(*id).unwrap().len();
            before < end
        };
        let expected: Vec<u32> = free.token_ids.iter().copied().take_while(whole).collect();
        assert_eq!(found.token_ids, expected, "{stop:?}");
        assert_eq!(found.finish, Finish::Stop);
    }
}

#[test]
fn under_a_grammar_a_random_model_writes_only_valid_calls() {
    use serde_json::json;
    use terrarium_model::dsml::{self, ThinkingMode, grammar::Calls};
    let tools =
        [json!({"type": "function", "function": {"name": "lend", "parameters": {"type": "object", "properties": {
        "kind": {"type": "string", "enum": ["new", "used"]}, "days": {"type": "integer"},
        "ids": {"type": "array", "items": {"type": "boolean"}}}, "required": ["kind", "days"]}}})];
    let grammar = std::sync::Arc::new(dsml::grammar::grammar(&tools, ThinkingMode::Chat, Calls::Required));
    let tokenizer = Tokenizer::default();
    let mut generator =
        Generator::new(model(), Options::default()).with_vocabulary(std::sync::Arc::clone(tokenizer.vocabulary()));
    let requests: Vec<Request> = (0..24)
        .map(|i| {
            let mut request = request(i, prompt(0, 40, i as u32));
            request.sampling.max_tokens = 400;
            request.grammar = Some(std::sync::Arc::clone(&grammar));
            request
        })
        .collect();
    let found = generator.generate(requests).unwrap();
    let mut ended = 0;
    for completion in found.iter().filter(|completion| completion.finish == Finish::Eos) {
        ended += 1;
        let text = String::from_utf8_lossy(&tokenizer.decode(&completion.token_ids)).into_owned();
        let message = dsml::parse(&text, ThinkingMode::Chat).unwrap_or_else(|error| panic!("{error}: {text}"));
        let calls = message["tool_calls"].as_array().unwrap();
        assert!(!calls.is_empty(), "{text}");
        for call in calls {
            assert_eq!(call["function"]["name"], "lend");
            let arguments = call["function"]["arguments"].as_str().unwrap();
            let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap();
            assert!(arguments["kind"] == "new" || arguments["kind"] == "used", "{text}");
            assert!(arguments["days"].is_i64() || arguments["days"].is_u64() || arguments["days"].is_f64(), "{text}");
        }
        assert!(completion.logprobs.iter().all(|logprob| *logprob <= 0.0));
    }
    assert!(ended >= 6, "{ended} of 24 completions ended");
}

#[test]
fn a_cancelled_request_is_answered_at_once() {
    let options = Options { batch_max: 1, ..Options::default() };
    let mut generator = Generator::new(model(), options);
    let first = generator.submit(request(0, prompt(0, 20, 0))).unwrap();
    let second = generator.submit(request(1, prompt(0, 20, 1))).unwrap();
    for _ in 0..3 {
        assert!(generator.step().unwrap().is_empty());
    }
    generator.cancel(first);
    generator.cancel(second);
    let finished = generator.step().unwrap();
    assert_eq!(finished.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [first, second]);
    assert_eq!(finished.iter().map(|(_, found)| found.token_ids.len()).collect::<Vec<_>>(), [3, 0]);
    assert!(finished.iter().all(|(_, found)| found.finish == Finish::Cancelled));
    assert!(generator.is_idle());
}

#[test]
fn many_threads_share_one_engine() {
    let handle = EngineHandle::spawn(generator()).unwrap();
    let requests: Vec<Request> = (0..8).map(|i| request(i, prompt(0, 60, i as u32))).collect();
    let found: Vec<Completion> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .map(|request| {
                let handle = handle.clone();
                scope.spawn(move || {
                    let completion = handle.generate(request.clone()).unwrap();
                    handle.release(request.conversation);
                    completion
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (request, found) in requests.iter().zip(found) {
        assert_eq!(essence(found), alone(request));
    }
    let error = handle.generate(request(0, vec![])).unwrap_err();
    assert!(matches!(error, Error::Request(_)), "{error}");
}

#[test]
fn malformed_token_rows_have_their_own_errors() {
    let model = model();
    let check = |rows: &[Vec<i64>], expected: TokensError| match model.tokens(rows) {
        Err(Error::Tokens(found)) => assert_eq!(found, expected),
        other => panic!("{other:?}"),
    };
    check(&[], TokensError::NoRows);
    check(&[vec![]], TokensError::EmptyRow { row: 0 });
    check(&[vec![1, 2], vec![3]], TokensError::Ragged { row: 1, expected: 2, found: 1 });
    check(&[vec![1], vec![-1]], TokensError::OutsideVocabulary { row: 1, position: 0, id: -1, vocabulary: 512 });
    check(&[vec![1, 512]], TokensError::OutsideVocabulary { row: 0, position: 1, id: 512, vocabulary: 512 });
    check(&[vec![0; 4097]], TokensError::TooLong { length: 4097, context: 4096 });
}

#[test]
fn a_random_model_ends_and_breaks_the_format_in_several_ways() {
    use terrarium_model::dsml::{self, ThinkingMode};
    let tokenizer = Tokenizer::default();
    let prompt = tokenizer.encode("<｜begin▁of▁sentence｜>You lend books.<｜User｜>Lend one.<｜Assistant｜></think>");
    let mut requests: Vec<Request> = (0..200).map(|i| request(i, prompt.clone())).collect();
    for request in &mut requests {
        request.sampling.max_tokens = 200;
    }
    let completions = generator().generate(requests).unwrap();
    let (mut messages, mut malformed, mut unfinished) = (0, 0, 0);
    for completion in &completions {
        let text = String::from_utf8_lossy(&tokenizer.decode(&completion.token_ids)).into_owned();
        match dsml::parse(&text, ThinkingMode::Chat) {
            Ok(_) => messages += 1,
            Err(_) if completion.finish == Finish::Eos => malformed += 1,
            Err(_) => unfinished += 1,
        }
        assert!(
            completion.token_ids.iter().all(|&id| tokenizer.vocabulary().bytes(id).is_some()),
            "unused ids are never drawn"
        );
    }
    let lengths: usize = completions.iter().map(|completion| completion.token_ids.len()).sum();
    assert!(messages >= 10 && malformed >= 10, "{messages} messages, {malformed} malformed, {unfinished} unfinished");
    assert!((1000..20_000).contains(&lengths), "{lengths} tokens in 200 completions");
    println!("{messages} messages, {malformed} malformed, {unfinished} unfinished, {lengths} tokens");
}

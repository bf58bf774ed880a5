//! The embedded model's commands: sizes, bench, and the OpenAI-compatible server, spoken to in raw HTTP and, where it is
//! installed, by OpenAI's own Python client.

use crate::support::Desk;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

#[test]
fn presets_say_their_size_before_anything_is_made() {
    let desk = Desk::new();
    let found = desk.run(&["model", "init", "--preset", "deepseek-v3.2", "--dry-run", "--json"]).json();
    let billions = |name: &str| found[name].as_f64().expect("a number") / 1e9;
    assert!((671.0..673.0).contains(&billions("parameters")), "{found}");
    assert!((36.0..40.0).contains(&billions("active_parameters")), "{found}");
    assert_eq!(found["config"]["num_hidden_layers"], 61);
    let said = desk.run(&["model", "init", "--preset", "deepseek-v3.2", "--out", "m"]);
    assert!(said.error(1).contains("--dry-run"), "{}", said.err);
    assert!(desk.run(&["model", "init", "--preset", "huge", "--dry-run"]).error(2).contains("tiny, small, bench"));
    let made = desk.run(&["model", "init", "--preset", "tiny", "--kind", "bfloat16", "--out", "m", "--json"]).json();
    let info = desk.run(&["model", "info", "m", "--json"]).json();
    assert_eq!(info["parameters"], made["parameters"]);
    assert_eq!(info["libtorch"], "2.11.0");
}

#[test]
fn a_place_that_cannot_be_had_is_refused_with_what_was_looked_for() {
    let desk = Desk::new();
    let info = desk.run(&["model", "info", "--json"]).json();
    if info["cuda"]["in_use"] == json!(false) {
        assert_eq!(info["models_compute_on"], "cpu, float32");
        let said = desk.run(&["serve", "model", "--device", "cuda"]);
        for part in ["CUDA device 0", "Driver:", "Libtorch for CUDA:", "NVRTC:", "--device cpu"] {
            assert!(said.error(1).contains(part), "{part} in {}", said.err);
        }
    }
    assert!(desk.run(&["serve", "model", "--device", "gpu"]).error(2).contains("cuda:N"));
    let said = desk.run(&["serve", "model", "--device", "cpu", "--batch-invariant", "--threads", "2"]);
    assert!(said.error(2).contains("--threads 1"), "{}", said.err);
    let said = desk.run(&["serve", "model", "--device", "cpu", "--rows", "fp8"]);
    assert!(said.error(1).contains("multiple of 128"), "{}", said.err);

    desk.run(&["model", "init", "--preset", "tiny", "--out", "m", "--json"]).json();
    std::fs::write(desk.path("tokens.json"), "[[1, 2, 3, 4]]").expect("written");
    let logits = |dtype: &str| {
        let arguments = ["model", "logits", "m", "--tokens", "tokens.json", "--device", "cpu", "--dtype", dtype];
        let found: Value = serde_json::from_str(&desk.run(&arguments).out).expect("JSON");
        found["logits"][0][3][5].as_f64().expect("a number")
    };
    let exact = logits("float64");
    assert!((logits("float32") - exact).abs() < 1e-4 && (logits("bfloat16") - exact).abs() < 0.1);
}

#[test]
fn vocabularies_are_trained_and_used() {
    let desk = Desk::new();
    let text: String = (0..200).map(|i| format!("A member borrows book {i} — naïve café.\n")).collect();
    std::fs::write(desk.path("a.txt"), &text).expect("written");
    let train =
        |out: &str| desk.run(&["model", "tokenizer", "train", "a.txt", "--size", "320", "--out", out, "--json"]).json();
    let made = train("m/tokenizer.json");
    assert!((300..=320).contains(&made["ids"].as_u64().expect("a number")), "{made}");
    assert_eq!(made["bytes"].as_u64(), Some(text.len() as u64));
    assert!(made["tokens"].as_u64() < Some(text.len() as u64 / 3), "{made}");
    train("again.json");
    let read = |name: &str| std::fs::read(desk.path(name)).expect("a vocabulary");
    assert_eq!(read("m/tokenizer.json"), read("again.json"), "the same bytes");
    // A checkpoint of 512 ids answers with it: a prompt of 9 characters and 4 special tokens takes fewer than 13.
    desk.run(&["model", "init", "--preset", "tiny", "--out", "m", "--json"]).json();
    let server = Server::start(&desk, &["m"]);
    let reply = server.chat(&json!({"messages": [{"role": "user", "content": "A member "}], "max_tokens": 4}));
    assert!(reply["usage"]["prompt_tokens"].as_u64() < Some(10), "{reply}");
    assert!(desk.run(&["model", "tokenizer", "train", "a.txt", "--size", "99", "--out", "x"]).error(1).contains("263"));
}

#[test]
fn the_bench_prints_every_stage_beside_its_floor() {
    let desk = Desk::new();
    let arguments = ["model", "bench", "--preset", "tiny", "--contexts", "200,400", "--chunk", "64", "--runs", "2"];
    let found = desk.run(&[&arguments[..], &["--json", "-q"]].concat()).json();
    let passes = found["passes"].as_array().expect("passes");
    assert_eq!(passes.len(), 4, "decode and prefill at two lengths");
    for pass in passes {
        for stage in pass["stages"].as_array().expect("stages") {
            assert!(stage["seconds"].as_f64() > Some(0.0) && stage["floor"].as_f64() > Some(0.0), "{pass}");
        }
        assert!(pass["sparse"].as_f64() > Some(0.0) && pass["dense"].as_f64() > Some(0.0), "{pass}");
    }
    assert!(desk.run(&["model", "bench", "--contexts", "100"]).error(2).contains("context 100"));
}

#[test]
fn the_embedded_models_episodes_end_in_many_ways_and_keep_their_tokens() {
    let desk = Desk::new();
    desk.run(&["synth", "--envs", "6", "--tasks", "60", "--seed", "7", "--json", "-q"]).json();
    let select = ["--max-tools", "6", "--max-prompt", "2400", "--tasks", "8", "--group", "2", "--json", "-q"];
    let free = [&["rollout", "--policy", "dsa", "--max-tokens", "24"][..], &select].concat();
    let held = ["rollout", "--policy", "dsa-constrained", "--max-turns", "2", "--window", "3200"];
    let (free, held) = (desk.run(&free).json(), desk.run(&[&held[..], &select].concat()).json());
    let mut outcomes: Vec<&String> =
        [&free, &held].iter().flat_map(|run| run["outcomes"].as_object().expect("outcomes").keys()).collect();
    outcomes.sort();
    outcomes.dedup();
    assert!(outcomes.len() >= 3, "{free} {held}");
    let known = ["solved", "failed", "format_error", "out_of_turns", "out_of_context"];
    assert!(outcomes.iter().all(|o| known.contains(&o.as_str())), "{outcomes:?}: nothing broke");

    let held = "FROM steps JOIN episodes ON episodes.id = episode_id WHERE policy = 'dsa-constrained'";
    let count = |sql: String| desk.query(&sql)[0].parse::<u64>().expect("a count");
    assert!(
        count(format!("SELECT CAST(count(*) AS TEXT) {held}")) >= 16,
        "every message of the constrained model is a call"
    );
    assert_eq!(count(format!("SELECT CAST(count(*) AS TEXT) {held} AND steps.outcome = 'unknown_tool'")), 0);
    assert_eq!(count(format!("SELECT CAST(count(*) AS TEXT) {held} AND json_valid(arguments) = 0")), 0);
    let bare = "SELECT CAST(count(*) AS TEXT) FROM episodes WHERE policy LIKE 'dsa%' AND trace_count = 0 AND outcome != 'out_of_context'";
    assert_eq!(count(bare.to_owned()), 0, "tokens are kept");
}

/// A running server; killed when it goes out of scope.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test then says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(desk: &Desk, more: &[&str]) -> Self {
        let arguments = [&["serve", "model", "--listen", "127.0.0.1:0", "--json"][..], more].concat();
        let mut command = desk.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("one line on stdout");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Server { child, address: said["listening"].as_str().expect("an address").to_owned() }
    }

    /// Status and body of a request.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let head = format!("{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("read to the end");
        let (head, body) = reply.split_once("\r\n\r\n").expect("head and body");
        (head.split(' ').nth(1).expect("a status").parse().expect("a number"), body.to_owned())
    }

    fn chat(&self, body: &Value) -> Value {
        let (status, text) = self.ask("POST", "/v1/chat/completions", &body.to_string());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn request() -> Value {
    json!({
        "model": "tiny", "seed": 4, "max_tokens": 24, "logprobs": true, "top_logprobs": 2,
        "messages": [{"role": "system", "content": "You lend books."}, {"role": "user", "content": "Lend one."}],
        "tools": [{"type": "function", "function": {"name": "lend", "parameters": {"type": "object", "properties": {}}}}],
    })
}

#[test]
fn the_server_answers_whole_and_in_a_stream_alike() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[]);
    let whole = server.chat(&request());
    let choice = &whole["choices"][0];
    let tokens = whole["usage"]["completion_tokens"].as_u64().expect("a number");
    assert!(tokens > 0 && tokens <= 24, "{whole}");
    let positions = choice["logprobs"]["content"].as_array().expect("log-probabilities");
    assert_eq!(positions.len() as u64, tokens);
    for position in positions {
        assert!(position["logprob"].as_f64() <= Some(0.0), "{position}");
        assert_eq!(position["top_logprobs"].as_array().map(Vec::len), Some(2), "{position}");
    }
    // The same request again: the same answer, from the cache.
    let again = server.chat(&request());
    assert_eq!(again["choices"], whole["choices"]);
    assert!(again["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64() > Some(10), "{again}");

    let mut streamed = request();
    streamed["stream"] = true.into();
    streamed["stream_options"] = json!({"include_usage": true});
    let (status, text) = server.ask("POST", "/v1/chat/completions", &streamed.to_string());
    assert_eq!(status, 200, "{text}");
    let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = data.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let deltas = || chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    let content: String = deltas().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
    assert_eq!(content, choice["message"]["content"].as_str().unwrap_or_default());
    let reasons: Vec<&Value> =
        deltas().map(|choice| &choice["finish_reason"]).filter(|reason| !reason.is_null()).collect();
    assert_eq!(reasons, [&choice["finish_reason"]]);
    let count: usize = deltas().filter_map(|choice| choice["logprobs"]["content"].as_array().map(Vec::len)).sum();
    assert_eq!(count as u64, tokens);
    assert_eq!(chunks.last().expect("chunks")["usage"]["completion_tokens"], tokens);

    let mut several = request();
    several["n"] = 3.into();
    let several = server.chat(&several);
    assert_eq!(several["choices"].as_array().map(Vec::len), Some(3));
    assert_eq!(several["choices"][0], whole["choices"][0], "the first choice is the only one's");
    assert_ne!(several["choices"][1]["message"], several["choices"][2]["message"]);
}

#[test]
fn the_server_refuses_what_it_cannot_do_and_says_why() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[]);
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut body = request();
        change(&mut body);
        let (status, text) = server.ask("POST", "/v1/chat/completions", &body.to_string());
        let error: Value = serde_json::from_str(&text).expect("JSON");
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(expected), "{expected}: {status} {text}");
    };
    check(&|body| body["messages"] = json!([]), "`messages`");
    check(&|body| body["messages"] = json!([{"role": "robot"}]), "robot");
    check(&|body| body["messages"] = json!([{"role": "user", "content": [{"type": "image_url"}]}]), "text only");
    check(&|body| body["temperature"] = json!(-1), "`temperature`");
    check(&|body| body["top_p"] = json!("x"), "`top_p`");
    check(&|body| body["stop"] = json!([""]), "`stop`");
    check(&|body| body["n"] = json!(1000), "`n`");
    check(&|body| body["tool_choice"] = json!({"type": "function"}), "`tool_choice`");
    check(&|body| body["messages"][1]["content"] = "word ".repeat(9000).into(), "context");
    let (status, text) = server.ask("POST", "/v1/chat/completions", "{");
    assert!(status == 400 && text.contains("not JSON"), "{text}");
    assert_eq!(server.ask("GET", "/v1/nothing", "").0, 404);
    let (status, text) = server.ask("GET", "/v1/models", "");
    assert!(status == 200 && text.contains("\"tiny\""), "{text}");
    server.chat(&request());
}

/// What OpenAI's client must be able to do, in Python.
const CLIENT: &str = r#"
import json, sys
import openai
client = openai.OpenAI(base_url="http://%s/v1" % sys.argv[1], api_key="none")
tools = [{"type": "function", "function": {"name": "lend", "parameters": {"type": "object", "properties": {}}}}]
asked = dict(model="tiny", messages=[{"role": "user", "content": "Lend one."}], tools=tools, max_tokens=20, seed=3, logprobs=True, top_logprobs=3)
whole = client.chat.completions.create(**asked)
content, reason, usage, positions = "", None, None, 0
for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        content += choice.delta.content or ""
        reason = choice.finish_reason or reason
        positions += len(choice.logprobs.content) if choice.logprobs and choice.logprobs.content else 0
assert content == (whole.choices[0].message.content or ""), (content, whole)
assert reason == whole.choices[0].finish_reason, (reason, whole)
assert usage.completion_tokens == whole.usage.completion_tokens == positions == len(whole.choices[0].logprobs.content)
# A call that must be made, whole and in pieces, and its result given back.
schema = {"type": "object", "properties": {"copies": {"type": "integer"}, "kind": {"enum": ["book", "map"]}}, "required": ["copies", "kind"]}
tools = [{"type": "function", "function": {"name": "lend", "description": "Lend copies.", "parameters": schema}}]
asked = dict(model="tiny", messages=[{"role": "user", "content": "Lend one."}], tools=tools, tool_choice="required", max_tokens=400)
for asked["seed"] in range(10):  # random weights may go on calling
    whole = client.chat.completions.create(**asked)
    if whole.choices[0].finish_reason == "tool_calls":
        break
assert whole.choices[0].finish_reason == "tool_calls" and whole.choices[0].message.content is None, whole
call = whole.choices[0].message.tool_calls[0]
arguments = json.loads(call.function.arguments)
assert call.function.name == "lend" and isinstance(arguments["copies"], int) and arguments["kind"] in ("book", "map"), call
names, pieces, ids = {}, {}, {}
for chunk in client.chat.completions.create(stream=True, **asked):
    for piece in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
        names[piece.index] = names.get(piece.index, "") + (piece.function.name or "")
        pieces[piece.index] = pieces.get(piece.index, "") + (piece.function.arguments or "")
        ids[piece.index] = piece.id or ids.get(piece.index)
made = whole.choices[0].message.tool_calls
assert [(names[i], pieces[i]) for i in sorted(names)] == [(c.function.name, c.function.arguments) for c in made], (names, pieces, made)
assert all(ids.values()), ids
answers = [{"role": "tool", "tool_call_id": c.id, "content": "{\"lent\": 1}"} for c in made]
asked["messages"] = asked["messages"] + [whole.choices[0].message.model_dump(exclude_none=True)] + answers
asked.update(tool_choice="none", max_tokens=8)
after = client.chat.completions.create(**asked)
assert after.choices[0].message.tool_calls is None and after.usage.completion_tokens <= 8, after
assert [m.id for m in client.models.list()] == ["tiny"]
try:
    client.chat.completions.create(model="tiny", messages=[])
    raise AssertionError("must be refused")
except openai.BadRequestError as error:
    assert error.param == "messages", error
print(json.dumps({"content": content, "reason": reason}))
"#;

#[test]
fn openais_python_client_is_served() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../third_party/openai/bin/python");
    let python = if std::path::Path::new(python).exists() { python } else { "python3" };
    let found = Command::new(python).args(["-c", "import openai"]).output();
    if !found.is_ok_and(|found| found.status.success()) {
        println!("skipped: OpenAI's Python client is not installed; `make test-openai` does it");
        return;
    }
    let desk = Desk::new();
    let server = Server::start(&desk, &[]);
    let output = Command::new(python).args(["-c", CLIENT, &server.address]).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

//! The chat-completions client against an endpoint that misbehaves on a schedule.

mod support;

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Memory, environment, sandbox, task};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{ChatOptions, ChatPolicy};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer of the endpoint.
#[derive(Clone)]
enum Reply {
    /// Status, extra header lines, body.
    Http(u16, &'static str, String),
    /// The connection is closed without a word.
    Hang,
    /// Nothing comes.
    Silence,
}

/// What the endpoint was asked: (head, body).
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// An endpoint on this machine that gives the replies in turn, the last one for ever.
async fn serve(replies: Vec<Reply>) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut next = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let reply = replies[next.min(replies.len() - 1)].clone();
            next += 1;
            tokio::spawn(answer(stream, reply, Arc::clone(&seen)));
        }
    });
    (url, asked)
}

async fn answer(mut stream: TcpStream, reply: Reply, asked: Asked) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.to_lowercase().strip_prefix("content-length:").and_then(|v| v.trim().parse().ok()))
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), serde_json::from_str(body).unwrap_or_default());
            }
        }
        if n == 0 {
            return;
        }
    };
    asked.lock().expect("no panic").push((head, body));
    match reply {
        Reply::Http(status, headers, body) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Hang => {}
        Reply::Silence => tokio::time::sleep(Duration::from_secs(30)).await,
    }
}

fn says(message: Value) -> Reply {
    Reply::Http(200, "", json!({"choices": [{"index": 0, "message": message}]}).to_string())
}

fn calls(name: &str, arguments: &str) -> Reply {
    says(json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "abc", "type": "function", "function": {"name": name, "arguments": arguments}}
    ]}))
}

fn options(url: &str) -> ChatOptions {
    let mut options = ChatOptions::parse(&format!("openai:{url}#tiny")).expect("a policy");
    options.backoff = Duration::from_millis(1);
    options.timeout = Duration::from_millis(500);
    options.api_key = Some("sesame".to_owned());
    options
}

/// Runs one episode of "what is 3 + 4" and gives outcome, reward, error and what was asked.
async fn play(replies: Vec<Reply>) -> (Outcome, Option<f64>, String, Vec<(String, Value)>) {
    let (url, asked) = serve(replies).await;
    let sink = Memory::default();
    let environment = environment(0);
    let job = Job { task: task(&environment, 4), environment, sample: 0 };
    let policy = Arc::new(ChatPolicy::new(options(&url)).expect("a policy"));
    let run = Options { seed: 3, ..Options::default() };
    rollout(&sandbox(), vec![job], policy, &sink, &run, &Cancel::new(), |_| ()).await.expect("a run");
    let episode = sink.timeless().pop().expect("an episode");
    assert_eq!(episode.key.policy, "openai:tiny");
    let asked = asked.lock().expect("no panic").clone();
    (episode.outcome, episode.reward, episode.error.unwrap_or_default(), asked)
}

#[tokio::test]
async fn an_endpoint_that_answers_solves_the_task() {
    let (outcome, reward, _, asked) =
        play(vec![calls("add", r#"{"a": 3, "b": 4}"#), calls("submit", r#"{"answer": 7}"#)]).await;
    assert_eq!((outcome, reward), (Outcome::Solved, Some(1.0)));
    assert_eq!(asked.len(), 2);
    let (head, body) = &asked[1];
    assert!(head.starts_with("POST /v1/chat/completions"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer sesame"), "{head}");
    assert_eq!((&body["model"], &body["stream"]), (&json!("tiny"), &json!(false)));
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(4));
    assert_eq!(body["messages"][2]["tool_calls"][0]["id"], "call_0");
    assert_eq!(body["messages"][3], json!({"role": "tool", "tool_call_id": "call_0", "content": "7"}));
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out() {
    let busy = Reply::Http(429, "retry-after: 0.05\r\n", "{}".to_owned());
    let began = Instant::now();
    let (outcome, reward, error, asked) = play(vec![
        busy,
        Reply::Http(500, "", "oops".to_owned()),
        Reply::Hang,
        Reply::Http(200, "", "<html>hello</html>".to_owned()),
        Reply::Http(200, "", r#"{"choices": []}"#.to_owned()),
        calls("submit", r#"{"answer": 7}"#),
    ])
    .await;
    assert_eq!((outcome, reward), (Outcome::Solved, Some(1.0)), "{error}");
    assert_eq!(asked.len(), 6);
    assert!(began.elapsed() >= Duration::from_millis(50), "Retry-After was not honoured");
}

#[tokio::test]
async fn trouble_that_stays_is_a_policy_error_without_a_reward() {
    for (reply, requests, said) in [
        (Reply::Http(503, "", "down".to_owned()), 6, "gave up after 6 requests: the endpoint answered 503: down"),
        (Reply::Http(200, "", "garbage".to_owned()), 6, "not JSON"),
        (Reply::Http(401, "", "who are you".to_owned()), 1, "the endpoint answered 401: who are you"),
        (Reply::Hang, 6, "gave up after 6 requests"),
    ] {
        let (outcome, reward, error, asked) = play(vec![reply]).await;
        assert_eq!((outcome, reward), (Outcome::PolicyError, None));
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("sesame"));
        assert_eq!(asked.len(), requests, "{error}");
    }
}

#[tokio::test]
async fn a_silent_endpoint_times_out() {
    let (url, _) = serve(vec![Reply::Silence]).await;
    let mut options = options(&url);
    options.timeout = Duration::from_millis(50);
    options.attempts = 2;
    let environment = environment(0);
    let job = Job { task: task(&environment, 4), environment, sample: 0 };
    let sink = Memory::default();
    let policy = Arc::new(ChatPolicy::new(options).expect("a policy"));
    rollout(&sandbox(), vec![job], policy, &sink, &Options::default(), &Cancel::new(), |_| ()).await.expect("a run");
    let episode = sink.timeless().pop().expect("an episode");
    assert_eq!((episode.outcome, episode.reward), (Outcome::PolicyError, None));
    assert!(episode.error.is_some_and(|e| e.contains("timed out")));
}

#[tokio::test]
async fn a_field_that_is_refused_is_left_out_from_then_on() {
    let no = |body: &str| Reply::Http(400, "", body.to_owned());
    let (outcome, reward, error, asked) = play(vec![
        no(r#"{"error": {"message": "Unrecognized request argument supplied: logprobs"}}"#),
        no("Extra inputs are not permitted: 'seed'"),
        calls("submit", r#"{"answer": 7}"#),
    ])
    .await;
    assert_eq!((outcome, reward), (Outcome::Solved, Some(1.0)), "{error}");
    let sent: Vec<[bool; 2]> =
        asked.iter().map(|(_, body)| ["logprobs", "seed"].map(|field| body.get(field).is_some())).collect();
    assert_eq!(sent, [[true, true], [false, true], [false, false]]);
    let (outcome, reward, error, asked) = play(vec![no("the seed was bad")]).await;
    assert_eq!((outcome, reward, asked.len()), (Outcome::PolicyError, None, 2), "{error}");
    assert!(error.starts_with("refused: "), "{error}");
}

#[tokio::test]
async fn a_context_that_is_too_long_is_no_endpoint_trouble() {
    let body = r#"{"error": {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"}}"#;
    let (outcome, reward, error, asked) = play(vec![Reply::Http(400, "", body.to_owned())]).await;
    assert_eq!((outcome, reward), (Outcome::OutOfContext, Some(0.0)));
    assert!(error.contains("4096"), "{error}");
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn malformed_arguments_are_answered_and_mended() {
    let (outcome, reward, _, asked) =
        play(vec![calls("add", r#"{"a": 3, "b": "#), calls("submit", r#"{"answer": 7}"#)]).await;
    assert_eq!((outcome, reward), (Outcome::Solved, Some(1.0)));
    let told = asked[1].1["messages"][3]["content"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("one JSON object"), "{told}");
    assert_eq!(asked[1].1["messages"][2]["tool_calls"][0]["function"]["arguments"], "{}");
}

#[test]
fn names_and_urls_that_make_no_sense_are_refused() {
    for policy in ["openai:", "openai:http://x", "openai:#m", "openai:http://x#"] {
        assert!(ChatOptions::parse(policy).is_err(), "{policy}");
    }
    for url in ["not a url", "ftp://x/v1", "file:///etc"] {
        assert!(ChatPolicy::new(ChatOptions::new(url, "m")).is_err(), "{url}");
    }
    assert!(!format!("{:?}", options("http://x/v1")).contains("sesame"));
}

//! The message format against what the published encoding script gives, byte for byte.

use serde_json::Value;
use terrarium_model::dsml::{self, Options, ThinkingMode};

fn cases(kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/dsml/cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let chosen: Vec<Value> = all.filter(|case| case["kind"] == kind).collect();
    assert!(chosen.len() > 20, "{kind}: {} cases", chosen.len());
    chosen
}

fn mode(case: &Value) -> ThinkingMode {
    ThinkingMode::from_name(case["thinking_mode"].as_str().unwrap()).unwrap()
}

#[test]
fn prompts_are_equal() {
    for (index, case) in cases("encode").iter().enumerate() {
        let options = Options { mode: mode(case), drop_thinking: case["drop_thinking"].as_bool().unwrap() };
        let prompt = dsml::encode(case["messages"].as_array().unwrap(), options).unwrap();
        assert_eq!(prompt, case["prompt"].as_str().unwrap(), "encode case {index}");
    }
}

#[test]
fn parsed_messages_and_refusals_are_equal() {
    let mut refused = 0;
    for (index, case) in cases("parse").iter().enumerate() {
        let found = dsml::parse(case["text"].as_str().unwrap(), mode(case));
        if case["error"] == true {
            assert!(found.is_err(), "parse case {index} must be refused");
            refused += 1;
        } else {
            assert_eq!(found.unwrap(), case["message"], "parse case {index}");
        }
    }
    assert!(refused >= 5, "{refused} refusals");
}

#[test]
fn the_tolerant_reader_agrees_with_the_strict_parser() {
    let mut called = 0;
    for (index, case) in cases("parse").iter().enumerate() {
        let Ok(strict) = dsml::parse(case["text"].as_str().unwrap(), mode(case)) else { continue };
        let found = dsml::read(case["text"].as_str().unwrap(), mode(case));
        assert_eq!(strict["content"], found.content, "parse case {index}");
        assert_eq!(strict["reasoning_content"], found.reasoning, "parse case {index}");
        let calls = strict["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), found.calls.len(), "parse case {index}");
        for (strict, found) in calls.iter().zip(&found.calls) {
            // Arguments that are marked as JSON and are none pass the published parser; here they are an error.
            let arguments = strict["function"]["arguments"].as_str().unwrap();
            match found {
                Ok(found) => {
                    assert_eq!(strict["function"]["name"], found.name, "parse case {index}");
                    assert_eq!(arguments, found.arguments, "parse case {index}");
                    called += 1;
                }
                Err(bad) => assert!(
                    serde_json::from_str::<Value>(arguments).is_err(),
                    "parse case {index}: {bad:?} instead of {arguments}"
                ),
            }
        }
    }
    assert!(called > 10, "{called} calls");
}

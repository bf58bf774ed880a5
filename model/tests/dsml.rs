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

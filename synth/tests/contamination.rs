//! The comparison with other people's rows: ours planted among theirs are found, theirs are not taken for ours.

use serde_json::{Value, json};
use std::sync::atomic::AtomicBool;
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_synth::dedup::contamination::{Near, Ours, What};
use terrarium_synth::dedup::foreign;
use terrarium_synth::{Admission, Error, Options, Resume, Synthesizer};

/// Rows that are nobody's of ours.
fn theirs() -> Vec<String> {
    let tool = |name: &str, parameters: &[&str]| {
        let properties: serde_json::Map<String, Value> =
            parameters.iter().map(|p| ((*p).to_owned(), json!({"type": "string"}))).collect();
        json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}})
    };
    vec![
        json!({"tools": [tool("get_weather", &["location", "unit"]), tool("send_email", &["to", "subject", "body"])]}).to_string(),
        json!({"messages": [{"role": "user", "content": "What is the weather like in Boston today?"}]}).to_string(),
        json!({"prompt": "Natalia sold clips to 48 of her friends in April, and half as many in May. How many in all?"}).to_string(),
        tool("search_flights_by_airport", &["origin_iata", "destination_iata", "cabin"]).to_string(),
        json!("Write a function that reverses a linked list in place.").to_string(),
        "Change my reservation of the flight HAT039 to the next day and pay with the card on file.".to_owned(),
    ]
}

#[test]
fn planted_rows_are_found_and_others_are_not() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let options = Options { seed: 21, envs: 6, tasks: 48, threads: 2, ..Options::default() };
    let mut made: Vec<Admission> = Vec::new();
    let synthesizer = Synthesizer::new(options, &sandbox).expect("options");
    let report = synthesizer.run::<Error>(Resume::default(), &AtomicBool::new(false), |admission, _| {
        made.push(admission);
        Ok(())
    });
    report.expect("synthesis");
    let mut ours = Ours::default();
    made.iter().for_each(|m| ours.add(&m.environment, &m.tasks));
    let near = |row: &str| -> Vec<Near> { ours.near(1, &foreign::read(row), 0.7) };
    for row in theirs() {
        assert_eq!(near(&row), [], "{row}");
    }
    for admission in &made {
        for task in &admission.tasks {
            // As a chat, with other politeness around it.
            let row = json!({"messages": [{"role": "user", "content": format!("Hello there. {} Many thanks.", task.prompt)}]});
            let found = near(&row.to_string());
            assert!(
                found.iter().any(|n| n.what == What::Prompt && n.ours == task.id && n.similarity > 0.9),
                "{found:?}"
            );
        }
        let tools: Vec<Value> = admission.environment.tools.iter().map(|t| {
            json!({"type": "function", "function": {"name": t.name, "description": "", "parameters": t.parameters}})
        }).collect();
        // Without one of the tools and under another style of names.
        let some = json!({"tools": tools[1..]}).to_string();
        let found = near(&some);
        assert!(found.iter().any(|n| n.what == What::ToolSet && n.ours == admission.environment.id), "{found:?}");
        let camel = tools[0]["function"]["name"].as_str().expect("a name").replace('_', "-").to_uppercase();
        let one = json!({"name": camel, "input_schema": tools[0]["function"]["parameters"]}).to_string();
        assert!(near(&one).iter().any(|n| n.what == What::Tool && n.similarity > 0.99), "{one}");
    }
}

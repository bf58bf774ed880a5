//! The host's own tool: `submit` ends the episode and carries the answer of a question, or a refusal with its grounds. It never
//! reaches the world.

use crate::tool::ToolSpec;
use crate::verifier::{Answer, answer as spelling};
use serde_json::{Map, Value, json};

/// Its reserved name.
pub const NAME: &str = "submit";

/// What the agent sees when its submission was taken. It says nothing about the verdict.
pub const ACCEPTED: &str = r#"{"submitted":true}"#;

/// Parameters of a refusal.
const REFUSAL: [&str; 3] = ["decision", "rule", "evidence"];

/// `submit` as the agent sees it.
pub fn tool() -> ToolSpec {
    let value = json!([{"type": "string"}, {"type": "number"}, {"type": "array", "items": {"type": "string"}}]);
    ToolSpec {
        name: NAME.to_owned(),
        description: "Finish the task. For a question, give the answer; to refuse, give decision, rule and evidence. \
                      The episode ends with this call."
            .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "answer": {
                    "description": "The answer alone: a text, a number, or a list of texts if several are asked for.",
                    "anyOf": value
                },
                "decision": {"type": "string", "enum": ["refuse"]},
                "rule": {"type": "integer", "description": "Number of the policy's rule that forbids it."},
                "evidence": {"description": "What the records say against it.", "anyOf": value}
            },
            "additionalProperties": false
        }),
        writes: false,
    }
}

/// The arguments of a `submit` that gives this answer.
pub fn arguments(answer: Option<&Answer>) -> Value {
    match answer {
        None => json!({}),
        Some(refusal @ Answer::Refusal { .. }) => spelling::shown(refusal),
        Some(other) => json!({"answer": spelling::shown(other)}),
    }
}

/// What the arguments of a `submit` say, if they say anything: the answer, or a refusal as an object.
///
/// # Errors
/// What is wrong with the arguments, in words for the agent.
pub fn answer(arguments: &Value) -> Result<Option<Value>, String> {
    let Some(object) = arguments.as_object() else {
        return Err("the arguments of `submit` must be an object".to_owned());
    };
    if let Some(other) = object.keys().find(|k| *k != "answer" && !REFUSAL.contains(&k.as_str())) {
        return Err(format!(
            "`submit` has no parameter `{other}`; it takes `answer`, or `decision`, `rule` and `evidence`"
        ));
    }
    let given = |name: &str| object.get(name).filter(|v| !v.is_null());
    let answer = given("answer").map(|v| value("answer", v)).transpose()?;
    let mut refusal = Map::new();
    for name in REFUSAL {
        match (name, given(name)) {
            (_, None) => {}
            ("decision", Some(Value::String(decision))) if decision == "refuse" => {
                refusal.insert(name.to_owned(), decision.as_str().into());
            }
            ("decision", Some(_)) => return Err("`decision` is \"refuse\" or left out".to_owned()),
            ("rule", Some(rule @ (Value::Number(_) | Value::String(_)))) => {
                refusal.insert(name.to_owned(), rule.clone());
            }
            ("rule", Some(_)) => return Err("`rule` must be the number of a rule".to_owned()),
            (_, Some(evidence)) => {
                refusal.insert(name.to_owned(), value(name, evidence)?);
            }
        }
    }
    match (answer, refusal.is_empty()) {
        (answer, true) => Ok(answer),
        (None, false) if refusal.contains_key("decision") => Ok(Some(Value::Object(refusal))),
        (None, false) => Err("`rule` and `evidence` belong to the decision \"refuse\"".to_owned()),
        (Some(_), false) => Err("give an `answer` or a `decision`, not both".to_owned()),
    }
}

fn value(name: &str, given: &Value) -> Result<Value, String> {
    match given {
        Value::String(_) | Value::Number(_) => Ok(given.clone()),
        Value::Array(items) if items.iter().all(|i| i.is_string() || i.is_number()) => Ok(given.clone()),
        _ => Err(format!("`{name}` must be a text, a number or a list of texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_or_refused_with_a_reason() {
        assert_eq!(answer(&json!({})), Ok(None));
        assert_eq!(answer(&json!({"answer": null})), Ok(None));
        assert_eq!(answer(&json!({"answer": 3})), Ok(Some(json!(3))));
        assert_eq!(answer(&json!({"answer": ["a", "b"]})), Ok(Some(json!(["a", "b"]))));
        assert!(answer(&json!({"answer": true})).unwrap_err().contains("list of texts"));
        assert!(answer(&json!({"answer": [["a"]]})).unwrap_err().contains("list of texts"));
        assert!(answer(&json!({"result": 3})).unwrap_err().contains("`result`"));
        assert!(answer(&json!([1])).unwrap_err().contains("object"));
    }

    #[test]
    fn refusals_are_taken_whole() {
        let refusal = json!({"decision": "refuse", "rule": 2, "evidence": ["L-1"]});
        assert_eq!(answer(&refusal), Ok(Some(refusal.clone())));
        assert_eq!(answer(&json!({"decision": "refuse"})), Ok(Some(json!({"decision": "refuse"}))));
        assert!(answer(&json!({"decision": "perhaps"})).unwrap_err().contains("refuse"));
        assert!(answer(&json!({"rule": 2})).unwrap_err().contains("belong"));
        assert!(answer(&json!({"decision": "refuse", "rule": true})).unwrap_err().contains("number of a rule"));
        assert!(answer(&json!({"decision": "refuse", "evidence": {}})).unwrap_err().contains("`evidence`"));
        assert!(answer(&json!({"answer": 1, "decision": "refuse"})).unwrap_err().contains("not both"));
    }

    #[test]
    fn arguments_are_read_back() {
        let refusal = Answer::Refusal { rule: 3, evidence: Box::new(Answer::Money(450)) };
        for wanted in [Answer::Integer(4), Answer::Texts(vec!["a".to_owned()]), refusal] {
            let submitted = answer(&arguments(Some(&wanted))).expect("well-formed").expect("an answer");
            assert!(spelling::matches(&wanted, &submitted), "{submitted}");
        }
        assert_eq!(answer(&arguments(None)), Ok(None));
    }

    #[test]
    fn the_schema_accepts_what_is_taken() {
        let validator = jsonschema::validator_for(&tool().parameters).expect("a valid schema");
        let refusal = json!({"decision": "refuse", "rule": 1, "evidence": "2026-03-01"});
        for arguments in [json!({}), json!({"answer": 1.5}), json!({"answer": "x"}), json!({"answer": ["x"]}), refusal]
        {
            assert!(validator.is_valid(&arguments) && answer(&arguments).is_ok(), "{arguments}");
        }
        for arguments in
            [json!({"answer": true}), json!({"other": 1}), json!({"answer": {}}), json!({"decision": "no"})]
        {
            assert!(!validator.is_valid(&arguments) && answer(&arguments).is_err(), "{arguments}");
        }
    }
}

//! The host's own tool: `submit` ends the episode and carries the answer of a question. It never reaches the world.

use crate::environment::ToolSpec;
use serde_json::{Value, json};

/// Its reserved name.
pub const NAME: &str = "submit";

/// What the agent sees when its submission was taken. It says nothing about the verdict.
pub const ACCEPTED: &str = r#"{"submitted":true}"#;

/// `submit` as the agent sees it.
pub fn tool() -> ToolSpec {
    ToolSpec {
        name: NAME.to_owned(),
        description: "Finish the task. For a question, give the answer; the episode ends with this call.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "answer": {
                    "description": "The answer alone: a text, a number, or a list of texts if several are asked for.",
                    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "array", "items": {"type": "string"}}]
                }
            },
            "additionalProperties": false
        }),
        writes: false,
    }
}

/// The answer in the arguments of a `submit`, if there is one.
///
/// # Errors
/// What is wrong with the arguments, in words for the agent.
pub fn answer(arguments: &Value) -> Result<Option<Value>, String> {
    let Some(object) = arguments.as_object() else {
        return Err("the arguments of `submit` must be an object".to_owned());
    };
    if let Some(other) = object.keys().find(|k| *k != "answer") {
        return Err(format!("`submit` has no parameter `{other}`; it takes only `answer`"));
    }
    match object.get("answer") {
        None | Some(Value::Null) => Ok(None),
        Some(value @ (Value::String(_) | Value::Number(_))) => Ok(Some(value.clone())),
        Some(Value::Array(items)) if items.iter().all(|i| i.is_string() || i.is_number()) => {
            Ok(Some(Value::Array(items.clone())))
        }
        Some(_) => Err("`answer` must be a text, a number or a list of texts".to_owned()),
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
    fn the_schema_accepts_what_is_taken() {
        let validator = jsonschema::validator_for(&tool().parameters).expect("a valid schema");
        for arguments in [json!({}), json!({"answer": 1.5}), json!({"answer": "x"}), json!({"answer": ["x"]})] {
            assert!(validator.is_valid(&arguments) && answer(&arguments).is_ok(), "{arguments}");
        }
        for arguments in [json!({"answer": true}), json!({"other": 1}), json!({"answer": {}})] {
            assert!(!validator.is_valid(&arguments) && answer(&arguments).is_err(), "{arguments}");
        }
    }
}

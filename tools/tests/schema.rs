//! Schemas of tools, and messages about arguments.

use serde_json::{Value, json};
use terrarium_tools::schema::{CompiledSchema, ToolSchema, tool_schemas, validate_arguments};
use terrarium_tools::{Surface, parse_suite};

const SOURCE: &str = r#"
suite("desk", title = "Desk", domain = "culture", policy = "Be kind.")
Tier = enum("standard", "student")
member = table("member", key("M", 4), name = person_name(), tier = one_of(Tier))
Line = record("Line", member = key_of(member), quantity = int, note = option(str))

def act(member_id: key_of(member), tier: Tier, amount: money, on: date, lines: list[Line],
        page: int = 1, note: option[str] = None, other: option[Tier] = None, ratio: float = 0.5, sure: bool = False):
    """Do it.

    Args:
        member_id: Who does it.
        note: A remark.
    """
    m = member.get(member_id)

tool(act)

def nothing():
    """Nothing."""
    pass

tool(nothing)
"#;

fn schemas() -> Vec<ToolSchema> {
    let suite = parse_suite("desk.star", SOURCE).unwrap_or_else(|e| panic!("{e:?}"));
    tool_schemas(&suite, &Surface::plain(&suite))
}

#[test]
fn schemas_are_plain() {
    let all = schemas();
    assert_eq!(all[0].name, "act");
    assert_eq!(all[0].description, "Do it.");
    assert!(!all[0].writes);
    let p = &all[0].parameters["properties"];
    assert_eq!(p["member_id"], json!({"type": "string", "description": "Who does it (member id)."}));
    assert_eq!(p["tier"], json!({"type": "string", "enum": ["standard", "student"]}));
    assert_eq!(p["amount"], json!({"type": "string", "pattern": "^-?[0-9]+\\.[0-9]{2}$"}));
    assert_eq!(p["on"]["format"], "date");
    assert_eq!(p["note"], json!({"type": ["string", "null"], "description": "A remark."}));
    assert_eq!(p["other"], json!({"type": ["string", "null"], "enum": ["standard", "student", null]}));
    assert_eq!(p["lines"]["items"]["required"], json!(["member", "quantity"]));
    assert_eq!(p["lines"]["items"]["properties"]["member"]["description"], "Member id.");
    let required = json!(["member_id", "tier", "amount", "on", "lines", "page", "ratio", "sure"]);
    assert_eq!(all[0].parameters["required"], required);
    assert_eq!(all[0].parameters["additionalProperties"], false);
    let empty = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
    assert_eq!(all[1].parameters, empty);
}

fn good() -> Value {
    json!({"member_id": "M-0001", "tier": "student", "amount": "12.50", "on": "2026-03-01", "page": 2, "ratio": 1, "sure": true,
           "lines": [{"member": "M-0002", "quantity": 3}], "note": null})
}

/// Change one argument of a good call and read the message; no message is an empty text.
fn message(field: &str, value: Value) -> String {
    let schema = CompiledSchema::new(&schemas()[0]).unwrap();
    let mut arguments = good();
    arguments[field] = value;
    validate_arguments(&schema, &arguments).map_or_else(|e| e.to_string(), |()| String::new())
}

#[test]
fn messages_say_what_to_do() {
    assert_eq!(message("page", json!(2)), "");
    assert_eq!(message("page", json!("two")), "`page`: expected a 64-bit integer, got \"two\"");
    assert_eq!(message("page", json!(2.5)), "`page`: expected a 64-bit integer, got 2.5");
    assert_eq!(message("page", json!(2.0)), "`page`: expected a 64-bit integer, got 2.0");
    assert_eq!(message("page", json!(u64::MAX)), "`page`: expected a 64-bit integer, got 18446744073709551615");
    assert_eq!(message("tier", json!("gold")), "`tier`: expected one of \"standard\", \"student\", got \"gold\"");
    assert_eq!(message("other", json!(1)), "`other`: expected one of \"standard\", \"student\", or null, got 1");
    assert_eq!(
        message("amount", json!(12.5)),
        "`amount`: expected an amount of money as a string, like \"12.50\", got 12.5"
    );
    assert_eq!(
        message("amount", json!("12.5")),
        "`amount`: expected an amount of money as a string, like \"12.50\", got \"12.5\""
    );
    assert_eq!(
        message("on", json!("2026-02-30")),
        "`on`: expected a date as a string, like \"2026-03-01\", got \"2026-02-30\""
    );
    assert_eq!(
        message("on", json!("1.3.2026")),
        "`on`: expected a date as a string, like \"2026-03-01\", got \"1.3.2026\""
    );
    assert_eq!(message("member", json!("M-1")), "there is no `member`; did you mean `member_id`?");
    assert_eq!(message("sure", json!("yes")), "`sure`: expected true or false, got \"yes\"");
    assert_eq!(message("lines", json!({})), "`lines`: expected an array, got {}");
    assert_eq!(
        message("lines", json!([{"member": "M-1", "quantity": 1}, {"member": "M-1", "quantity": "1", "nte": "x"}])),
        "`lines[1].quantity`: expected a 64-bit integer, got \"1\"; `lines[1]`: there is no `nte`; did you mean `note`?"
    );
    assert_eq!(
        message("lines", json!([{"member": "M-1"}])),
        "`lines[0]`: `quantity` is missing; expected a 64-bit integer"
    );
}

#[test]
fn the_arguments_as_a_whole() {
    let schema = CompiledSchema::new(&schemas()[0]).unwrap();
    let message = validate_arguments(&schema, &json!([])).unwrap_err().to_string();
    assert!(message.starts_with("expected an object with member_id, tier"), "{message}");
    let message = validate_arguments(&schema, &json!({"tier": "student"})).unwrap_err();
    assert_eq!(message.problems.len(), 5);
    assert_eq!(message.problems[0].message, "`member_id` is missing; expected a string");
    let nothing = CompiledSchema::new(&schemas()[1]).unwrap();
    assert!(validate_arguments(&nothing, &json!({})).is_ok());
    let message = validate_arguments(&nothing, &json!({"x": 1})).unwrap_err().to_string();
    assert_eq!(message, "there is no `x`; there are no arguments");
}

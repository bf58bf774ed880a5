//! Messages about bad arguments: which field, what was expected, the nearest name.

mod support;

use serde_json::{Value, json};
use support::{both, call, component, sandbox};
use terrarium_sandbox::CallOutcome;

const WIT: &str = r"
package terrarium:shop;
interface tools {
  record tool-error { code: string, message: string }
  record money { cents: s64 }
  record date { epoch-day: s32 }
  enum status { open, shipped, returned-late }
  record line { product-id: string, count: u8, note: option<string> }
  variant payment { cash, card(string) }
  flags extras { gift-wrap, express }
  order: func(customer-id: string, lines: list<line>, total: money, due: date, status: status,
              payment: option<payment>, extras: option<extras>, weight: option<f64>, pair: option<tuple<s8, bool>>)
    -> result<list<line>, tool-error>;
  ping: func() -> result<_, tool-error>;
}
world suite { export tools; }
";

/// Answers with an empty list, whatever it is asked.
const WAT: &str = r#"
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "terrarium:shop/tools#order") (param i32) (result i32) (i32.const 512))
  (func (export "terrarium:shop/tools#ping") (result i32) (i32.const 512)))
"#;

#[test]
fn messages_say_what_is_wrong() {
    let sandbox = sandbox();
    let mut guests = both(&sandbox, &component(WAT, WIT)).map(|p| p.instantiate().expect("instance"));
    let good = json!({"customer_id": "C-1", "lines": [{"product_id": "P-1", "count": 2}], "total": "12.50", "due": "2026-03-01",
        "status": "open"});
    let mut check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut arguments = good.clone();
        change(&mut arguments);
        for guest in &mut guests {
            match call(guest, "order", arguments.clone()).outcome {
                CallOutcome::BadArguments { message } => assert_eq!(message, expected),
                CallOutcome::Ok(_) => assert_eq!("", expected),
                other => panic!("{arguments}: {other:?}"),
            }
        }
    };
    let takes = "order takes customer_id, lines, total, due, status, payment, extras, weight, pair";
    check(&|_| {}, "");
    check(&|a| *a = json!([]), "expected an object with the arguments of order, found a list");
    check(&|a| a["customer"] = json!("C-1"), &format!("unknown argument \"customer\"; {takes}"));
    check(
        &|a| {
            let id = a.as_object_mut().expect("map").shift_remove("customer_id").expect("id");
            a["customer"] = id;
        },
        &format!("unknown argument \"customer\" (did you mean \"customer_id\"?); {takes}"),
    );
    check(
        &|a| drop(a.as_object_mut().expect("map").shift_remove("due")),
        "missing argument \"due\": expected a date as a string such as \"2026-03-01\"",
    );
    check(&|a| a["customer_id"] = json!(7), "customer_id: expected a string, found 7");
    check(&|a| a["customer_id"] = Value::Null, "customer_id: expected a string, found null");
    check(&|a| a["total"] = json!(12.5), "total: expected an amount as a string such as \"12.50\", found 12.5");
    check(&|a| a["total"] = json!("$12"), "total: expected an amount as a string such as \"12.50\", found \"$12\"");
    check(
        &|a| a["due"] = json!("2026-02-30"),
        "due: expected a date as a string such as \"2026-03-01\", found \"2026-02-30\"",
    );
    check(
        &|a| a["status"] = json!("returned"),
        "status: expected one of \"open\", \"shipped\", \"returned_late\", found \"returned\" (did you mean \"returned_late\"?)",
    );
    check(&|a| a["status"] = json!(1), "status: expected one of \"open\", \"shipped\", \"returned_late\", found 1");
    check(&|a| a["lines"][0]["count"] = json!(256), "lines[0].count: 256 is outside 0..=255");
    check(&|a| a["lines"][0]["count"] = json!(-1), "lines[0].count: -1 is outside 0..=255");
    check(&|a| a["lines"][0]["count"] = json!(1.5), "lines[0].count: expected an integer, found 1.5");
    check(&|a| a["lines"][0]["count"] = json!("1"), "lines[0].count: expected an integer, found \"1\"");
    check(&|a| a["lines"][0]["note"] = json!(1), "lines[0].note: expected a string or null, found 1");
    check(&|a| a["lines"][0]["note"] = Value::Null, "");
    check(
        &|a| a["lines"][0]["notes"] = json!(1),
        "lines[0]: unknown field \"notes\" (did you mean \"note\"?); expected fields are product_id, count, note",
    );
    check(&|a| a["lines"] = json!([{"product_id": "P"}]), "lines[0]: missing field \"count\": expected an integer");
    check(&|a| a["lines"] = json!({}), "lines: expected a list, found an object");
    check(&|a| a["payment"] = json!("cash"), "");
    check(&|a| a["payment"] = json!({"card": "1234"}), "");
    check(&|a| a["payment"] = json!("card"), "payment: case card needs a value: {\"card\": a string}");
    check(&|a| a["payment"] = json!({"card": 1234}), "payment.card: expected a string, found 1234");
    check(
        &|a| a["payment"] = json!("cahs"),
        "payment: expected one of the cases cash, card, found \"cahs\" (did you mean \"cash\"?)",
    );
    check(&|a| a["extras"] = json!(["express", "gift_wrap"]), "");
    check(&|a| a["extras"] = json!(["fast"]), "extras[0]: expected one of \"gift_wrap\", \"express\", found \"fast\"");
    check(&|a| a["weight"] = json!(3), "");
    check(&|a| a["weight"] = json!("3"), "weight: expected a number or null, found \"3\"");
    check(&|a| a["pair"] = json!([-128, true]), "");
    check(&|a| a["pair"] = json!([-129, true]), "pair[0]: -129 is outside -128..=127");
    check(&|a| a["pair"] = json!([1]), "pair: expected a list of 2 values, found 1");
    let long = "x".repeat(100);
    check(
        &|a| a["status"] = json!(long),
        &format!("status: expected one of \"open\", \"shipped\", \"returned_late\", found \"{}...\"", "x".repeat(60)),
    );
}

#[test]
fn unknown_tools_and_needless_arguments() {
    let mut guest = sandbox().load(&component(WAT, WIT)).expect("program").instantiate().expect("instance");
    let mut check = |tool: &str, arguments: Value, expected: &str| {
        let outcome = call(&mut guest, tool, arguments).outcome;
        assert_eq!(outcome, CallOutcome::BadArguments { message: expected.to_owned() });
    };
    check("oder", json!({}), "unknown tool \"oder\" (did you mean \"order\"?)");
    check("refund_everything", json!({}), "unknown tool \"refund_everything\"");
    check("ping", json!({"x": 1}), "unknown argument \"x\"; ping takes no arguments");
    check("ping", Value::Null, "expected an object with the arguments of ping, found null");
}

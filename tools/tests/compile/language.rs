//! What the constructs of the language mean, as values written down by hand.

use crate::run::Desk;
use crate::support;
use serde_json::{Value as Json, json};
use terrarium_sandbox::{Config, Limits, Sandbox};
use terrarium_tools::Suite;
use terrarium_tools::value::{TableRows, Value, World};

const MAX: i64 = i64::MAX;
const MIN: i64 = i64::MIN;

/// Two shelves and four items.
fn lab() -> (Suite, World) {
    let suite = support::language();
    let (text, key) = (|s: &str| Value::Str(s.into()), |s: &str| Value::Key(s.into()));
    let shelf = |id: &str, name: &str, burden| vec![key(id), text(name), Value::Int(burden)];
    let item = |id: &str, name: &str, code: Option<&str>, price, bought, size, sold, shelf: &str| {
        vec![
            key(id),
            text(name),
            code.map_or(Value::None, text),
            Value::None,
            Value::Money(price),
            Value::Int(5),
            Value::Date(bought),
            Value::Enum(size),
            Value::Bool(sold),
            key(shelf),
            Value::None,
        ]
    };
    let rows = [
        vec![shelf("S-001", "North Wall", 40), shelf("S-002", "South Door", 60)],
        vec![
            item("I-0001", "Red Lamp", Some("555"), 1000, 19_900, 2, false, "S-001"),
            item("I-0002", "Blue Chair", None, 250, 19_800, 0, true, "S-001"),
            item("I-0003", "Blue Desk", None, 4000, 19_950, 1, false, "S-002"),
            item("I-0004", "Blue Chair", Some("777"), 250, 19_700, 0, false, "S-001"),
        ],
    ];
    let tables = rows.into_iter().zip(&suite.tables).map(|(rows, table)| TableRows {
        key: table.key.clone(),
        next_key: rows.len() as u32 + 1,
        rows,
    });
    let world = World { today: 20_000, tables: tables.collect() };
    (suite, world)
}

fn desk() -> Desk {
    let (suite, world) = lab();
    Desk::new(&suite, &world)
}

#[test]
fn integer_arithmetic_is_checked_and_floors() {
    let mut desk = desk();
    let mut check = |a: i64, op: &str, b: i64, expected: Result<i64, &str>| {
        let arguments = json!({"a": a, "b": b, "op": op});
        match expected {
            Ok(value) => assert_eq!(desk.ok("calculate", arguments), json!(value), "{a} {op} {b}"),
            Err(code) => assert_eq!(desk.code("calculate", arguments), code, "{a} {op} {b}"),
        }
    };
    check(2, "+", 3, Ok(5));
    check(MAX, "+", 1, Err("overflow"));
    check(MIN, "+", -1, Err("overflow"));
    check(MAX, "+", MIN, Ok(-1));
    check(MIN, "-", 1, Err("overflow"));
    check(0, "-", MIN, Err("overflow"));
    check(-1, "-", MIN, Ok(MAX));
    check(1 << 32, "*", 1 << 31, Err("overflow"));
    check(1 << 32, "*", (1 << 31) - 1, Ok(MAX - i64::from(u32::MAX)));
    check(-(1 << 32), "*", 1 << 31, Ok(MIN));
    check(-1, "*", MIN, Err("overflow"));
    check(MIN, "*", -1, Err("overflow"));
    check(MIN, "*", 1, Ok(MIN));
    check(0, "*", MIN, Ok(0));
    for (a, b, quotient, rest) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (6, -3, -2, 0)] {
        check(a, "//", b, Ok(quotient));
        check(a, "%", b, Ok(rest));
    }
    check(1, "//", 0, Err("division_by_zero"));
    check(1, "%", 0, Err("division_by_zero"));
    check(MIN, "//", -1, Err("overflow"));
    check(MIN, "%", -1, Ok(0));
    check(MIN, "neg", 0, Err("overflow"));
    check(MAX, "neg", 0, Ok(-MAX));
    // Half away from zero.
    for (a, p, expected) in
        [(50, 1, 1), (49, 1, 0), (-50, 1, -1), (-49, 1, 0), (150, 1, 2), (1050, 10, 105), (999, 15, 150)]
    {
        check(a, "percent", p, Ok(expected));
    }
    check(MAX, "percent", 2, Err("overflow"));
    check(1, "?", 1, Err("bad_op"));
}

#[test]
fn money_floats_and_comparisons() {
    let mut desk = desk();
    let charged = desk.ok("charge", json!({"amount": "10.01", "times": 3, "rate": 50}));
    assert_eq!(charged, json!(["12.51", "7.51", "30.03", "30.03", "5.01", "-10.01", "3.33"]));
    assert_eq!(desk.code("charge", json!({"amount": "92233720368547758.07", "times": 1, "rate": 1})), "overflow");
    let floats = desk.ok("floats", json!({"x": 1.5, "y": -2.0, "n": 3}));
    assert_eq!(floats, json!([-0.5, 3.5, -3.0, -0.75, -1.5, 3.0, -2.0, 1.5, -2.0, 0.0, 1.5]));
    assert_eq!(desk.code("floats", json!({"x": 1.5, "y": 0.0, "n": 3})), "division_by_zero");
    let compared = desk.ok("compare", json!({"a": "ab", "b": "cabin", "m": "1.00", "n": "1.00", "x": 2.0, "y": 1.0}));
    let expected = [true, true, false, false, false, true, false, true, false, true, true, false, true, false, true];
    assert_eq!(compared, json!(expected));
    let equal =
        desk.ok("compare", json!({"a": "abcdefgh1", "b": "abcdefgh1", "m": "1.00", "n": "2.00", "x": 1.0, "y": 1.0}));
    let expected = [false, true, false, true, true, false, true, true, false, false, false, false, true, true, true];
    assert_eq!(equal, json!(expected));
}

#[test]
fn texts_and_dates() {
    let mut desk = desk();
    let arguments = json!({"s": " Straße É ", "t": " Str", "n": -7, "m": "-0.05", "d": "0001-01-01", "size": "medium", "flag": true});
    let expected = json!([
        " straße É ",
        " STRAßE É ",
        "Straße É",
        " Straße É  Str",
        "-7|-0.05|0001-01-01|medium|True| Straße É ",
        " Str and -7",
        "10",
        "starts",
        "inside"
    ]);
    assert_eq!(desk.ok("texts", arguments), expected);
    let arguments = json!({"s": "", "t": "", "n": MIN, "m": "-92233720368547758.08", "d": "9999-12-31", "size": "small", "flag": false});
    let line = format!("{MIN}|-92233720368547758.08|9999-12-31|small|False|");
    let expected = json!(["", "", "", "", line, format!(" and {MIN}"), "0", "starts", "ends", "inside"]);
    assert_eq!(desk.ok("texts", arguments), expected);
    let days = desk.ok("calendar", json!({"d": "2024-02-28", "n": 2, "e": "2023-02-28"}));
    assert_eq!(days, json!(["2024-03-01", "2024-02-26", "365", "False", "False", "2024-10-04", "2024-02-28"]));
    for n in [MAX, MIN, 4_000_000, -4_000_000, 2_932_896] {
        assert_eq!(desk.code("calendar", json!({"d": "2024-02-28", "n": n, "e": "2023-02-28"})), "bad_date");
    }
    // Every day of four centuries.
    for day in (-2000..146_097).step_by(97) {
        let text = terrarium_tools::value::date_text(day);
        let days = desk.ok("calendar", json!({"d": "1970-01-01", "n": day, "e": "1970-01-01"}));
        assert_eq!(days[0], json!(text));
    }
}

#[test]
fn lists_are_values() {
    let mut desk = desk();
    let lists = desk.ok("lists", json!({"xs": [4, 1, 3], "k": 3, "n": 1}));
    let expected: Json = json!([
        [4, 1, 3],
        [4, 1, 3, 3],
        [4, 1, 3, 1, 1],
        [1],
        [1],
        [],
        [4],
        [],
        [8, 2, 6, 0],
        [4, 1, 3, 4, 1, 3, 3],
        [4, 3, 1],
        [4, 1, 3],
        [],
        [3]
    ]);
    assert_eq!(lists, expected);
    assert_eq!(
        desk.ok("reduce", json!({"xs": [5, 2, 9], "prices": ["9.99", "0.02"], "k": -1})),
        json!([16, 3, 9, 2, 9, 2, 4])
    );
    assert_eq!(desk.code("reduce", json!({"xs": [1], "prices": [], "k": 1})), "index_out_of_range");
    assert_eq!(desk.code("reduce", json!({"xs": [1], "prices": [], "k": -2})), "index_out_of_range");
    assert_eq!(desk.code("reduce", json!({"xs": [MAX, 1], "prices": [], "k": 0})), "overflow");
    assert_eq!(desk.code("least", json!({"xs": []})), "empty");
    assert_eq!(desk.ok("loops", json!({"n": 4, "stop": 2, "skip": 1})), json!([0, 2, 12, 13]));
    assert_eq!(desk.ok("loops", json!({"n": 60, "stop": 60, "skip": -1}))[0].as_i64().unwrap() / 100, 5);
    assert_eq!(desk.ok("choose", json!({"flag": false})), json!([1, 0]));
    assert_eq!(desk.ok("choose", json!({"a": 4, "b": 4, "flag": false})), json!([1, 2, 4, 9, 5]));
    assert_eq!(desk.ok("choose", json!({"a": 1, "flag": true})), json!([0, 0, 1, 9, 2]));
}

#[test]
fn rows_sort_stably_and_leave_as_records() {
    let mut desk = desk();
    let report = desk.ok("make_report", json!({"newest": false}));
    let ids =
        |list: &Json| list.as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&report["items"]), ["I-0004", "I-0002", "I-0001"]);
    assert_eq!(ids(&report["lines"]), ["I-0002", "I-0004", "I-0003", "I-0001"]);
    assert_eq!(report["best"], desk.ok("show", json!({"item_id": "I-0003"})));
    assert_eq!(report["total"], "52.50");
    assert_eq!(report["texts"], json!(["I-0001!", "I-0003!", "I-0002!", "I-0004!", "I-0003?"]));
    let report = desk.ok("make_report", json!({"size": "small", "shelf_id": "S-002", "newest": true}));
    assert_eq!(report, json!({"best": null, "items": [], "lines": [], "total": "0.00", "texts": []}));
    assert_eq!(ids(&desk.ok("shelf_contents", json!({"shelf_id": "S-001"}))), ["I-0002", "I-0004", "I-0001", "I-0001"]);
    assert_eq!(desk.ok("total_price", json!({"ids": ["I-0001", "I-0004", "I-0001"]})), "22.50");
    let error = desk.call("total_price", json!({"ids": ["I-0001", "I-0002"]})).unwrap_err();
    assert_eq!(error, "sold_out: Blue Chair is sold");
    assert_eq!(desk.ok("look", json!({"item_id": "I-0009"})), json!(null));
}

#[test]
fn deleted_rows_loops_and_rollback() {
    let mut desk = desk();
    assert_eq!(desk.code("drop_and_use", json!({"item_id": "I-0001"})), "deleted_row");
    assert_eq!(desk.rows("item").as_array().unwrap().len(), 4);
    assert_eq!(desk.ok("drop_and_return", json!({"item_id": "I-0001"}))["name"], "Red Lamp");
    assert_eq!(desk.code("show", json!({"item_id": "I-0001"})), "not_found");
    assert_eq!(desk.code("drop_shelf", json!({"shelf_id": "S-001"})), "still_referenced");
    // New rows are not visited; rows deleted meanwhile are skipped (both Blue Chairs go at once).
    assert_eq!(desk.ok("rebuild", json!({"weight": 10, "shelf_id": "S-002"})), json!(["I-0002!", "I-0003!"]));
    let rows = desk.rows("item");
    let names: Vec<_> =
        rows.as_array().unwrap().iter().map(|r| (r["id"].clone(), r["name"].clone(), r["price"].clone())).collect();
    assert_eq!(json!(names), json!([["I-0005", "BLUE CHAIR", "3.50"], ["I-0006", "BLUE DESK", "3.50"]]));
    desk.ok("drop_shelf", json!({"shelf_id": "S-001"}));
    assert_eq!(desk.ok("load_shelves", json!({"step": 20})), 80);
    let error = desk.call("load_shelves", json!({"step": 80})).unwrap_err();
    assert_eq!(error, "overloaded: South Door would carry 160");
    assert_eq!(desk.rows("shelf")[0]["burden"], 80);
}

#[test]
fn unique_and_reference_columns_are_kept() {
    let mut desk = desk();
    let add = |code: Json, slot: Json, shelf: &str, spare: Json| json!({"name": "New", "code": code, "slot": slot, "price": "1.00", "shelf_id": shelf, "spare": spare});
    assert_eq!(desk.code("add", add(json!("555"), json!(null), "S-001", json!(null))), "duplicate");
    assert_eq!(desk.code("add", add(json!(null), json!(null), "S-009", json!(null))), "not_found");
    assert_eq!(desk.code("add", add(json!(null), json!(null), "S-001", json!("S-009"))), "not_found");
    assert_eq!(desk.ok("add", add(json!(null), json!(7), "S-001", json!("S-002")))["id"], "I-0005");
    assert_eq!(desk.code("add", add(json!(null), json!(7), "S-001", json!(null))), "duplicate");
    assert_eq!(desk.ok("add", add(json!(null), json!(null), "S-001", json!(null)))["id"], "I-0006");
    let edit = |slot: i64| json!({"item_id": "I-0005", "name": "Newer", "slot": slot, "weight": 200, "shelf_id": "S-002", "code": "777x"});
    let edited = desk.ok("edit", edit(7));
    assert_eq!(
        (&edited["size"], &edited["bought"], &edited["spare"]),
        (&json!("large"), &json!("2025-04-22"), &json!(null))
    );
    let net = desk.changes();
    assert_eq!(net["tables"].as_array().unwrap().len(), 1);
    assert_eq!(net["tables"][0]["inserted"].as_array().unwrap().len(), 2);
}

#[test]
fn records_lists_and_many_parameters_come_in() {
    let mut desk = desk();
    let order = |item: &str, count: i64, ratio: f64| json!({"item": item, "count": count, "note": null, "day": "2024-01-02", "size": "large", "ratio": ratio});
    let mut extra = order("I-0003", 9, 0.0);
    extra["note"] = json!("with care");
    let arguments = json!({
        "order": order("I-0001", 1, 0.75), "more": [order("I-0002", 2, 0.1), extra], "extra": extra,
        "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6,
    });
    let placed = desk.ok("place", arguments);
    let expected =
        ["I-0001x1", "I-0002x2", "I-0003x9", "I-0003 9 2024-01-02 large", "with care", "more than half", "21"];
    assert_eq!(placed, json!(expected));
    let arguments =
        json!({"order": order("x", 1, 0.5), "more": [], "extra": null, "a": 0, "b": 0, "c": 0, "d": 0, "e": 0, "f": 0});
    assert_eq!(desk.ok("place", arguments), json!(["xx1", "0"]));
}

#[test]
fn reads_give_their_memory_back() {
    // Some 400 bytes a call would fill one MiB within 3,000 calls.
    let limits = Limits { memory_bytes_max: 1 << 20, ..Limits::default() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).unwrap();
    let (suite, world) = lab();
    let component = crate::run::compiled(&suite, &world).component;
    let mut desk = Desk(sandbox.load(&component).unwrap().instantiate().unwrap());
    for n in 0..10_000 {
        let text = "a text of some length, again and again";
        let found = desk.ok(
            "texts",
            json!({"s": text, "t": "b", "n": n, "m": "1.00", "d": "2024-01-01", "size": "small", "flag": true}),
        );
        assert_eq!(found[4], format!("{n}|1.00|2024-01-01|small|True|{text}"));
        // A refused write gives its memory back too.
        assert_eq!(desk.code("total_price", json!({"ids": ["I-0001", "I-0002"]})), "sold_out");
    }
}

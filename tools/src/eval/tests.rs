//! The evaluator against answers worked out by hand, on suites parsed from text.

use super::*;
use crate::parse_suite;
use crate::suite::Tool;
use crate::types::Type;
use crate::value::{TableRows, to_json};
use serde_json::json;

const HEAD: &str = r#"
suite("test-desk", title = "A desk", domain = "test", policy = "Nothing above {limit}.")
limit = parameter(money_of("10.00"), choices = [money_of("10.00"), money_of("20.00")])
Tier = enum("low", "mid", "high")
shelf = table("shelf", key("S", 2), rows(2, 3), name = choice("north", "south", "west", unique = True))
part = table("part", key("P", 3), rows(3, 4),
    name = phrase(["Red", "Blue"], ["Nut", "Bolt"], unique = True),
    shelf = ref(shelf), price = money("1.00", "9.00"), count = integer(0, 9), tier = one_of(Tier),
    seen = maybe(50, date(-9, 9)), total = derived(lambda r: r.price * r.count))
"#;

fn suite(text: &str) -> Suite {
    let source = format!("{HEAD}{text}");
    match parse_suite("test.star", &source) {
        Ok(suite) => suite,
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn key(text: &str) -> Value {
    Value::Key(text.into())
}

fn part(number: u32, name: &str, shelf: &str, price: i64, count: i64, tier: u32) -> Vec<Value> {
    vec![
        key(&format!("P-{number:03}")),
        Value::Str(name.into()),
        key(shelf),
        Value::Money(price),
        Value::Int(count),
        Value::Enum(tier),
        if number == 2 { Value::Date(100) } else { Value::None },
        Value::Money(0),
    ]
}

fn world(suite: &Suite) -> World {
    let table = |index: usize, rows: Vec<Vec<Value>>| {
        let next_key = rows.len() as u32 + 1;
        TableRows { key: suite.tables[index].key.clone(), rows, next_key }
    };
    let shelves = ["north", "south"].iter().zip(1..);
    let shelves = shelves.map(|(name, n)| vec![key(&format!("S-{n:02}")), Value::Str((*name).into())]);
    let parts = vec![
        part(1, "Red Nut", "S-01", 250, 4, 2),
        part(2, "Blue Bolt", "S-02", 150, 0, 0),
        part(3, "Red Bolt", "S-01", 999, 7, 0),
    ];
    let mut world = World { today: 103, tables: vec![table(0, shelves.collect()), table(1, parts)] };
    let parameters: Vec<_> = suite.parameters.iter().map(|p| p.default.clone()).collect();
    fill_derived(suite, &parameters, &mut world).expect("derived columns");
    world
}

fn evaluator<'s>(suite: &'s Suite, world: &World) -> Evaluator<'s> {
    let parameters: Vec<_> = suite.parameters.iter().map(|p| p.default.clone()).collect();
    Evaluator::new(suite, &parameters, world)
}

fn tool<'s>(suite: &'s Suite, name: &str) -> &'s Tool {
    suite.tools.iter().find(|t| t.name == name).expect("a tool")
}

/// The value of an expression as the result of a tool without parameters, as JSON; or the code of its error.
fn value(ty: &str, expression: &str) -> Result<serde_json::Value, String> {
    let source = format!(
        "def f() -> {ty}:\n    \"\"\"Do it.\"\"\"\n    e: list[int] = []\n    x = {expression}\n    return x\ntool(f)\n"
    );
    let suite = suite(&source);
    let mut evaluator = evaluator(&suite, &world(&suite));
    let returns: &Type = &suite.functions[0].returns;
    evaluator.call(tool(&suite, "f"), &[]).map(|v| to_json(&suite, returns, &v)).map_err(|e| e.code)
}

#[test]
fn numbers() {
    let int =
        |expression: &str, expected: i64| assert_eq!(value("int", expression), Ok(json!(expected)), "{expression}");
    int("-7 // 2", -4);
    int("7 // -2", -4);
    int("-7 % 3", 2);
    int("7 % -3", -2);
    int("9223372036854775807 % -1", 0);
    int("2 + 3 * 4", 14);
    int("sum(e)", 0);
    int("percent(250, 33)", 83);
    int("percent(-250, 33)", -83);
    int("percent(150, 33)", 50);
    int("percent(-150, 33)", -50);
    int("max([3, 9, 2]) - min([3, 9, 2])", 7);
    int("[5, 6, 7][-1]", 7);
    int("sum([i * i for i in range(1, 5) if i != 2])", 26);
    int("len(\"Käse\")", 4);
    let float = |expression: &str, expected: f64| assert_eq!(value("float", expression), Ok(json!(expected)));
    float("float(7) / 2.0", 3.5);
    float("-0.5 * 3.0", -1.5);
    let money = |expression: &str, expected: &str| assert_eq!(value("money", expression), Ok(json!(expected)));
    money("money_of(\"10.01\") // 2", "5.00");
    money("-money_of(\"0.01\") // 2", "-0.01");
    money("3 * money_of(\"1.05\") - limit", "-6.85");
    money("percent(money_of(\"9.99\"), 15)", "1.50");
    money("sum([p.total for p in part])", "79.93");
}

#[test]
fn errors_by_code() {
    let check = |ty: &str, expression: &str, code: &str| {
        assert_eq!(value(ty, expression), Err(code.to_owned()), "{expression}");
    };
    check("int", "9223372036854775807 + 1", "overflow");
    check("int", "-9223372036854775807 - 2", "overflow");
    check("int", "3037000500 * 3037000500", "overflow");
    check("int", "(-9223372036854775807 - 1) // -1", "overflow");
    check("int", "percent(9223372036854775807, 2)", "overflow");
    check("int", "1 // 0", "division_by_zero");
    check("int", "1 % 0", "division_by_zero");
    check("float", "1.0 / 0.0", "division_by_zero");
    check("int", "max(e)", "empty");
    check("int", "[1, 2][2]", "index_out_of_range");
    check("int", "[1, 2][-3]", "index_out_of_range");
    check("date", "today() + days(9999999)", "bad_date");
    check("date", "date_of(\"0001-01-01\") - days(1)", "bad_date");
}

#[test]
fn texts_dates_and_lists() {
    let check = |ty: &str, expression: &str, expected: serde_json::Value| {
        assert_eq!(value(ty, expression), Ok(expected), "{expression}");
    };
    check("str", "\" a B\\t\".strip().upper()", json!("A B"));
    check("str", "f\"{limit} {today()} {1 < 2} {-5}\"", json!("10.00 1970-04-14 True -5"));
    check("bool", "\"ÄB\".lower() == \"Äb\"", json!(true));
    check("bool", "\"ol\" in \"Bolt\" and \"Bolt\".startswith(\"Bo\") and not \"Bolt\".endswith(\"Bo\")", json!(true));
    check("int", "date_of(\"2024-03-01\") - date_of(\"2024-02-01\")", json!(29));
    check("list[int]", "[1, 2, 3, 4][1:3] + [1, 2][5:9] + [9][:1]", json!([2, 3, 9]));
    check("list[int]", "sorted([3, 1, 2], reverse = True)", json!([3, 2, 1]));
    check(
        "list[str]",
        "[p.name for p in sorted([p for p in part], key = lambda p: p.tier)]",
        json!(["Blue Bolt", "Red Bolt", "Red Nut"]),
    );
    check(
        "list[str]",
        "[p.name for p in sorted([p for p in part], key = lambda p: p.tier, reverse = True)]",
        json!(["Red Nut", "Blue Bolt", "Red Bolt"]),
    );
    check("bool", "any([p.seen == today() - days(3) for p in part])", json!(true));
    check("bool", "all([p.seen == None for p in part])", json!(false));
    check("str", "\"none\" if len([s for s in shelf if s.name == \"west\"]) == 0 else \"some\"", json!("none"));
}

const TOOLS: &str = r#"
def take(part_id: key_of(part), n: int) -> part:
    """Take pieces.

    Args:
        part_id: The part.
        n: How many.
    """
    p = part.get(part_id)
    p.count -= n
    require(p.count >= 0, "too_few", f"{p.name} has too few")
    return p
tool(take, ask = ["take {n} of {part_id}", "remove {n} of {part_id}"], needs = [part.get(part_id).count >= n],
     gives = {"n": integer(1, 3)}, effect = [update(part, part_id, count = part.get(part_id).count - n)])

def add(name: str, shelf_id: key_of(shelf)) -> part:
    """Add a part.

    Args:
        name: Its name.
        shelf_id: Where.
    """
    return part.insert(name = name, shelf = shelf_id, price = limit, count = 1, tier = "mid", seen = today(), total = limit)
tool(add, ask = ["add {name} on {shelf_id}", "put {name} on {shelf_id}"],
     effect = [insert(part, name = name, shelf = shelf_id, price = limit, count = 1, tier = "mid", seen = today(), total = limit)])

def clear(shelf_id: key_of(shelf), tier: Tier) -> int:
    """Clear a shelf of a tier and raise all other prices there.

    Args:
        shelf_id: The shelf.
        tier: The tier.
    """
    cleared = 0
    for p in part:
        if p.shelf != shelf_id:
            continue
        if p.tier == tier:
            part.delete(p)
            cleared += 1
        else:
            p.price += money_of("1.00")
    return cleared
tool(clear, ask = ["clear {tier} from {shelf_id}", "remove {tier} from {shelf_id}"],
     effect = [delete_all(part, lambda p: p.shelf == shelf_id and p.tier == tier),
               update_all(part, lambda p: p.shelf == shelf_id and p.tier != tier, price = p.price + money_of("1.00"))])

def close(shelf_id: key_of(shelf)):
    """Close a shelf.

    Args:
        shelf_id: The shelf.
    """
    shelf.delete(shelf.get(shelf_id))
tool(close, ask = ["close {shelf_id}", "remove {shelf_id}"], effect = [delete(shelf, shelf_id)])

def find(name: option[str] = None, least: option[int] = None) -> list[part]:
    """Find parts.

    Args:
        name: Part of the name.
        least: At least so many.
    """
    return [p for p in part if (name == None or name.lower() in p.name.lower()) and (least == None or p.count >= least)]
tool(find, finds = part, match = {"name": "name contains", "least": "count >="})
"#;

#[test]
fn calls_write_or_change_nothing() {
    let suite = suite(TOOLS);
    let world = world(&suite);
    let mut e = evaluator(&suite, &world);
    let take = tool(&suite, "take");
    let Value::Record(row) = e.call(take, &[key("P-001"), Value::Int(3)]).unwrap() else { panic!("a row") };
    assert_eq!(row[4], Value::Int(1));
    // The write happened before the failure, and is undone.
    let error = e.call(take, &[key("P-001"), Value::Int(2)]).unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("too_few", "Red Nut has too few"));
    let mut expected = world.clone();
    expected.tables[1].rows[0][4] = Value::Int(1);
    assert_eq!(e.rows().to_world(), expected);
    assert_eq!(e.call(take, &[key("P-009"), Value::Int(1)]).unwrap_err().code, "not_found");
    assert_eq!(e.needs(take, &[key("P-001"), Value::Int(1)]), Ok(true));
    assert_eq!(e.needs(take, &[key("P-001"), Value::Int(2)]), Ok(false));
    assert_eq!(e.needs(take, &[key("P-009"), Value::Int(2)]).unwrap_err().code, "not_found");
}

#[test]
fn effects_are_net_changes() {
    let suite = suite(TOOLS);
    let mut world = world(&suite);
    let parameters = [crate::tree::Literal::Money(2000)];
    let before = world.clone();
    let add = [Value::Str("Blue Nut".into()), key("S-02")];
    let changes = apply_effects(&suite, &parameters, &mut world, tool(&suite, "add"), &add).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].kind, changes[0].key.as_str(), changes[0].table), (ChangeKind::Insert, "P-004", 1));
    assert_eq!(changes[0].columns[2], ColumnChange { column: 3, before: Value::None, after: Value::Money(2000) });
    assert_eq!(world.tables[1].rows[3][6], Value::Date(103));

    let clear = [key("S-01"), Value::Enum(0)];
    let mut e = Evaluator::new(&suite, &parameters, &before);
    let changes = e.effects(tool(&suite, "clear"), &clear).unwrap();
    assert_eq!(e.rows().to_world(), before, "effects() leaves the rows");
    let kinds: Vec<_> = changes.iter().map(|c| (c.kind, c.key.as_str())).collect();
    assert_eq!(kinds, [(ChangeKind::Update, "P-001"), (ChangeKind::Delete, "P-003")]);
    let price = ColumnChange { column: 3, before: Value::Money(250), after: Value::Money(350) };
    assert_eq!(changes[0].columns, [price]);
    assert_eq!(changes[1].columns.len(), 7);

    // Taking nothing changes nothing.
    assert_eq!(e.apply(tool(&suite, "take"), &[key("P-001"), Value::Int(0)]), Ok(vec![]));
    // The body does the same as the effects.
    let mut body = Evaluator::new(&suite, &parameters, &before);
    assert_eq!(body.call(tool(&suite, "clear"), &clear), Ok(Value::Int(1)));
    e.apply(tool(&suite, "clear"), &clear).unwrap();
    assert_eq!(e.rows().to_world(), body.rows().to_world());
}

#[test]
fn integrity() {
    let suite = suite(TOOLS);
    let world = world(&suite);
    let mut e = evaluator(&suite, &world);
    let mut check = |name: &str, arguments: &[Value], code: &str| {
        let tool = tool(&suite, name);
        assert_eq!(e.call(tool, arguments).unwrap_err().code, code);
        assert_eq!(e.effects(tool, arguments).unwrap_err().code, code);
        assert_eq!(e.apply(tool, arguments).unwrap_err().code, code);
        assert_eq!(e.rows().to_world(), world);
    };
    check("add", &[Value::Str("Red Nut".into()), key("S-02")], "duplicate");
    check("add", &[Value::Str("New Nut".into()), key("S-09")], "not_found");
    check("close", &[key("S-01")], "still_referenced");
    check("close", &[key("S-07")], "not_found");
}

#[test]
fn keys_are_not_used_again() {
    let suite = suite(TOOLS);
    let mut e = evaluator(&suite, &world(&suite));
    let add = tool(&suite, "add");
    e.apply(add, &[Value::Str("New Nut".into()), key("S-02")]).unwrap();
    e.apply(tool(&suite, "clear"), &[key("S-02"), Value::Enum(1)]).unwrap();
    let changes = e.apply(add, &[Value::Str("New Nut".into()), key("S-02")]).unwrap();
    assert_eq!(changes[0].key, "P-005");
    assert_eq!((e.rows().count(1), e.rows().find(1, "P-004")), (4, None));
}

#[test]
fn finds_what_matches() {
    let suite = suite(TOOLS);
    let mut e = evaluator(&suite, &world(&suite));
    let find = tool(&suite, "find");
    let finds = find.finds.as_ref().unwrap();
    let mut check = |arguments: [Value; 2], keys: &[&str]| {
        let rows = e.finds(finds, &arguments).unwrap();
        let found: Vec<&str> = rows.iter().map(|row| e.rows().key(1, *row)).collect();
        assert_eq!(found, keys);
        let Value::List(items) = e.call(find, &arguments).unwrap() else { panic!("a list") };
        assert_eq!(items.len(), keys.len());
    };
    check([Value::None, Value::None], &["P-001", "P-002", "P-003"]);
    check([Value::Str("rED".into()), Value::None], &["P-001", "P-003"]);
    check([Value::Str("bolt".into()), Value::Int(1)], &["P-003"]);
    check([Value::Str("x".into()), Value::None], &[]);
}

#[test]
fn derived_columns_use_earlier_ones() {
    let suite = suite(&format!(
        "{TOOLS}box = table(\"box\", key(\"B\", 2), rows(1, 2), part = ref(part),\n    \
         worth = derived(lambda b: part.get(b.part).total), twice = derived(lambda b: b.worth * 2))\n",
    ));
    let mut world = world(&{
        let mut without = suite.clone();
        without.tables.pop();
        without
    });
    let row = vec![key("B-01"), key("P-001"), Value::Money(0), Value::Money(0)];
    world.tables.push(TableRows { key: suite.tables[2].key.clone(), rows: vec![row], next_key: 2 });
    fill_derived(&suite, &[crate::tree::Literal::Money(1000)], &mut world).unwrap();
    assert_eq!(world.tables[2].rows[0][2..], [Value::Money(1000), Value::Money(2000)]);
}

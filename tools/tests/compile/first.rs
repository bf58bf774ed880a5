//! A desk with two tables and get, find, insert and update tools.

use crate::build::*;
use crate::run::Desk;
use serde_json::json;
use terrarium_tools::suite::{EnumType, RecordType, Suite};
use terrarium_tools::tree::{BinaryOp, Expr, ExprKind, Iterable, Literal, Statement};
use terrarium_tools::value::{Value, World};
use terrarium_tools::{Span, Type};

const MEMBER: usize = 0;
const LOAN: usize = 1;

/// Members and their loans.
pub fn desk() -> (Suite, World) {
    let mut suite = suite(vec![
        table(
            "member",
            "M",
            &[
                ("id", Type::Key(MEMBER)),
                ("name", Type::Str),
                ("fines", Type::Money),
                ("phone", Type::Str.option()),
                ("active", Type::Bool),
            ],
        ),
        table(
            "loan",
            "L",
            &[
                ("id", Type::Key(LOAN)),
                ("member", Type::Key(MEMBER)),
                ("due", Type::Date),
                ("status", Type::Enum(0)),
                ("copies", Type::Int.option()),
            ],
        ),
    ]);
    suite.tables[MEMBER].columns[1].unique = true;
    suite.enums.push(EnumType { name: "loan_status".into(), cases: vec!["active".into(), "returned".into()] });
    suite.records.push(RecordType {
        name: "LoanPage".into(),
        fields: vec![
            ("items".into(), Type::Row(LOAN).list()),
            ("first".into(), Type::Row(LOAN).option()),
            ("more".into(), Type::Bool),
        ],
        span: Span::default(),
    });
    let member = |name: &str, fines, phone: Option<&str>| {
        let phone = phone.map_or(Value::None, |p| Value::Str(p.into()));
        vec![Value::Str(name.into()), Value::Money(fines), phone, Value::Bool(true)]
    };
    let loan = |member: &str, due, status| {
        vec![Value::Key(member.into()), Value::Date(due), Value::Enum(status), Value::Int(i64::from(due) - 20_000)]
    };
    let world = world(vec![
        rows("M", vec![member("Ada Lovelace", 250, Some("555")), member("Grace Hopper", 0, None)]),
        rows("L", vec![loan("M-0001", 20_010, 0), loan("M-0002", 19_990, 1), loan("M-0001", 20_020, 0)]),
    ]);
    tools(&mut suite);
    (suite, world)
}

fn tools(suite: &mut Suite) {
    let key = Type::Key(MEMBER);
    let row = Type::Row(MEMBER);
    tool(
        suite,
        "get_member",
        &[("member_id", key.clone())],
        &[],
        row.clone(),
        false,
        vec![give(get(MEMBER, local(0, key.clone())))],
    );
    let find = expr(row.clone().option(), ExprKind::Find { table: MEMBER, key: b(local(0, key.clone())) });
    tool(suite, "find_member", &[("member_id", key.clone())], &[], row.clone().option(), false, vec![give(find)]);
    let insert = |values: Vec<Expr>| expr(Type::Row(LOAN), ExprKind::Insert { table: LOAN, values });
    let lend = vec![
        local(0, key.clone()),
        local(1, Type::Date),
        expr(Type::Enum(0), ExprKind::Literal(Literal::Enum(0, 0))),
        none(Type::Int),
    ];
    tool(
        suite,
        "lend",
        &[("member_id", key.clone()), ("due", Type::Date)],
        &[],
        Type::Row(LOAN),
        true,
        vec![give(insert(lend.clone()))],
    );
    let fines = || column(local(1, row.clone()), MEMBER, 2, Type::Money);
    tool(
        suite,
        "charge",
        &[("member_id", key.clone())],
        &[("m", row.clone())],
        Type::Money,
        true,
        vec![
            assign(1, get(MEMBER, local(0, key.clone()))),
            set(local(1, row.clone()), MEMBER, 2, math(BinaryOp::Add, fines(), money(125))),
            require(test(BinaryOp::LessEqual, fines(), money(400)), "policy", "too much"),
            give(fines()),
        ],
    );
    // Writes twice, then fails when asked to.
    let mut body = vec![
        Statement::Expr(insert(lend.clone())),
        assign(2, get(MEMBER, local(0, key.clone()))),
        set(local(2, row.clone()), MEMBER, 3, expr(Type::Str.option(), ExprKind::Some(b(text("changed"))))),
    ];
    body.push(require(expr(Type::Bool, ExprKind::Literal(Literal::Bool(false))), "policy", "never"));
    tool(
        suite,
        "fail_late",
        &[("member_id", key.clone()), ("due", Type::Date)],
        &[("m", row.clone())],
        Type::Unit,
        true,
        body,
    );
    let member_of = column(local(1, Type::Row(LOAN)), LOAN, 1, key.clone());
    let loans = expr(
        Type::Row(LOAN).list(),
        ExprKind::Comprehension {
            local: 1,
            iterable: Iterable::Table(LOAN),
            condition: Some(b(test(BinaryOp::Equal, member_of, local(0, key.clone())))),
            value: b(local(1, Type::Row(LOAN))),
        },
    );
    tool(
        suite,
        "loans_of",
        &[("member_id", key.clone())],
        &[("l", Type::Row(LOAN))],
        Type::Row(LOAN).list(),
        false,
        vec![give(loans.clone())],
    );
    let page = expr(
        Type::Record(0),
        ExprKind::Record {
            record: 0,
            fields: vec![
                local(2, Type::Row(LOAN).list()),
                expr(
                    Type::Row(LOAN).option(),
                    ExprKind::Some(b(expr(
                        Type::Row(LOAN),
                        ExprKind::Index { list: b(local(2, Type::Row(LOAN).list())), index: b(int(0)) },
                    ))),
                ),
                expr(Type::Bool, ExprKind::Literal(Literal::Bool(false))),
            ],
        },
    );
    tool(
        suite,
        "page",
        &[("member_id", key.clone())],
        &[("l", Type::Row(LOAN)), ("found", Type::Row(LOAN).list())],
        Type::Record(0),
        false,
        vec![assign(2, loans), give(page)],
    );
    tool(
        suite,
        "drop_loan",
        &[("loan_id", Type::Key(LOAN))],
        &[],
        Type::Unit,
        true,
        vec![Statement::Delete { table: LOAN, row: get(LOAN, local(0, Type::Key(LOAN))) }],
    );
    tool(
        suite,
        "drop_member",
        &[("member_id", key.clone())],
        &[],
        Type::Unit,
        true,
        vec![Statement::Delete { table: MEMBER, row: get(MEMBER, local(0, key.clone())) }],
    );
    tool(
        suite,
        "rename",
        &[("member_id", key.clone()), ("name", Type::Str)],
        &[],
        Type::Unit,
        true,
        vec![set(get(MEMBER, local(0, key)), MEMBER, 1, local(1, Type::Str))],
    );
}

fn start() -> Desk {
    let (suite, world) = desk();
    Desk::new(&suite, &world)
}

#[test]
fn reads_a_row_by_key() {
    let mut desk = start();
    let ada = json!({"id": "M-0001", "name": "Ada Lovelace", "fines": "2.50", "phone": "555", "active": true});
    assert_eq!(desk.ok("get_member", json!({"member_id": "M-0001"})), ada);
    assert_eq!(desk.ok("find_member", json!({"member_id": "M-0001"})), ada);
    assert_eq!(desk.ok("find_member", json!({"member_id": "M-0009"})), json!(null));
    let error = desk.call("get_member", json!({"member_id": "M-0009"})).unwrap_err();
    assert_eq!(error, "not_found: there is no member with id M-0009");
}

#[test]
fn lists_and_records_of_rows_leave_as_full_records() {
    let mut desk = start();
    let loan = |id: &str, due: &str, copies: i64| json!({"id": id, "member": "M-0001", "due": due, "status": "active", "copies": copies});
    let both = json!([loan("L-0001", "2024-10-14", 10), loan("L-0003", "2024-10-24", 20)]);
    assert_eq!(desk.ok("loans_of", json!({"member_id": "M-0001"})), both);
    assert_eq!(desk.ok("loans_of", json!({"member_id": "nobody"})), json!([]));
    let page = json!({"items": both, "first": both[0], "more": false});
    assert_eq!(desk.ok("page", json!({"member_id": "M-0001"})), page);
    assert_eq!(desk.code("page", json!({"member_id": "nobody"})), "index_out_of_range");
}

#[test]
fn inserts_make_keys_and_check_references() {
    let mut desk = start();
    let made = desk.ok("lend", json!({"member_id": "M-0002", "due": "2025-01-31"}));
    assert_eq!(
        made,
        json!({"id": "L-0004", "member": "M-0002", "due": "2025-01-31", "status": "active", "copies": null})
    );
    assert_eq!(desk.rows("loan")[3], made);
    assert_eq!(desk.code("lend", json!({"member_id": "M-0003", "due": "2025-01-31"})), "not_found");
    assert_eq!(desk.ok("lend", json!({"member_id": "M-0001", "due": "2025-01-31"}))["id"], "L-0005");
    // Far past the first capacity of slots and journal.
    for n in 6..300 {
        assert_eq!(desk.ok("lend", json!({"member_id": "M-0001", "due": "2025-02-28"}))["id"], format!("L-{n:04}"));
    }
    assert_eq!(desk.ok("loans_of", json!({"member_id": "M-0001"})).as_array().unwrap().len(), 2 + 295);
    assert_eq!(desk.changes()["tables"][0]["inserted"].as_array().unwrap().len(), 296);
}

#[test]
fn updates_change_one_column_and_are_journaled() {
    let mut desk = start();
    assert_eq!(desk.ok("charge", json!({"member_id": "M-0001"})), json!("3.75"));
    assert_eq!(desk.code("charge", json!({"member_id": "M-0001"})), "policy");
    assert_eq!(desk.ok("get_member", json!({"member_id": "M-0001"}))["fines"], "3.75");
    let update = &desk.changes()["tables"][0]["updated"];
    assert_eq!(*update, json!([{"key": "M-0001", "before": {"fines": "2.50"}, "after": {"fines": "3.75"}}]));
}

#[test]
fn a_tool_error_undoes_every_write_of_the_call() {
    let mut desk = start();
    let before = (desk.rows("member"), desk.rows("loan"));
    for _ in 0..3 {
        assert_eq!(desk.code("fail_late", json!({"member_id": "M-0002", "due": "2025-01-31"})), "policy");
    }
    assert_eq!((desk.rows("member"), desk.rows("loan")), before);
    assert_eq!(desk.changes()["tables"], json!([]));
    // The key counter is back too.
    assert_eq!(desk.ok("lend", json!({"member_id": "M-0002", "due": "2025-01-31"}))["id"], "L-0004");
}

#[test]
fn deleting_respects_references_and_keeps_order() {
    let mut desk = start();
    let error = desk.call("drop_member", json!({"member_id": "M-0002"})).unwrap_err();
    assert_eq!(error, "still_referenced: a loan still refers to this member");
    desk.ok("drop_loan", json!({"loan_id": "L-0002"}));
    assert_eq!(desk.code("drop_loan", json!({"loan_id": "L-0002"})), "not_found");
    let ids: Vec<_> = desk.rows("loan").as_array().unwrap().iter().map(|l| l["id"].clone()).collect();
    assert_eq!(ids, ["L-0001", "L-0003"]);
    assert_eq!(desk.ok("lend", json!({"member_id": "M-0001", "due": "2025-01-31"}))["id"], "L-0004");
    assert_eq!(desk.ok("drop_loan", json!({"loan_id": "L-0003"})), json!(null));
    desk.ok("drop_member", json!({"member_id": "M-0002"}));
    assert_eq!(desk.ok("find_member", json!({"member_id": "M-0002"})), json!(null));
}

#[test]
fn unique_columns_refuse_a_second_value() {
    let mut desk = start();
    let error = desk.call("rename", json!({"member_id": "M-0001", "name": "Grace Hopper"})).unwrap_err();
    assert_eq!(error, "duplicate: another member has this name");
    desk.ok("rename", json!({"member_id": "M-0001", "name": "Ada Lovelace"}));
    desk.ok("rename", json!({"member_id": "M-0001", "name": "Countess of Lovelace"}));
    // The new text survives many later calls.
    for _ in 0..100 {
        desk.ok("loans_of", json!({"member_id": "M-0001"}));
        desk.ok("find_member", json!({"member_id": "a rather long text that is no key at all"}));
    }
    assert_eq!(desk.ok("get_member", json!({"member_id": "M-0001"}))["name"], "Countess of Lovelace");
}

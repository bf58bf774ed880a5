//! A compiled suite with rows as an environment: members, books and loans.

use serde_json::{Value as Json, json};
use std::sync::Arc;
use terrarium_envs::certificate::Certificate;
use terrarium_envs::environment::{Environment, Split, component_digest, environment_id};
use terrarium_envs::system;
use terrarium_envs::task::{Difficulty, Kind, Task, ToolCall};
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::verifier::{Expected, ExpectedChange, ExpectedInsert, ExpectedUpdate, Verifier};
use terrarium_tools::compile::compile;
use terrarium_tools::schema::tool_schemas;
use terrarium_tools::value::TableRows;
use terrarium_tools::{Suite, Surface, Value, World, parse_suite};

/// The world's date: 2026-03-01.
const TODAY: i32 = 20_513;
const NAMES: [&str; 6] = ["Ann Lee", "Bo Day", "Cy Orr", "Di Fox", "Ed May", "Flo Hill"];

fn world(suite: &Suite) -> World {
    let table = |index: usize, rows: Vec<Vec<Value>>| {
        let key = suite.tables[index].key.clone();
        let keyed = rows.into_iter().enumerate().map(|(i, row)| {
            let mut columns = vec![Value::Key(key.key(i as u32 + 1))];
            columns.extend(row);
            columns
        });
        let rows: Vec<Vec<Value>> = keyed.collect();
        TableRows { next_key: rows.len() as u32 + 1, key: suite.tables[index].key.clone(), rows }
    };
    let members =
        NAMES.iter().enumerate().map(|(i, name)| vec![Value::Str((*name).to_owned()), Value::Money(i as i64 * 300)]);
    let books = (0..6_i64).map(|i| vec![Value::Str(format!("Book {i}")), Value::Int(i)]);
    let loan = |member: &str, book: &str, due| {
        vec![Value::Key(member.to_owned()), Value::Key(book.to_owned()), Value::Date(due)]
    };
    World {
        today: TODAY,
        tables: vec![
            table(0, members.collect()),
            table(1, books.collect()),
            table(2, vec![loan("M-0001", "B-0001", TODAY + 3), loan("M-0002", "B-0002", TODAY - 3)]),
        ],
    }
}

/// The environment.
pub fn environment() -> Arc<Environment> {
    let suite = parse_suite("desk.star", include_str!("desk.star"))
        .unwrap_or_else(|wrong| panic!("{}", wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let surface = Surface::plain(&suite);
    let compiled = compile(&suite, &surface, &world(&suite)).expect("it compiles");
    let tools = tool_schemas(&suite, &surface).into_iter().map(|t| ToolSpec {
        name: t.name,
        description: t.description,
        parameters: t.parameters,
        writes: t.writes,
    });
    let recipe = json!({"rows": 14});
    Arc::new(Environment {
        id: environment_id(&suite.name, &recipe),
        suite: suite.name.clone(),
        title: suite.title.clone(),
        domain: suite.domain.clone(),
        split: Split::Train,
        system: system::message(&suite.title, &suite.policy.replace("{fine_limit}", "10.00"), TODAY),
        tools: tools.collect(),
        digest: component_digest(&compiled.component),
        component: Arc::new(compiled.component),
        recipe,
        signature: Vec::new(),
    })
}

pub fn call(name: &str, arguments: Json) -> ToolCall {
    ToolCall { name: name.to_owned(), arguments }
}

pub fn check_out(member: &str, book: &str) -> ToolCall {
    call("check_out", json!({"member_id": member, "book_id": book}))
}

pub fn find(name: &str) -> ToolCall {
    call("find_members", json!({"name": name, "page": 1}))
}

/// The loan that `check_out` makes.
pub fn expected_loan(name: &str, member: &str, book: &str) -> ExpectedInsert {
    let columns = [
        ("id", Expected::Created(name.to_owned())),
        ("member", Expected::Exact(json!(member))),
        ("book", Expected::Exact(json!(book))),
        ("due", Expected::Exact(json!("2026-03-22"))),
    ];
    ExpectedInsert {
        table: "loan".to_owned(),
        name: name.to_owned(),
        columns: columns.into_iter().map(|(c, e)| (c.to_owned(), e)).collect(),
    }
}

/// Book `number` (1 to 6) begins with `number - 1` copies.
pub fn expected_copies(book: &str, copies: i64) -> ExpectedUpdate {
    let columns = vec![("copies".to_owned(), Expected::Exact(json!(copies)))];
    ExpectedUpdate { table: "book".to_owned(), key: book.to_owned(), columns }
}

/// "Lend Book 4 to Ann Lee and Book 5 to Bo Day": ten calls, two of them writes.
pub fn task(environment: &Environment) -> Arc<Task> {
    let change = ExpectedChange {
        inserted: vec![expected_loan("1", "M-0001", "B-0005"), expected_loan("2", "M-0002", "B-0006")],
        updated: vec![expected_copies("B-0005", 3), expected_copies("B-0006", 4)],
        deleted: Vec::new(),
    };
    let show = |book: &str| call("get_book", json!({"book_id": book}));
    Arc::new(Task {
        id: format!("{}/00000001", environment.id),
        environment_id: environment.id.clone(),
        split: environment.split,
        kind: Kind::Act,
        prompt: "Lend Book 4 to Ann Lee and Book 5 to Bo Day.".to_owned(),
        goal: json!({}),
        verifier: Verifier { change, answer: None },
        solution: vec![
            find("Ann Lee"),
            find("Bo Day"),
            find(""),
            show("B-0004"),
            show("B-0005"),
            show("B-0006"),
            check_out("M-0001", "B-0005"),
            check_out("M-0002", "B-0006"),
            show("B-0005"),
            call("submit", json!({})),
        ],
        certificate: Certificate::default(),
        difficulty: Difficulty::default(),
    })
}

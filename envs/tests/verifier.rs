//! Laws of the comparison of changes: any renaming of created keys passes, any other single difference fails, and what passes is
//! exactly what a brute-force search over all bijections finds.

use proptest::prelude::*;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use terrarium_envs::random::stream;
use terrarium_envs::verifier::{
    Expected, ExpectedChange, ExpectedDelete, ExpectedInsert, ExpectedUpdate, Verifier, try_verify, verify,
};
use terrarium_envs::world::{Row, RowUpdate, StateDiff, TableDiff};

const TABLES: [&str; 2] = ["loan", "line"];

fn verifier(change: ExpectedChange) -> Verifier {
    Verifier { change, answer: None }
}

/// A random expected change: few values, so that equal rows are common; references in any direction, cycles and itself included.
fn expected(rng: &mut ChaCha8Rng, free: bool) -> ExpectedChange {
    let count = rng.random_range(1..=5_usize);
    let tables: Vec<&str> = (0..count).map(|_| *TABLES.choose(rng).expect("tables")).collect();
    let inserted = (0..count)
        .map(|i| {
            let name = format!("r{i}");
            let mut columns = vec![("id".to_owned(), Expected::Created(name.clone()))];
            columns.push(("n".to_owned(), Expected::Exact(json!(rng.random_range(0..2)))));
            let reference = match rng.random_range(0..3) {
                0 => Expected::Exact(Value::Null),
                _ => Expected::Created(format!("r{}", rng.random_range(0..count))),
            };
            columns.push(("link".to_owned(), reference));
            let note = if free && rng.random_bool(0.3) { Expected::Free } else { Expected::Exact(json!("x")) };
            columns.push(("note".to_owned(), note));
            ExpectedInsert { table: tables[i].to_owned(), name, columns }
        })
        .collect();
    let updated = (0..rng.random_range(0..3))
        .map(|i| {
            let mut columns = vec![("n".to_owned(), Expected::Exact(json!(rng.random_range(10..12))))];
            if rng.random_bool(0.5) {
                columns.push(("link".to_owned(), Expected::Created(format!("r{}", rng.random_range(0..count)))));
            }
            ExpectedUpdate { table: "line".to_owned(), key: format!("old{i}"), columns }
        })
        .collect();
    let deleted = (0..rng.random_range(0..3))
        .map(|i| ExpectedDelete { table: "loan".to_owned(), key: format!("gone{i}") })
        .collect();
    ExpectedChange { inserted, updated, deleted }
}

/// The change that fulfils an expectation, with keys and row order of the world's own.
fn actual(expected: &ExpectedChange, rng: &mut ChaCha8Rng) -> StateDiff {
    let mut numbers: Vec<usize> = (100..100 + expected.inserted.len()).collect();
    numbers.shuffle(rng);
    let keys: Vec<String> = numbers.iter().map(|n| format!("K-{n}")).collect();
    let key = |name: &str| expected.inserted.iter().position(|i| i.name == name).map(|i| keys[i].clone());
    let mut value = |e: &Expected| match e {
        Expected::Exact(value) => value.clone(),
        Expected::Created(name) => json!(key(name)),
        Expected::Free => json!(format!("free {}", rng.random_range(0..3))),
    };
    let mut rows: Vec<(String, Row)> = Vec::new();
    for insert in &expected.inserted {
        rows.push((insert.table.clone(), insert.columns.iter().map(|(c, e)| (c.clone(), value(e))).collect()));
    }
    let updates: Vec<(String, RowUpdate)> = expected
        .updated
        .iter()
        .map(|u| {
            let after: Row = u.columns.iter().map(|(c, e)| (c.clone(), value(e))).collect();
            let before = u.columns.iter().map(|(c, _)| (c.clone(), json!("before"))).collect();
            (u.table.clone(), RowUpdate { key: u.key.clone(), before, after })
        })
        .collect();
    rows.shuffle(rng);
    let tables = TABLES.iter().map(|table| TableDiff {
        table: (*table).to_owned(),
        inserted: rows.iter().filter(|(t, _)| t == table).map(|(_, r)| r.clone()).collect(),
        updated: updates.iter().filter(|(t, _)| t == table).map(|(_, u)| u.clone()).collect(),
        deleted: expected
            .deleted
            .iter()
            .filter(|d| d.table == *table)
            .map(|d| [("id".to_owned(), json!(d.key)), ("n".to_owned(), json!(1))].into_iter().collect())
            .collect(),
    });
    StateDiff { tables: tables.collect() }
}

/// Whether some bijection makes expectation and change equal, by trying all of them.
fn brute_force(expected: &ExpectedChange, diff: &StateDiff) -> bool {
    let rows: Vec<(&str, &Row)> =
        diff.tables.iter().flat_map(|t| t.inserted.iter().map(|r| (t.table.as_str(), r))).collect();
    if rows.len() != expected.inserted.len() {
        return false;
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    permutations(&mut order, 0, &mut |order| {
        let key = |name: &str| {
            let i = expected.inserted.iter().position(|i| i.name == name).expect("a known name");
            rows[order[i]].1["id"].clone()
        };
        let fits = |columns: &[(String, Expected)], row: &Row| {
            row.len() == columns.len()
                && columns.iter().all(|(c, e)| match e {
                    Expected::Exact(value) => row.get(c) == Some(value),
                    Expected::Created(name) => row.get(c) == Some(&key(name)),
                    Expected::Free => row.contains_key(c),
                })
        };
        let inserts = expected.inserted.iter().enumerate().all(|(i, insert)| {
            let (table, row) = rows[order[i]];
            table == insert.table && fits(&insert.columns, row)
        });
        let updates: Vec<(&str, &RowUpdate)> =
            diff.tables.iter().flat_map(|t| t.updated.iter().map(|u| (t.table.as_str(), u))).collect();
        let deletes: Vec<(&str, &str)> = diff
            .tables
            .iter()
            .flat_map(|t| t.deleted.iter().map(|r| (t.table.as_str(), r["id"].as_str().unwrap_or_default())))
            .collect();
        inserts
            && updates.len() == expected.updated.len()
            && expected.updated.iter().all(|want| {
                updates.iter().any(|(t, u)| *t == want.table && u.key == want.key && fits(&want.columns, &u.after))
            })
            && deletes.len() == expected.deleted.len()
            && expected.deleted.iter().all(|want| deletes.contains(&(want.table.as_str(), want.key.as_str())))
    })
}

fn permutations(order: &mut Vec<usize>, at: usize, fits: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if at == order.len() {
        return fits(order);
    }
    for i in at..order.len() {
        order.swap(at, i);
        if permutations(order, at + 1, fits) {
            return true;
        }
        order.swap(at, i);
    }
    false
}

/// One change that no renaming can explain.
fn break_it(diff: &mut StateDiff, rng: &mut ChaCha8Rng) -> &'static str {
    let mut places = Vec::new();
    for (t, table) in diff.tables.iter().enumerate() {
        places.push((t, "extra insert", 0));
        places.push((t, "extra update", 0));
        places.push((t, "extra delete", 0));
        for i in 0..table.inserted.len() {
            for what in ["value", "reference", "drop", "extra column", "lost column"] {
                places.push((t, what, i));
            }
        }
        for i in 0..table.updated.len() {
            for what in ["update value", "update drop", "update extra"] {
                places.push((t, what, i));
            }
        }
        for i in 0..table.deleted.len() {
            places.push((t, "delete drop", i));
        }
    }
    let (t, what, i) = *places.choose(rng).expect("a place");
    let table = &mut diff.tables[t];
    let row: Row = [("id", json!("K-999")), ("n", json!(0)), ("link", Value::Null), ("note", json!("x"))]
        .into_iter()
        .map(|(c, v)| (c.to_owned(), v))
        .collect();
    match what {
        "extra insert" => table.inserted.push(row),
        "extra update" => table.updated.push(RowUpdate { key: "other".to_owned(), before: Row::new(), after: row }),
        "extra delete" => table.deleted.push(row),
        "value" => drop(table.inserted[i].insert("n".to_owned(), json!(77))),
        "reference" => drop(table.inserted[i].insert("link".to_owned(), json!("OLD-1"))),
        "drop" => drop(table.inserted.remove(i)),
        "extra column" => drop(table.inserted[i].insert("more".to_owned(), json!(1))),
        "lost column" => drop(table.inserted[i].shift_remove("n")),
        "update value" => drop(table.updated[i].after.insert("n".to_owned(), json!(77))),
        "update drop" => drop(table.updated.remove(i)),
        "update extra" => drop(table.updated[i].after.insert("more".to_owned(), json!(1))),
        _ => drop(table.deleted.remove(i)),
    }
    what
}

/// One change that a renaming may or may not explain: a reference led elsewhere, or two rows' values exchanged.
fn twist(diff: &mut StateDiff, rng: &mut ChaCha8Rng) {
    let keys: Vec<Value> = diff.tables.iter().flat_map(|t| t.inserted.iter().map(|r| r["id"].clone())).collect();
    let places: Vec<(usize, usize)> =
        diff.tables.iter().enumerate().flat_map(|(t, d)| (0..d.inserted.len()).map(move |i| (t, i))).collect();
    let (t, i) = *places.choose(rng).expect("at least one insert");
    let row = &mut diff.tables[t].inserted[i];
    if rng.random_bool(0.8) {
        row.insert("link".to_owned(), keys.choose(rng).expect("a key").clone());
    } else {
        row.insert("n".to_owned(), json!(rng.random_range(0..2)));
    }
    if rng.random_bool(0.3)
        && let Some(update) = diff.tables[1].updated.first_mut()
        && update.after.contains_key("link")
    {
        update.after.insert("link".to_owned(), keys.choose(rng).expect("a key").clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What the expectation describes passes under any renaming and any order of rows.
    #[test]
    fn any_renaming_passes(seed: u64) {
        let rng = &mut stream(seed, "renaming");
        let change = expected(rng, true);
        let diff = actual(&change, rng);
        let score = try_verify(&verifier(change.clone()), &diff, None).expect("a sound verifier");
        prop_assert!(score.solved(), "{change:?}\n{diff:?}\n{score:?}");
    }

    /// Any single difference that is no renaming fails.
    #[test]
    fn any_single_difference_fails(seed: u64) {
        let rng = &mut stream(seed, "difference");
        let change = expected(rng, false);
        let mut diff = actual(&change, rng);
        let what = break_it(&mut diff, rng);
        let score = try_verify(&verifier(change.clone()), &diff, None).expect("a sound verifier");
        prop_assert!(!score.solved(), "{what}\n{change:?}\n{diff:?}");
        prop_assert!(score.checks.iter().any(|c| !c.passed && !c.detail.is_empty()));
    }

    /// The matching finds a bijection exactly when there is one.
    #[test]
    fn the_matching_agrees_with_brute_force(seed: u64) {
        let rng = &mut stream(seed, "twist");
        let change = expected(rng, true);
        let mut diff = actual(&change, rng);
        for _ in 0..rng.random_range(1..3) {
            twist(&mut diff, rng);
        }
        let score = try_verify(&verifier(change.clone()), &diff, None).expect("a sound verifier");
        prop_assert_eq!(score.solved(), brute_force(&change, &diff), "{:?}\n{:?}\n{:?}", change, diff, score);
    }
}

fn row(columns: Value) -> Row {
    columns.as_object().expect("an object").clone()
}

fn created(name: &str) -> Expected {
    Expected::Created(name.to_owned())
}

fn insert(table: &str, name: &str, columns: &[(&str, Expected)]) -> ExpectedInsert {
    let columns = columns.iter().map(|(c, e)| ((*c).to_owned(), e.clone())).collect();
    ExpectedInsert { table: table.to_owned(), name: name.to_owned(), columns }
}

/// `orders` orders of `lines` lines each, all alike.
fn alike(orders: usize, lines: usize) -> (ExpectedChange, StateDiff) {
    let mut change = ExpectedChange::default();
    let (mut order_rows, mut line_rows) = (Vec::new(), Vec::new());
    for o in 0..orders {
        let order = format!("order{o}");
        change.inserted.push(insert("order", &order, &[("id", created(&order))]));
        order_rows.push(row(json!({"id": format!("O-{o}")})));
        for l in 0..lines {
            let name = format!("line{o}_{l}");
            change.inserted.push(insert("line", &name, &[("id", created(&name)), ("order", created(&order))]));
            line_rows.push(row(json!({"id": format!("L-{o}-{l}"), "order": format!("O-{o}")})));
        }
    }
    let table = |table: &str, inserted| TableDiff { table: table.to_owned(), inserted, ..TableDiff::default() };
    (change, StateDiff { tables: vec![table("order", order_rows), table("line", line_rows)] })
}

#[test]
fn many_equal_rows_are_matched_or_refused_quickly() {
    let (change, mut diff) = alike(12, 8);
    assert!(try_verify(&verifier(change.clone()), &diff, None).expect("sound").solved());
    // One line moves to another order: 9 and 7 lines instead of 8 and 8.
    diff.tables[1].inserted[0].insert("order".to_owned(), json!("O-1"));
    assert!(!try_verify(&verifier(change), &diff, None).expect("sound").solved());
}

#[test]
fn checks_name_what_is_wrong() {
    let change = ExpectedChange {
        inserted: vec![insert("loan", "1", &[("id", created("1")), ("due", Expected::Exact(json!("2026-03-01")))])],
        updated: vec![ExpectedUpdate {
            table: "book".to_owned(),
            key: "B-1".to_owned(),
            columns: vec![("copies".to_owned(), Expected::Exact(json!(2)))],
        }],
        deleted: vec![ExpectedDelete { table: "hold".to_owned(), key: "H-1".to_owned() }],
    };
    let diff = StateDiff {
        tables: vec![
            TableDiff {
                table: "loan".to_owned(),
                inserted: vec![
                    row(json!({"id": "L-7", "due": "2026-03-02"})),
                    row(json!({"id": "L-8", "due": "2026-04-02"})),
                ],
                ..TableDiff::default()
            },
            TableDiff {
                table: "book".to_owned(),
                updated: vec![RowUpdate {
                    key: "B-1".to_owned(),
                    before: row(json!({"copies": 3, "year": 1950})),
                    after: row(json!({"copies": 1, "year": 1951})),
                }],
                ..TableDiff::default()
            },
        ],
    };
    let score = verify(&verifier(change), &diff, None);
    let lines: Vec<String> = score.checks.iter().map(|c| format!("{} | {} | {}", c.name, c.passed, c.detail)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    insert loan #1 | false | loan L-7: due is "2026-03-02", expected "2026-03-01"
    update book B-1 | false | copies is 1, expected 2; year also changed, to 1951
    delete hold H-1 | false | it is still there
    nothing else changed | false | inserted loan L-8
    "#);
}

#[test]
fn numbers_are_equal_by_value_and_free_columns_are_free() {
    let change = ExpectedChange {
        inserted: vec![insert(
            "t",
            "a",
            &[
                ("id", created("a")),
                ("weight", Expected::Exact(json!(2))),
                ("note", Expected::Free),
                ("tag", Expected::Exact(Value::Null)),
            ],
        )],
        ..ExpectedChange::default()
    };
    let with = |weight: Value, tag: Value| StateDiff {
        tables: vec![TableDiff {
            table: "t".to_owned(),
            inserted: vec![row(json!({"id": "T-1", "weight": weight, "note": "anything", "tag": tag}))],
            ..TableDiff::default()
        }],
    };
    assert!(verify(&verifier(change.clone()), &with(json!(2.0), Value::Null), None).solved());
    assert!(!verify(&verifier(change.clone()), &with(json!(2.5), Value::Null), None).solved());
    assert!(!verify(&verifier(change.clone()), &with(json!("2"), Value::Null), None).solved());
    assert!(!verify(&verifier(change), &with(json!(2), json!("")), None).solved());
}

#[test]
fn broken_verifiers_are_errors_and_never_verdicts() {
    let one = |change: ExpectedChange| try_verify(&verifier(change), &StateDiff::default(), None).map(|s| s.reward);
    let row = |name: &str, link: &str| insert("t", name, &[("id", created(name)), ("link", created(link))]);
    let cases = [
        ExpectedChange::default(),
        ExpectedChange { inserted: vec![row("a", "a"), row("a", "a")], ..ExpectedChange::default() },
        ExpectedChange { inserted: vec![row("a", "b")], ..ExpectedChange::default() },
        ExpectedChange {
            deleted: vec![
                ExpectedDelete { table: "t".to_owned(), key: "1".to_owned() },
                ExpectedDelete { table: "t".to_owned(), key: "1".to_owned() },
            ],
            ..ExpectedChange::default()
        },
        ExpectedChange {
            updated: vec![ExpectedUpdate { table: "t".to_owned(), key: "1".to_owned(), columns: vec![] }],
            ..ExpectedChange::default()
        },
    ];
    for change in cases {
        assert!(one(change.clone()).is_err(), "{change:?}");
        let score = verify(&verifier(change), &StateDiff::default(), None);
        assert!(!score.solved() && score.checks[0].name == "verifier");
    }
}

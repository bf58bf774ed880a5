//! Suites, random worlds and random arguments for tests that compare ways of running a suite.

mod library;

use std::path::PathBuf;
use terrarium_tools::Type;
use terrarium_tools::suite::{Source, Suite};
use terrarium_tools::value::{TableRows, Value, World};

/// The world's date in these tests: 2024-10-04.
pub const TODAY: i32 = 20_000;

/// A small generator (SplitMix64): the tests need variety, not quality.
#[derive(Clone)]
pub struct Random {
    state: u64,
    /// Choices that come before those of the generator, last one first.
    choices: Vec<u8>,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Random { state: seed, choices: Vec::new() }
    }

    /// Takes two bytes a choice while there are any: a fuzzer that changes a byte changes one choice.
    #[allow(dead_code, reason = "only the fuzz targets read bytes")]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Random { state: bytes.len() as u64, choices: bytes.iter().rev().copied().collect() }
    }

    pub fn next(&mut self) -> u64 {
        if let (Some(low), high) = (self.choices.pop(), self.choices.pop()) {
            return u64::from(low) | u64::from(high.unwrap_or_default()) << 8;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n - 1`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// A suite of `tests/suites`.
pub fn suite(name: &str) -> Suite {
    read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suites").join(name))
}

/// The suite that uses every construct, with unique columns that the language itself does not offer.
pub fn language() -> Suite {
    let mut suite = suite("language.star");
    for column in &mut suite.tables[1].columns {
        column.unique = ["code", "slot"].contains(&column.name.as_str());
    }
    suite
}

/// The suites of `tests/authored`: written from `docs/suites.md` alone, as a new author would.
pub fn authored() -> Vec<Suite> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/authored");
    ["allotments.star", "bees.star", "evening_school.star", "notary.star", "observatory.star", "repairs.star"]
        .map(|name| read(folder.join(name)))
        .into()
}

/// Every suite of the library.
pub fn library() -> Vec<Suite> {
    library::files().into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Suite {
    library::parse(&path)
        .unwrap_or_else(|faults| panic!("{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>()))
}

/// Rows for all tables: `rows` of each, references to rows that exist, unique columns unique.
pub fn world(suite: &Suite, rows: usize, random: &mut Random) -> World {
    let tables = suite.tables.iter().map(|table| {
        let filled = (0..rows).map(|number| {
            let column = |(i, column): (usize, &terrarium_tools::suite::Column)| match i {
                0 => Value::Key(table.key.key(number as u32 + 1)),
                _ => {
                    let value = column_value(suite, &column.source, &column.ty, rows, random);
                    if column.unique { distinct(value, number) } else { value }
                }
            };
            table.columns.iter().enumerate().map(column).collect()
        });
        TableRows { key: table.key.clone(), rows: filled.collect(), next_key: rows as u32 + 1 }
    });
    World { today: TODAY, tables: tables.collect() }
}

fn distinct(value: Value, number: usize) -> Value {
    match value {
        Value::Str(text) => Value::Str(format!("{text} {number}")),
        Value::Int(_) => Value::Int(number as i64),
        other => other,
    }
}

fn column_value(suite: &Suite, source: &Source, ty: &Type, rows: usize, random: &mut Random) -> Value {
    let between = |low: i64, high: i64, random: &mut Random| low + (random.next() % (high - low + 1) as u64) as i64;
    match (source, ty) {
        (Source::Maybe { none_percent, .. }, _) if random.below(100) < *none_percent as usize => Value::None,
        (Source::Maybe { inner, .. }, Type::Option(ty)) => column_value(suite, inner, ty, rows, random),
        (Source::Integer { low, high, .. }, _) => Value::Int(between(*low, *high, random)),
        (Source::Money { low, high, .. }, _) => Value::Money(between(*low, *high, random)),
        (Source::Date { from_days, to_days }, _) => {
            Value::Date(TODAY + between(i64::from(*from_days), i64::from(*to_days), random) as i32)
        }
        (Source::Choice { values }, _) => Value::Str(random.pick(values)),
        (_, Type::Option(_)) if random.one_in(3) => Value::None,
        (_, Type::Option(ty)) => column_value(suite, source, ty, rows, random),
        (_, Type::Bool) => Value::Bool(random.one_in(2)),
        (_, Type::Int) => Value::Int(between(-5, 50, random)),
        (_, Type::Float) => Value::Float(between(-50, 50, random) as f64 / 4.0),
        (_, Type::Money) => Value::Money(between(0, 5000, random)),
        (_, Type::Date) => Value::Date(TODAY + between(-60, 60, random) as i32),
        (_, Type::Enum(id)) => Value::Enum(random.below(suite.enums[*id].cases.len()) as u32),
        (_, Type::Key(table)) => Value::Key(suite.tables[*table].key.key(random.below(rows) as u32 + 1)),
        _ => Value::Str(random.pick(&WORDS).into()),
    }
}

const WORDS: [&str; 10] =
    ["", "a", "North Door", "Ünïcode ß…", " spaced\t", "Silent River", "e", "555-0100", "zebra", "AbCd efgh ijkl"];

/// An argument of a type: often plausible, sometimes extreme. Keys are mostly of rows that exist.
pub fn argument(suite: &Suite, ty: &Type, rows: usize, random: &mut Random) -> Value {
    match ty {
        Type::Option(_) if random.one_in(2) => Value::None,
        Type::Option(inner) => argument(suite, inner, rows, random),
        Type::Bool => Value::Bool(random.one_in(2)),
        Type::Int if random.one_in(8) => {
            Value::Int(random.pick(&[i64::MIN, i64::MAX, i64::MIN + 1, -1, 1 << 40, -(1 << 33), 10_000_000]))
        }
        Type::Int => Value::Int(random.below(14) as i64 - 4),
        Type::Float => Value::Float(random.pick(&[0.0, -0.0, 1.5, -2.25, 1e300, 0.1, 3.0])),
        Type::Money if random.one_in(10) => Value::Money(random.pick(&[i64::MIN, i64::MAX, -1, 1 << 50])),
        Type::Money => Value::Money(random.below(6000) as i64 - 500),
        Type::Date if random.one_in(10) => Value::Date(random.pick(&[-719_162, 2_932_896, 0, -1, 11_016])),
        Type::Date => Value::Date(TODAY + random.below(100) as i32 - 50),
        Type::Enum(id) => Value::Enum(random.below(suite.enums[*id].cases.len()) as u32),
        Type::Key(table) if random.one_in(8) => {
            Value::Key(random.pick(&[String::new(), "nobody".into(), suite.tables[*table].key.key(999)]))
        }
        Type::Key(table) => Value::Key(suite.tables[*table].key.key(random.below(rows + 3) as u32 + 1)),
        Type::List(item) => {
            let length = random.below(6);
            Value::List((0..length).map(|_| argument(suite, item, rows, random)).collect())
        }
        Type::Record(id) => {
            let fields = &suite.records[*id].fields;
            Value::Record(fields.iter().map(|(_, ty)| argument(suite, ty, rows, random)).collect())
        }
        _ => Value::Str(random.pick(&WORDS).into()),
    }
}

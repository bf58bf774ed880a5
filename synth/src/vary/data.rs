//! The rows of a world: every column filled from its declared source, references skewed so that some rows are much referred to.
//!
//! Row `i` of a table has key number `i + 1`. A table has at most as many rows as a unique column of it has values.

use crate::error::{Error, Result};
use crate::seed::Dice;
use crate::vary::words::{self, LOCALES, Locale};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use terrarium_tools::suite::{Column, KeyStyle, Source, Table};
use terrarium_tools::tree::Literal;
use terrarium_tools::types::Type;
use terrarium_tools::value::{TableRows, Value, World};
use terrarium_tools::{Suite, eval};

/// Draws of a unique value before a suffix is added to make it unique.
const UNIQUE_DRAWS_MAX: usize = 40;

/// What a world's data is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPlan {
    /// Seed of the random streams.
    pub seed: u64,
    /// Size.
    pub size: Size,
    /// Names of the locales that names and places come from.
    pub locales: Vec<String>,
    /// The world's date, days since 1970-01-01.
    pub today: i32,
    /// Key style of each table.
    pub keys: Vec<KeyStyle>,
    /// Tables that share people or companies, by name: the second takes names, telephone numbers and addresses from the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, String)>,
}

/// How many rows tables have, relative to what the suite declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Half of the declared range.
    Small,
    /// The declared range.
    Medium,
    /// Twice the declared range.
    Large,
}

impl Size {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Large => "large",
        }
    }

    fn rows(self, (low, high): (u32, u32), dice: &mut Dice) -> usize {
        let rows = dice.between(i64::from(low), i64::from(high)) as usize;
        match self {
            Size::Small => (rows / 2).max(3),
            Size::Medium => rows.max(1),
            Size::Large => rows * 2,
        }
    }
}

/// The world of a plan: pure.
///
/// # Errors
/// When a derived column cannot be computed.
pub fn world(suite: &Suite, parameters: &[Literal], plan: &DataPlan) -> Result<World> {
    let locales: Vec<&Locale> = LOCALES.iter().filter(|l| plan.locales.iter().any(|n| n == l.name)).collect();
    if locales.is_empty() || plan.keys.len() != suite.tables.len() {
        return Err(Error::Options(format!("the data plan does not fit suite `{}`", suite.name)));
    }
    let counts: Vec<usize> = suite
        .tables
        .iter()
        .map(|table| {
            let mut dice = Dice::new(plan.seed, &format!("rows/{}", table.name));
            plan.size.rows(table.rows, &mut dice).min(unique_rows_max(suite, table))
        })
        .collect();
    let mut world = World { today: plan.today, tables: Vec::with_capacity(suite.tables.len()) };
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (index, table) in suite.tables.iter().enumerate() {
        let key = plan.keys[index].clone();
        let mut rows: Vec<Vec<Value>> = (1..=counts[index])
            .map(|n| {
                let mut row = Vec::with_capacity(table.columns.len());
                row.push(Value::Key(key.key(n as u32)));
                row
            })
            .collect();
        let twins = Twins::of(suite, plan, &world, index, rows.len());
        let filler =
            Filler { plan, locales: &locales, counts: &counts, suite, table_index: index, names: &names, twins };
        for column in &table.columns[1..] {
            filler.fill(table, column, &mut rows);
        }
        for (c, column) in table.columns.iter().enumerate().filter(|(_, c)| c.unique && is_name(&c.source)) {
            debug_assert!(column.unique);
            names.extend(rows.iter().map(|row| text_of(&row[c])));
        }
        world.tables.push(TableRows { key, next_key: rows.len() as u32 + 1, rows });
    }
    eval::fill_derived(suite, parameters, &mut world)
        .map_err(|e| Error::Options(format!("a derived column of suite `{}` cannot be computed: {e}", suite.name)))?;
    Ok(world)
}

/// Rows a table can have before a unique column runs out of values.
fn unique_rows_max(suite: &Suite, table: &Table) -> usize {
    let values = |column: &Column| match inner(&column.source) {
        Source::Phrase { parts } => parts.iter().map(Vec::len).product(),
        Source::Choice { values } => values.len(),
        Source::OneOf { weights } => match column.ty {
            Type::Enum(e) => suite.enums[e].cases.len(),
            _ => weights.len(),
        },
        Source::Integer { low, high, step } | Source::Money { low, high, step } => {
            ((high - low).max(0) / (*step).max(1) + 1) as usize
        }
        Source::Date { from_days, to_days } => (to_days - from_days).max(0) as usize + 1,
        _ => usize::MAX,
    };
    table.columns.iter().filter(|c| c.unique).map(values).min().unwrap_or(usize::MAX)
}

/// A source without `Maybe` around it.
pub fn inner(source: &Source) -> &Source {
    match source {
        Source::Maybe { inner: source, .. } => inner(source),
        other => other,
    }
}

/// Whether a source makes names of people or companies.
fn is_name(source: &Source) -> bool {
    matches!(inner(source), Source::PersonName | Source::CompanyName)
}

/// The rows of an earlier table that stand for the same people as rows of this one.
struct Twins<'a> {
    columns: &'a [Column],
    rows: Vec<Vec<Value>>,
    /// Row of the earlier table, for each row of this one that has a twin.
    of: Vec<Option<usize>>,
}

impl<'a> Twins<'a> {
    /// Three fifths of the smaller table at least.
    fn of(suite: &'a Suite, plan: &DataPlan, world: &World, table: usize, count: usize) -> Option<Self> {
        let (first, _) = plan.links.iter().find(|(_, second)| *second == suite.tables[table].name)?;
        let other = suite.tables[..table].iter().position(|t| t.name == *first)?;
        let rows = world.tables[other].rows.clone();
        let mut dice = Dice::new(plan.seed, &format!("link/{first}/{}", suite.tables[table].name));
        let most = count.min(rows.len());
        let shared = dice.between((most * 3).div_ceil(5) as i64, most as i64) as usize;
        let (mut here, mut there): (Vec<usize>, Vec<usize>) = ((0..count).collect(), (0..rows.len()).collect());
        dice.shuffle(&mut here);
        dice.shuffle(&mut there);
        let mut of = vec![None; count];
        for (row, twin) in here.into_iter().zip(there).take(shared) {
            of[row] = Some(twin);
        }
        Some(Twins { columns: &suite.tables[other].columns, rows, of })
    }

    /// The twin's value of a column that belongs to the person: the name, and how to reach them.
    fn copy(&self, column: &Column, row: usize) -> Option<Value> {
        let twin = self.of[row]?;
        let personal = match inner(&column.source) {
            Source::PersonName | Source::CompanyName => column.unique,
            Source::Phone | Source::Email { .. } | Source::StreetAddress | Source::City => true,
            _ => false,
        };
        let same = |c: &Column| {
            std::mem::discriminant(inner(&c.source)) == std::mem::discriminant(inner(&column.source))
                && c.unique == column.unique
        };
        let theirs = self.columns.iter().position(same).filter(|_| personal)?;
        Some(self.rows[twin][theirs].clone()).filter(|value| *value != Value::None)
    }
}

struct Filler<'a> {
    plan: &'a DataPlan,
    locales: &'a [&'a Locale],
    counts: &'a [usize],
    suite: &'a Suite,
    table_index: usize,
    /// Names of people and companies in the tables before this one: others are not called the same.
    names: &'a BTreeSet<String>,
    twins: Option<Twins<'a>>,
}

impl Filler<'_> {
    fn fill(&self, table: &Table, column: &Column, rows: &mut [Vec<Value>]) {
        let mut dice = Dice::new(self.plan.seed, &format!("column/{}/{}", table.name, column.name));
        // Which rows of the referenced table are popular is a matter of its own.
        let order = match inner(&column.source) {
            Source::Reference { table } => {
                let mut order: Vec<usize> = (0..self.counts[*table]).collect();
                dice.shuffle(&mut order);
                order
            }
            _ => Vec::new(),
        };
        let unique = column.unique || matches!(inner(&column.source), Source::Email { .. });
        let mut taken = if unique && is_name(&column.source) { self.names.clone() } else { BTreeSet::new() };
        // What is taken over comes first: whatever is drawn keeps clear of it.
        let copies: Vec<Option<Value>> = match &self.twins {
            Some(twins) => (0..rows.len()).map(|index| twins.copy(column, index)).collect(),
            None => vec![None; rows.len()],
        };
        taken.extend(copies.iter().flatten().map(text_of));
        for (index, (row, copy)) in rows.iter_mut().zip(copies).enumerate() {
            if let Some(copy) = copy {
                row.push(copy);
                continue;
            }
            let mut value = self.draw(table, column, &column.source, row, index, &order, &mut dice);
            if unique && value != Value::None {
                for _ in 0..UNIQUE_DRAWS_MAX {
                    if !taken.contains(&text_of(&value)) {
                        break;
                    }
                    value = self.draw(table, column, &column.source, row, index, &order, &mut dice);
                }
                value = self.distinct(column, value, &taken);
                taken.insert(text_of(&value));
            }
            row.push(value);
        }
    }

    /// The value itself, or the next one that is not taken.
    fn distinct(&self, column: &Column, value: Value, taken: &BTreeSet<String>) -> Value {
        if !taken.contains(&text_of(&value)) {
            return value;
        }
        let candidates: Box<dyn Iterator<Item = Value>> = match (inner(&column.source), &value) {
            (Source::Integer { low, high, step }, _) => {
                Box::new((*low..=*high).step_by((*step).max(1) as usize).map(Value::Int))
            }
            (Source::Money { low, high, step }, _) => {
                Box::new((*low..=*high).step_by((*step).max(1) as usize).map(Value::Money))
            }
            (Source::Date { from_days, to_days }, _) => {
                let today = self.plan.today;
                Box::new((*from_days..=*to_days).map(move |d| Value::Date(today + d)))
            }
            (Source::Choice { values }, _) => Box::new(values.clone().into_iter().map(Value::Str)),
            (Source::Phrase { parts }, _) => Box::new(phrases(parts.clone()).map(Value::Str)),
            (Source::OneOf { weights }, _) => Box::new((0..weights.len() as u32).map(Value::Enum)),
            (Source::Email { .. }, Value::Str(text)) => {
                let text = text.clone();
                Box::new((2..1_000_000).map(move |n| Value::Str(text.replacen('@', &format!("{n}@"), 1))))
            }
            (Source::PersonName, Value::Str(text)) => {
                let (given, family) = text.split_once(' ').unwrap_or((text, ""));
                let (given, family) = (given.to_owned(), family.to_owned());
                Box::new((0..26u8).map(move |n| Value::Str(format!("{given} {}. {family}", char::from(b'A' + n)))))
            }
            (_, Value::Str(text)) => {
                let text = text.clone();
                Box::new((2..1_000_000).map(move |n| Value::Str(format!("{text} {n}"))))
            }
            _ => Box::new(std::iter::empty()),
        };
        candidates.into_iter().find(|c| !taken.contains(&text_of(c))).unwrap_or(value)
    }

    fn draw(
        &self,
        table: &Table,
        column: &Column,
        source: &Source,
        row: &[Value],
        index: usize,
        order: &[usize],
        dice: &mut Dice,
    ) -> Value {
        match source {
            Source::Maybe { none_percent, inner } => {
                if dice.percent(*none_percent) {
                    Value::None
                } else {
                    self.draw(table, column, inner, row, index, order, dice)
                }
            }
            Source::Reference { table } => {
                let mut target = order.get(dice.skewed(order.len())).copied().unwrap_or(0);
                if *table == self.table_index && target == index {
                    target = order.iter().copied().find(|o| *o != index).unwrap_or(target);
                }
                Value::Key(self.plan.keys[*table].key(target as u32 + 1))
            }
            Source::Email { of } => {
                let name = table.columns.iter().position(|c| c.name == *of).and_then(|c| row.get(c));
                Value::Str(email(name))
            }
            Source::Key | Source::Derived { .. } => placeholder(&column.ty),
            Source::OneOf { weights } => {
                let cases = match scalar(&column.ty) {
                    Type::Enum(e) => self.suite.enums[*e].cases.len(),
                    _ => weights.len(),
                };
                let case = if weights.len() == cases { dice.weighted(weights) } else { dice.below(cases) };
                Value::Enum(case as u32)
            }
            other => simple(other, self.locales, self.plan.today, dice),
        }
    }
}

/// A value of a source that needs no other row: used for columns and for arguments alike.
pub fn simple(source: &Source, locales: &[&Locale], today: i32, dice: &mut Dice) -> Value {
    let locale = locales[dice.below(locales.len())];
    let word = |list: Vec<&'static str>, dice: &mut Dice| dice.pick(&list).copied().unwrap_or_default();
    match source {
        Source::PersonName => {
            let given = word(locale.given(), dice);
            Value::Str(format!("{given} {}", word(locale.family(), dice)))
        }
        Source::CompanyName => {
            let first = word(words::COMPANY_FIRST.split_whitespace().collect(), dice);
            Value::Str(format!("{first} {}", word(words::COMPANY_SECOND.split_whitespace().collect(), dice)))
        }
        Source::Phone => {
            Value::Str(format!("+{} {:03} {:04}", locale.calling_code, dice.between(200, 999), dice.between(0, 9999)))
        }
        Source::StreetAddress => {
            let street = word(locale.streets(), dice);
            let number = dice.between(1, 180);
            Value::Str(if locale.number_first { format!("{number} {street}") } else { format!("{street} {number}") })
        }
        Source::City => Value::Str(word(locale.cities(), dice).to_owned()),
        Source::Phrase { parts } => {
            let words: Vec<&str> = parts.iter().filter_map(|p| dice.pick(p)).map(String::as_str).collect();
            Value::Str(words.join(" "))
        }
        Source::Choice { values } => Value::Str(dice.pick(values).cloned().unwrap_or_default()),
        Source::OneOf { weights } => Value::Enum(dice.weighted(weights) as u32),
        Source::Integer { low, high, step } => Value::Int(dice.stepped(*low, *high, *step)),
        Source::Money { low, high, step } => Value::Money(dice.stepped(*low, *high, *step)),
        Source::Date { from_days, to_days } => {
            Value::Date(today + dice.between(i64::from(*from_days), i64::from(*to_days)) as i32)
        }
        Source::Boolean { percent } => Value::Bool(dice.percent(*percent)),
        Source::Maybe { none_percent, inner } => {
            if dice.percent(*none_percent) {
                Value::None
            } else {
                simple(inner, locales, today, dice)
            }
        }
        Source::Email { .. } | Source::Key | Source::Reference { .. } | Source::Derived { .. } => Value::None,
    }
}

fn email(name: Option<&Value>) -> String {
    let name = match name {
        Some(Value::Str(name)) => words::ascii(name),
        _ => "info".to_owned(),
    };
    let name: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    // The domain depends on the name alone, so that a redraw of the address is not a redraw of the person.
    let domains = ["example.org", "example.com", "example.net"];
    let sum: usize = name.iter().map(|part| part.len()).sum();
    format!("{}@{}", name.join("."), domains[sum % domains.len()])
}

/// All phrases of word lists, the last list running fastest.
fn phrases(parts: Vec<Vec<String>>) -> impl Iterator<Item = String> {
    let total: usize = parts.iter().map(Vec::len).product();
    (0..total).map(move |mut n| {
        let mut words = Vec::with_capacity(parts.len());
        for part in parts.iter().rev() {
            words.push(part[n % part.len()].as_str());
            n /= part.len();
        }
        words.reverse();
        words.join(" ")
    })
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Key(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// The type without `option` around it.
pub fn scalar(ty: &Type) -> &Type {
    match ty {
        Type::Option(inner) => scalar(inner),
        other => other,
    }
}

/// A value of a type, until the derived one is known.
fn placeholder(ty: &Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Float => Value::Float(0.0),
        Type::Money => Value::Money(0),
        Type::Date => Value::Date(0),
        Type::Enum(_) => Value::Enum(0),
        Type::Key(_) => Value::Key(String::new()),
        Type::Option(_) => Value::None,
        _ => Value::Str(String::new()),
    }
}

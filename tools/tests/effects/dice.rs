//! Random worlds and arguments for tests: plain, repeatable, no realism wanted.

use serde_json::{Map, Value as Json};
use terrarium_tools::calendar::{DAY_MAX, DAY_MIN};
use terrarium_tools::suite::{Effect, Source, Suite, Tool};
use terrarium_tools::tree::{ExprKind, Literal};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::{TableRows, Value, World, to_json};

pub const TODAY: i32 = 20_500;

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    pub fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }

    fn between(&mut self, low: i64, high: i64, step: i64) -> i64 {
        low + step * self.below(((high - low) / step + 1) as usize) as i64
    }

    fn word(&mut self) -> String {
        let syllables = ["ka", "Lo", "mi", "re", "Tu", "na", "so", "vé", "Qui", "el"];
        (0..4).map(|_| syllables[self.below(10)]).collect()
    }

    fn value(&mut self, source: &Source, ty: &Type, sizes: &[u32], suite: &Suite) -> Value {
        match source {
            Source::Key | Source::Derived { .. } => placeholder(ty),
            Source::PersonName | Source::CompanyName => Value::Str(format!("{} {}", self.word(), self.word())),
            Source::Email { .. } => Value::Str(format!("{}@example.org", self.word())),
            Source::Phone => Value::Str(format!("555-{:04}", self.below(10_000))),
            Source::StreetAddress => Value::Str(format!("{} {}", self.below(99) + 1, self.word())),
            Source::City => Value::Str(self.word()),
            Source::Phrase { parts } => {
                let words: Vec<&str> = parts.iter().map(|p| p[self.below(p.len())].as_str()).collect();
                Value::Str(words.join(" "))
            }
            Source::Choice { values } => Value::Str(values[self.below(values.len())].clone()),
            Source::OneOf { weights } => {
                let mut at = self.below(weights.iter().sum::<u32>() as usize) as u32;
                let case = weights.iter().position(|w| {
                    let hit = at < *w;
                    at = at.saturating_sub(*w);
                    hit
                });
                Value::Enum(case.unwrap_or(0) as u32)
            }
            Source::Integer { low, high, step } => Value::Int(self.between(*low, *high, *step)),
            Source::Money { low, high, step } => Value::Money(self.between(*low, *high, *step)),
            Source::Date { from_days, to_days } => {
                Value::Date(TODAY + self.between(i64::from(*from_days), i64::from(*to_days), 1) as i32)
            }
            Source::Boolean { percent } => Value::Bool(self.percent(*percent as usize)),
            Source::Reference { table } => {
                let number = self.below(sizes[*table] as usize) as u32 + 1;
                Value::Key(suite.tables[*table].key.key(number))
            }
            Source::Maybe { none_percent, .. } if self.percent(*none_percent as usize) => Value::None,
            Source::Maybe { inner, .. } => self.value(inner, scalar(ty), sizes, suite),
        }
    }

    /// A world of the least size, derived columns left open.
    pub fn world(&mut self, suite: &Suite) -> World {
        let sizes: Vec<u32> = suite.tables.iter().map(|t| t.rows.0).collect();
        let tables = suite.tables.iter().enumerate().map(|(table, definition)| {
            let mut rows: Vec<Vec<Value>> = Vec::new();
            while rows.len() < sizes[table] as usize {
                let mut row = vec![Value::Key(definition.key.key(rows.len() as u32 + 1))];
                for column in &definition.columns[1..] {
                    row.push(self.value(&column.source, &column.ty, &sizes, suite));
                }
                let taken = |row: &[Value]| {
                    let unique = definition.columns.iter().enumerate().filter(|(_, c)| c.unique);
                    unique.into_iter().any(|(i, _)| rows.iter().any(|other| other[i] == row[i]))
                };
                if !taken(&row) {
                    rows.push(row);
                }
            }
            let next_key = rows.len() as u32 + 1;
            TableRows { key: definition.key.clone(), rows, next_key }
        });
        World { today: TODAY, tables: tables.collect() }
    }

    /// One of the choices of each policy parameter.
    pub fn parameters(&mut self, suite: &Suite) -> Vec<Literal> {
        suite.parameters.iter().map(|p| p.choices[self.below(p.choices.len())].clone()).collect()
    }

    /// Arguments of a tool: mostly keys of live rows, values as the suite says they are made.
    pub fn arguments(&mut self, suite: &Suite, tool: &Tool, world: &World) -> Vec<Value> {
        let parameters = &suite.functions[tool.function].parameters;
        (0..parameters.len()).map(|i| self.argument(suite, tool, i, &parameters[i].ty, world)).collect()
    }

    fn argument(&mut self, suite: &Suite, tool: &Tool, parameter: usize, ty: &Type, world: &World) -> Value {
        if let Type::Option(inner) = ty {
            return if self.percent(55) { Value::None } else { self.argument(suite, tool, parameter, inner, world) };
        }
        if let Type::Key(table) = ty {
            let rows = &world.tables[*table].rows;
            return match rows.get(self.below(rows.len())) {
                Some(row) if !self.percent(3) => row[0].clone(),
                _ => Value::Key(suite.tables[*table].key.key(99_999)),
            };
        }
        if self.percent(8) {
            let extreme = |dice: &mut Self| [-1, 0, i64::MAX, i64::MIN][dice.below(4)];
            match ty {
                Type::Int => return Value::Int(extreme(self)),
                Type::Money => return Value::Money(extreme(self)),
                Type::Date => return Value::Date([DAY_MIN, DAY_MAX, TODAY][self.below(3)]),
                Type::Str => return Value::Str([" ", "", "Ünï\"\\\n"][self.below(3)].into()),
                _ => {}
            }
        }
        // Read tools: a value that some row has.
        if let Some(finds) = &tool.finds {
            let column = finds.matches.iter().find(|m| m.0 == parameter).map(|m| m.1);
            let rows = &world.tables[finds.table].rows;
            if let Some(column) = column
                && let Some(row) = rows.get(self.below(rows.len()))
                && row[column] != Value::None
            {
                return match &row[column] {
                    Value::Str(text) => {
                        let letters: Vec<char> = text.chars().collect();
                        let part: String = letters.iter().skip(self.below(letters.len())).take(3).collect();
                        Value::Str(if self.percent(50) { part.to_ascii_uppercase() } else { part })
                    }
                    other => other.clone(),
                };
            }
        }
        let sizes: Vec<u32> = world.tables.iter().map(|t| t.rows.len() as u32).collect();
        if let Some(source) = source(suite, tool, parameter) {
            let value = self.value(&source, ty, &sizes, suite);
            if value != Value::None {
                return value;
            }
        }
        match ty {
            Type::Int => Value::Int(self.between(-1, 4, 1)),
            Type::Float => Value::Float(0.5),
            Type::Money => Value::Money(self.between(-100, 5_000, 50)),
            Type::Date => Value::Date(TODAY + self.between(-30, 30, 1) as i32),
            Type::Enum(id) => Value::Enum(self.below(suite.enums[*id].cases.len()) as u32),
            Type::Bool => Value::Bool(self.percent(50)),
            Type::Str => Value::Str(self.word()),
            Type::List(item) => {
                let count = self.below(3);
                Value::List((0..count).map(|_| self.argument(suite, tool, parameter, item, world)).collect())
            }
            _ => Value::None,
        }
    }
}

/// How an argument is made: as declared, or as the column that it is written to.
fn source(suite: &Suite, tool: &Tool, parameter: usize) -> Option<Source> {
    if let Some((_, source)) = tool.gives.iter().find(|(p, _)| *p == parameter) {
        return Some(source.clone());
    }
    let bare = |e: &terrarium_tools::tree::Expr| match &e.kind {
        ExprKind::Local(local) => *local == parameter,
        ExprKind::Some(inner) => matches!(inner.kind, ExprKind::Local(local) if local == parameter),
        _ => false,
    };
    let column = |table: TableId, column: usize| suite.tables[table].columns[column].source.clone();
    tool.effects.iter().find_map(|effect| match effect {
        Effect::Insert { table, values } => values.iter().position(bare).map(|i| column(*table, i + 1)),
        Effect::Update { table, values, .. } | Effect::UpdateAll { table, values, .. } => {
            values.iter().find(|(_, v)| bare(v)).map(|(c, _)| column(*table, *c))
        }
        Effect::Delete { .. } | Effect::DeleteAll { .. } => None,
    })
}

fn scalar(ty: &Type) -> &Type {
    if let Type::Option(inner) = ty { inner } else { ty }
}

fn placeholder(ty: &Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Float => Value::Float(0.0),
        Type::Str => Value::Str(String::new()),
        Type::Money => Value::Money(0),
        Type::Date => Value::Date(0),
        Type::Enum(_) => Value::Enum(0),
        _ => Value::None,
    }
}

/// Arguments as the JSON object that a tool takes.
pub fn arguments_json(suite: &Suite, tool: &Tool, arguments: &[Value]) -> Json {
    let parameters = &suite.functions[tool.function].parameters;
    let mut object = Map::new();
    for (parameter, value) in parameters.iter().zip(arguments) {
        if *value != Value::None {
            object.insert(parameter.name.clone(), to_json(suite, &parameter.ty, value));
        }
    }
    Json::Object(object)
}

//! How the arguments of write tools are made: from `gives`, from the column they are written to, else from their type.

use crate::seed::Dice;
use crate::vary::data::{scalar, simple};
use crate::vary::surface::bare_local;
use crate::vary::words::Locale;
use terrarium_tools::suite::{Column, Effect, Source, Suite};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// The table and column an argument is written to as it is.
pub fn written_to(suite: &Suite, tool: usize, parameter: usize) -> Option<(TableId, usize)> {
    suite.tools[tool].effects.iter().find_map(|effect| match effect {
        Effect::Insert { table, values } => {
            values.iter().position(|v| bare_local(v) == Some(parameter)).map(|c| (*table, c + 1))
        }
        Effect::Update { table, values, .. } | Effect::UpdateAll { table, values, .. } => {
            values.iter().find(|(_, v)| bare_local(v) == Some(parameter)).map(|(c, _)| (*table, *c))
        }
        Effect::Delete { .. } | Effect::DeleteAll { .. } => None,
    })
}

/// The column an argument is written to as it is.
pub fn column_of(suite: &Suite, tool: usize, parameter: usize) -> Option<&Column> {
    written_to(suite, tool, parameter).map(|(t, c)| &suite.tables[t].columns[c])
}

/// The declared source of an argument.
pub fn source_of(suite: &Suite, tool: usize, parameter: usize) -> Option<&Source> {
    let given = suite.tools[tool].gives.iter().find(|(p, _)| *p == parameter).map(|(_, s)| s);
    given.or_else(|| column_of(suite, tool, parameter).map(|c| &c.source))
}

/// The column an `update(table, key, ..)` effect writes the argument to, where the key is another parameter: the value of this
/// parameter replaces a present one. Gives the key's parameter, the table and the column.
pub fn replaces(suite: &Suite, tool: usize, parameter: usize) -> Option<(usize, TableId, usize)> {
    suite.tools[tool].effects.iter().find_map(|effect| match effect {
        Effect::Update { table, key, values } => {
            let column = values.iter().find(|(_, v)| bare_local(v) == Some(parameter)).map(|(c, _)| *c)?;
            Some((bare_local(key)?, *table, column))
        }
        _ => None,
    })
}

/// A value for an argument that is no reference; `None` where nothing says how to make one.
pub fn draw(
    suite: &Suite,
    tool: usize,
    parameter: usize,
    locales: &[&Locale],
    today: i32,
    dice: &mut Dice,
) -> Option<Value> {
    let ty = &suite.functions[suite.tools[tool].function].parameters[parameter].ty;
    let drawn = source_of(suite, tool, parameter).map(|source| match (crate::vary::data::inner(source), scalar(ty)) {
        (Source::OneOf { weights }, Type::Enum(e)) if weights.len() != suite.enums[*e].cases.len() => {
            Value::Enum(dice.below(suite.enums[*e].cases.len()) as u32)
        }
        // A changed value should be plausible on any row, so common cases do not crowd out rare ones.
        (Source::OneOf { .. }, Type::Enum(e)) => Value::Enum(dice.below(suite.enums[*e].cases.len()) as u32),
        (other, _) => simple(other, locales, today, dice),
    });
    match (drawn, scalar(ty)) {
        (Some(value), ty) if fits(ty, &value) => Some(value),
        (_, Type::Enum(e)) => Some(Value::Enum(dice.below(suite.enums[*e].cases.len()) as u32)),
        (_, Type::Int) => Some(Value::Int(dice.between(2, 12))),
        (_, Type::Money) => Some(Value::Money(dice.stepped(200, 4_000, 50))),
        (_, Type::Date) => Some(Value::Date(today + dice.between(2, 40) as i32)),
        (_, Type::Bool) => Some(Value::Bool(dice.percent(50))),
        _ => None,
    }
}

/// Whether a value is of a scalar type.
fn fits(ty: &Type, value: &Value) -> bool {
    matches!(
        (ty, value),
        (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::Money, Value::Money(_))
            | (Type::Date, Value::Date(_))
            | (Type::Enum(_), Value::Enum(_))
            | (Type::Str, Value::Str(_))
    )
}

/// The placeholders of a phrase, in order.
pub fn holes(phrase: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = phrase;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        found.push(&rest[start + 1..start + length]);
        rest = &rest[start + length + 1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        assert_eq!(holes("lend {book_id} to {member_id}"), ["book_id", "member_id"]);
        assert!(holes("close the desk {").is_empty());
    }
}

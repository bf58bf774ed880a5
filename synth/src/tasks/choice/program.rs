//! The constraint program of a choice: its demands over the cells of the rows, as the verifier keeps them.

use crate::tasks::choice::choosing_column;
use crate::tasks::goal::{Choice, Demand, Place, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{Rows, column_id, number, table_id, target};
use crate::vary::data::scalar;
use terrarium_envs::verifier::program::{Candidate, Cell, CellTest, Compare, Constraint, Program};
use terrarium_tools::Suite;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// The value at a place of a row.
pub(super) fn at(rows: Rows<'_>, table: TableId, row: &[Value], place: &Place) -> Verdict<Value> {
    let definition = &rows.suite.tables[table];
    match &place.via {
        None => Ok(row[column_id(definition, &place.column)?].clone()),
        Some(via) => {
            let via = column_id(definition, via)?;
            let Some(to) = target(&definition.columns[via].ty) else { return reject("unknown_name", &place.column) };
            match rows.by_key(to, &row[via]) {
                Some(other) => Ok(other[column_id(&rows.suite.tables[to], &place.column)?].clone()),
                None => Ok(Value::None),
            }
        }
    }
}

fn type_at<'a>(suite: &'a Suite, table: TableId, place: &Place) -> Verdict<&'a Type> {
    let definition = &suite.tables[table];
    match &place.via {
        None => Ok(&definition.columns[column_id(definition, &place.column)?].ty),
        Some(via) => {
            let via = &definition.columns[column_id(definition, via)?];
            let Some(to) = target(&via.ty) else { return reject("unknown_name", &place.column) };
            Ok(&suite.tables[to].columns[column_id(&suite.tables[to], &place.column)?].ty)
        }
    }
}

fn cell(suite: &Suite, ty: &Type, value: &Value) -> Cell {
    match value {
        Value::Int(n) | Value::Money(n) => Cell::Number(*n),
        Value::Date(day) => Cell::Number(i64::from(*day)),
        Value::Enum(case) => match scalar(ty) {
            Type::Enum(e) => Cell::Text(suite.enums[*e].cases.get(*case as usize).cloned().unwrap_or_default()),
            _ => Cell::None,
        },
        Value::Str(text) | Value::Key(text) => Cell::Text(text.clone()),
        _ => Cell::None,
    }
}

/// The constraint program of a choice, by rows; `example` is a right plan, as row positions.
///
/// # Errors
/// `unknown_name`, and `same_name` where rows share what they are called by.
pub fn program(rows: Rows<'_>, choice: &Choice, example: &[usize]) -> Verdict<Program> {
    let suite = rows.suite;
    let table = table_id(suite, &choice.table)?;
    let Some(naming) = choosing_column(&suite.tables[table]) else { return reject("no_choice", &choice.table) };
    let mut places: Vec<Place> = Vec::new();
    for place in choice.demands.iter().map(Demand::place) {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    let types = places.iter().map(|p| type_at(suite, table, p)).collect::<Verdict<Vec<&Type>>>()?;
    let mut candidates = Vec::with_capacity(rows.table(table).len());
    for row in rows.table(table) {
        let cells = places.iter().zip(&types).map(|(p, ty)| Ok(cell(suite, ty, &at(rows, table, row, p)?)));
        let key = match &row[0] {
            Value::Key(key) => key.clone(),
            _ => return reject("unknown_name", "a row without key"),
        };
        let name = match &row[naming] {
            Value::Str(name) => name.clone(),
            Value::Int(n) => n.to_string(),
            _ => return reject("same_name", &choice.table),
        };
        candidates.push(Candidate { key, name, cells: cells.collect::<Verdict<Vec<Cell>>>()? });
    }
    let column = |place: &Place| places.iter().position(|p| p == place).unwrap_or(0);
    let test = |place: &Place, test: &Test| {
        let (compare, value) = match test {
            Test::Is(v) => (Compare::Is, v),
            Test::Below(v) => (Compare::Below, v),
            Test::AtMost(v) => (Compare::AtMost, v),
            Test::Above(v) => (Compare::Above, v),
            Test::AtLeast(v) => (Compare::AtLeast, v),
            Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => {
                return reject("unsayable", "a demand of this form");
            }
        };
        let at = column(place);
        Ok(CellTest { column: at, compare, value: cell(suite, types[at], value) })
    };
    let all: Vec<usize> = (0..choice.slots).collect();
    let constraints = choice.demands.iter().map(|demand| {
        Ok(match demand {
            Demand::Each { slot, place, test: t } => {
                Constraint::Each { slots: slot.map_or_else(|| all.clone(), |s| vec![s]), test: test(place, t)? }
            }
            Demand::Several { least, place, test: t } => Constraint::Several { least: *least, test: test(place, t)? },
            Demand::Differ(place) => Constraint::Differ(column(place)),
            Demand::Same(place) => Constraint::Same(column(place)),
            Demand::Total { place, least, most } => Constraint::Total {
                slots: all.clone(),
                column: column(place),
                least: least.as_ref().and_then(number),
                most: most.as_ref().and_then(number),
            },
            Demand::Rising { low, high, place } => Constraint::Rising { low: *low, high: *high, column: column(place) },
            Demand::Depends { place, threshold, large, small } => {
                let bound = |most: &Value| {
                    let column = column(place);
                    Box::new(Constraint::Total { slots: all[1..].to_vec(), column, least: None, most: number(most) })
                };
                Constraint::Depends {
                    slot: 0,
                    test: test(place, &Test::AtLeast(threshold.clone()))?,
                    then: bound(large),
                    otherwise: bound(small),
                }
            }
        })
    });
    let constraints = constraints.collect::<Verdict<Vec<Constraint>>>()?;
    let columns = places
        .iter()
        .map(|p| p.via.as_ref().map_or_else(|| p.column.clone(), |via| format!("{via}.{}", p.column)))
        .collect();
    Ok(Program { slots: choice.slots, columns, candidates, constraints, example: example.to_vec() })
}

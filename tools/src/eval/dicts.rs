//! Dicts: lists of key-value tuples, each key once, in the order in which the keys came.

use super::ToolError;
use super::values::EvalValue;
use std::sync::Arc;

fn key_value(entry: &EvalValue) -> Result<(&EvalValue, &EvalValue), ToolError> {
    match entry {
        EvalValue::Record(parts) if parts.len() == 2 => Ok((&parts[0], &parts[1])),
        _ => Err(ToolError::fault("an entry that is no pair")),
    }
}

/// The value of a key.
pub(super) fn lookup<'v>(dict: &'v EvalValue, key: &EvalValue) -> Result<Option<&'v EvalValue>, ToolError> {
    for entry in dict.items()?.iter() {
        let (known, value) = key_value(entry)?;
        if known == key {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Give a key a value: in its place, or as a new entry at the end.
pub(super) fn set(dict: &mut EvalValue, key: EvalValue, value: EvalValue) -> Result<(), ToolError> {
    let EvalValue::List(entries) = dict else { return Err(ToolError::fault("not a dict")) };
    let mut found = None;
    for (i, entry) in entries.iter().enumerate() {
        if *key_value(entry)?.0 == key {
            found = Some(i);
        }
    }
    let entry = EvalValue::Record(Arc::new(vec![key, value]));
    let entries = Arc::make_mut(entries);
    match found {
        Some(i) => entries[i] = entry,
        None => entries.push(entry),
    }
    Ok(())
}

/// The dict of key-value tuples.
pub(super) fn of(pairs: &EvalValue) -> Result<EvalValue, ToolError> {
    let mut dict = EvalValue::list(Vec::new());
    for pair in pairs.items()?.iter() {
        let (key, value) = key_value(pair)?;
        set(&mut dict, key.clone(), value.clone())?;
    }
    Ok(dict)
}

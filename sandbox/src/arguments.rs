//! Checks JSON arguments against a tool's parameters before the guest is entered, so that both call paths refuse the same calls with
//! the same words. What passes here lowers without further mistakes.

use crate::program::Export;
use crate::scalar::{parse_date, parse_money};
use crate::types::{ValueType, Variant};
use serde_json::{Map, Value};

/// Longest piece of a wrong value that is repeated in a message, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// Longest name that is compared for likeness, in bytes.
const NEAREST_BYTES_MAX: usize = 64;

/// Checks all arguments.
///
/// # Errors
/// A message for the caller: which field, what was expected, the nearest name.
pub(crate) fn check(export: &Export, arguments: &Value) -> Result<(), String> {
    let Value::Object(given) = arguments else {
        return Err(format!("expected an object with the arguments of {}, found {}", export.name, show(arguments)));
    };
    let names = || export.parameters.iter().map(|(n, _)| n.as_str());
    for name in given.keys() {
        if !names().any(|n| n == name) {
            let free: Vec<&str> = names().filter(|n| !given.contains_key(*n)).collect();
            let known = if export.parameters.is_empty() {
                format!("{} takes no arguments", export.name)
            } else {
                format!("{} takes {}", export.name, names().collect::<Vec<_>>().join(", "))
            };
            return Err(format!("unknown argument \"{}\"{}; {known}", cut(name), did_you_mean(name, &free)));
        }
    }
    for (name, ty) in &export.parameters {
        match given.get(name) {
            Some(value) => value_fits(value, ty).map_err(|m| m.message(name))?,
            None if matches!(ty, ValueType::Option(_)) => {}
            None => return Err(format!("missing argument \"{name}\": expected {}", expected(ty))),
        }
    }
    Ok(())
}

/// Says which tool may have been meant.
pub(crate) fn unknown_tool(name: &str, exports: &[Export]) -> String {
    let names: Vec<&str> = exports.iter().map(|e| e.name.as_str()).collect();
    format!("unknown tool \"{}\"{}", cut(name), did_you_mean(name, &names))
}

/// A value that does not fit: where below the argument, and why.
struct Mismatch {
    /// Innermost last.
    path: Vec<String>,
    why: String,
    /// It is about the kind of value, not about its content.
    of_kind: bool,
}

impl Mismatch {
    fn new(ty: &ValueType, found: &Value) -> Self {
        let why = format!("expected {}, found {}", expected(ty), show(found));
        Mismatch { path: Vec::new(), why, of_kind: true }
    }

    fn why(why: String) -> Self {
        Mismatch { path: Vec::new(), why, of_kind: false }
    }

    fn below(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }

    fn message(self, argument: &str) -> String {
        let mut out = argument.to_owned();
        self.path.iter().rev().for_each(|step| out.push_str(step));
        out + ": " + &self.why
    }
}

fn value_fits(value: &Value, ty: &ValueType) -> Result<(), Mismatch> {
    use ValueType::*;
    let fits = match (ty, value) {
        (Bool, Value::Bool(_)) | (String, Value::String(_)) => true,
        (S8 | U8 | S16 | U16 | S32 | U32 | S64 | U64, Value::Number(n)) => {
            return if !(n.is_i64() || n.is_u64()) {
                Err(Mismatch::new(ty, value))
            } else if in_range(ty, value) {
                Ok(())
            } else {
                Err(Mismatch::why(format!("{n} is outside {}", range(ty))))
            };
        }
        (F32 | F64, Value::Number(n)) => n.as_f64().is_some_and(f64::is_finite),
        (Char, Value::String(s)) => s.chars().count() == 1,
        (Money, Value::String(s)) => parse_money(s).is_some(),
        (Date, Value::String(s)) => parse_date(s).is_some(),
        (Enum(e), Value::String(s)) => {
            return if e.names.contains(s) {
                Ok(())
            } else {
                let names: Vec<&str> = e.names.iter().map(|n| n.as_str()).collect();
                Err(Mismatch::why(format!(
                    "expected {}, found {}{}",
                    expected(ty),
                    show(value),
                    did_you_mean(s, &names)
                )))
            };
        }
        (Flags(f), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                if !item.as_str().is_some_and(|s| f.names.iter().any(|n| n == s)) {
                    let why = format!("expected one of {}, found {}", listed(&f.names), show(item));
                    return Err(Mismatch::why(why).below(format!("[{i}]")));
                }
            }
            true
        }
        (List(inner), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                value_fits(item, inner).map_err(|m| m.below(format!("[{i}]")))?;
            }
            true
        }
        (Tuple(t), Value::Array(items)) => {
            if items.len() != t.fields.len() {
                let why = format!("expected a list of {} values, found {}", t.fields.len(), items.len());
                return Err(Mismatch::why(why));
            }
            for (i, (item, field)) in items.iter().zip(&t.fields).enumerate() {
                value_fits(item, &field.ty).map_err(|m| m.below(format!("[{i}]")))?;
            }
            true
        }
        (Record(r), Value::Object(given)) => {
            let names: Vec<&str> = r.fields.iter().map(|f| f.name.as_str()).collect();
            for name in given.keys() {
                if !names.contains(&name.as_str()) {
                    let free: Vec<&str> = names.iter().copied().filter(|n| !given.contains_key(*n)).collect();
                    let hint = did_you_mean(name, &free);
                    let why =
                        format!("unknown field \"{}\"{hint}; expected fields are {}", cut(name), names.join(", "));
                    return Err(Mismatch::why(why));
                }
            }
            for field in &r.fields {
                match given.get(&field.name) {
                    Some(v) => value_fits(v, &field.ty).map_err(|m| m.below(format!(".{}", field.name)))?,
                    None if matches!(field.ty, Option(_)) => {}
                    None => {
                        let why = format!("missing field \"{}\": expected {}", field.name, expected(&field.ty));
                        return Err(Mismatch::why(why));
                    }
                }
            }
            true
        }
        (Option(_), Value::Null) => true,
        (Option(v), _) => {
            let Some(inner) = v.some() else { return Err(Mismatch::new(ty, value)) };
            if !v.is_boxed_option() {
                // Null would have done too.
                let or_null = |m: Mismatch| if m.of_kind && m.path.is_empty() { Mismatch::new(ty, value) } else { m };
                return value_fits(value, inner).map_err(or_null);
            }
            return match single_field(value) {
                Some(("some", value)) => value_fits(value, inner).map_err(|m| m.below(".some".to_owned())),
                _ => Err(Mismatch::new(ty, value)),
            };
        }
        (Variant(v) | Result(v), _) => return case_fits(value, v, ty),
        _ => false,
    };
    if fits { Ok(()) } else { Err(Mismatch::new(ty, value)) }
}

fn case_fits(value: &Value, variant: &Variant, ty: &ValueType) -> Result<(), Mismatch> {
    let find = |name: &str| variant.cases.iter().find(|c| c.name == name);
    match value {
        Value::String(name) if !matches!(ty, ValueType::Result(_)) => match find(name) {
            Some(case) if case.ty.is_none() => Ok(()),
            Some(case) => {
                let why = format!(
                    "case {name} needs a value: {{\"{name}\": {}}}",
                    case.ty.as_ref().map_or("..", ValueType::noun)
                );
                Err(Mismatch::why(why))
            }
            None => {
                let names: Vec<&str> = variant.cases.iter().map(|c| c.name.as_str()).collect();
                let hint = did_you_mean(name, &names);
                Err(Mismatch::why(format!("expected {}, found {}{hint}", expected(ty), show(value))))
            }
        },
        _ => match single_field(value).and_then(|(name, v)| find(name).map(|c| (c, v))) {
            Some((case, v)) => match &case.ty {
                Some(inner) => value_fits(v, inner).map_err(|m| m.below(format!(".{}", case.name))),
                None if v.is_null() => Ok(()),
                None => Err(Mismatch::why(format!("case {} has no value, found {}", case.name, show(v)))),
            },
            None => Err(Mismatch::new(ty, value)),
        },
    }
}

/// The only field of an object of one field.
pub(crate) fn single_field(value: &Value) -> Option<(&str, &Value)> {
    let mut fields = value.as_object().filter(|o| o.len() == 1)?.iter();
    fields.next().map(|(k, v)| (k.as_str(), v))
}

/// A record's field; absent is null.
pub(crate) fn field_or_null<'v>(given: &'v Map<String, Value>, name: &str) -> &'v Value {
    given.get(name).unwrap_or(&Value::Null)
}

fn in_range(ty: &ValueType, value: &Value) -> bool {
    use ValueType::*;
    let signed = |low: i64, high: i64| value.as_i64().is_some_and(|n| (low..=high).contains(&n));
    match ty {
        S8 => signed(i64::from(i8::MIN), i64::from(i8::MAX)),
        U8 => signed(0, i64::from(u8::MAX)),
        S16 => signed(i64::from(i16::MIN), i64::from(i16::MAX)),
        U16 => signed(0, i64::from(u16::MAX)),
        S32 => signed(i64::from(i32::MIN), i64::from(i32::MAX)),
        U32 => signed(0, i64::from(u32::MAX)),
        S64 => value.is_i64(),
        _ => value.is_u64(),
    }
}

fn range(ty: &ValueType) -> String {
    let (signed, bits) = match ty {
        ValueType::S8 => (true, 8),
        ValueType::U8 => (false, 8),
        ValueType::S16 => (true, 16),
        ValueType::U16 => (false, 16),
        ValueType::S32 => (true, 32),
        ValueType::U32 => (false, 32),
        ValueType::S64 => (true, 64),
        _ => (false, 64),
    };
    let most = if signed { (1_i128 << (bits - 1)) - 1 } else { (1_i128 << bits) - 1 };
    let least = if signed { -(1_i128 << (bits - 1)) } else { 0 };
    format!("{least}..={most}")
}

fn expected(ty: &ValueType) -> String {
    match ty {
        ValueType::Enum(e) => format!("one of {}", listed(&e.names)),
        ValueType::Variant(v) => {
            format!("one of the cases {}", v.cases.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "))
        }
        ValueType::Option(v) if v.is_boxed_option() => "null or {\"some\": value}".to_owned(),
        ValueType::Option(v) => {
            v.some().map_or_else(|| "null".to_owned(), |inner| format!("{} or null", expected(inner)))
        }
        other => other.noun().to_owned(),
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

fn show(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(s) => format!("\"{}\"", cut(s)),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn did_you_mean(name: &str, known: &[&str]) -> String {
    if name.len() > NEAREST_BYTES_MAX {
        return String::new();
    }
    let near = |k: &&str| {
        let distance = strsim::damerau_levenshtein(name, k);
        (distance <= 1 + k.len() / 3 || k.contains(name) || name.contains(*k)).then_some(distance)
    };
    let best = known.iter().filter_map(|k| near(k).map(|d| (d, *k))).min_by_key(|(d, _)| *d);
    best.map_or_else(String::new, |(_, k)| format!(" (did you mean \"{k}\"?)"))
}

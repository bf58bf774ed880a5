//! Values and rows on the host, and the JSON forms they have at a tool's border.

pub use crate::calendar::{date_text, parse_date};
use crate::suite::{KeyStyle, Suite};
use crate::tree::Literal;
use crate::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json};

/// Deepest nesting of lists and records that is read from JSON.
const DEPTH_MAX: u32 = 32;

/// A value of a column or an argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(String),
    /// Cents.
    Money(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Case index of an enumeration.
    Enum(u32),
    /// A row's key.
    Key(String),
    /// A list.
    List(Vec<Value>),
    /// A record's fields, in order.
    Record(Vec<Value>),
}

/// The rows of one table. Row `i` of a fresh world has key number `i + 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRows {
    /// How keys look in this world.
    pub key: KeyStyle,
    /// Rows: one value a column, key first.
    pub rows: Vec<Vec<Value>>,
    /// Number of the next key.
    pub next_key: u32,
}

/// The data of a world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// `today()`, days since 1970-01-01.
    pub today: i32,
    /// One entry a table of the suite, in order.
    pub tables: Vec<TableRows>,
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::None => Value::None,
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Int(n) => Value::Int(*n),
            Literal::Float(x) => Value::Float(*x),
            Literal::Str(text) => Value::Str(text.clone()),
            Literal::Money(cents) => Value::Money(*cents),
            Literal::Date(days) => Value::Date(*days),
            Literal::Enum(_, case) => Value::Enum(*case),
        }
    }
}

/// `12.50`, `-3.00`.
pub fn money_text(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Cents of `12.50`, `12.5`, `12` or `-3.00`; `None` if it is no amount or does not fit 64 bits.
pub fn parse_money(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 2 {
        return None;
    }
    let hundredths = fraction.parse::<i128>().ok()? * if fraction.len() == 1 { 10 } else { 1 };
    let cents = whole.parse::<i128>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
    i64::try_from(if negative { -cents } else { cents }).ok()
}

/// The JSON form of a value at a tool's border. A row (`Type::Row`) is a record of its columns. A value that is not of
/// the type becomes `null`: values come from the checker, the evaluator or [`from_json`], which do not mix types.
pub fn to_json(suite: &Suite, ty: &Type, value: &Value) -> Json {
    match (ty, value) {
        (Type::Bool, Value::Bool(b)) => Json::Bool(*b),
        (Type::Int, Value::Int(n)) => Json::Number((*n).into()),
        (Type::Float, Value::Float(x)) => Number::from_f64(*x).map_or(Json::Null, Json::Number),
        (Type::Str, Value::Str(text)) | (Type::Key(_), Value::Key(text)) => Json::String(text.clone()),
        (Type::Money, Value::Money(cents)) => Json::String(money_text(*cents)),
        (Type::Date, Value::Date(days)) => Json::String(date_text(*days)),
        (Type::Enum(id), Value::Enum(case)) => {
            suite.enums[*id].cases.get(*case as usize).map_or(Json::Null, |name| Json::String(name.clone()))
        }
        (Type::Option(_), Value::None) => Json::Null,
        (Type::Option(inner), value) => to_json(suite, inner, value),
        (Type::List(item), Value::List(items)) => Json::Array(items.iter().map(|v| to_json(suite, item, v)).collect()),
        (Type::Record(id), Value::Record(fields)) => {
            let named = suite.records[*id].fields.iter().map(|(name, ty)| (name, ty));
            object(suite, named, fields)
        }
        (Type::Row(id), Value::Record(fields)) => {
            let named = suite.tables[*id].columns.iter().map(|c| (&c.name, &c.ty));
            object(suite, named, fields)
        }
        _ => Json::Null,
    }
}

fn object<'a>(suite: &Suite, named: impl Iterator<Item = (&'a String, &'a Type)>, fields: &[Value]) -> Json {
    let entries = named.zip(fields).map(|((name, ty), value)| (name.clone(), to_json(suite, ty, value)));
    Json::Object(entries.collect::<Map<_, _>>())
}

/// The value that a JSON form stands for.
///
/// # Errors
/// One sentence that says where and what does not fit.
pub fn from_json(suite: &Suite, ty: &Type, json: &Json) -> Result<Value, String> {
    read(suite, ty, json, 0)
}

fn read(suite: &Suite, ty: &Type, json: &Json, depth: u32) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("values are nested deeper than {DEPTH_MAX}"));
    }
    let wanted = |what: &str| format!("expected {what}, not {}", shortened(json));
    match ty {
        Type::Unit if json.is_null() => Ok(Value::None),
        Type::Unit => Err(wanted("null")),
        Type::Bool => json.as_bool().map(Value::Bool).ok_or_else(|| wanted("true or false")),
        Type::Int => json.as_i64().map(Value::Int).ok_or_else(|| wanted("a 64-bit integer")),
        Type::Float => json.as_f64().map(Value::Float).ok_or_else(|| wanted("a number")),
        Type::Str => json.as_str().map(|s| Value::Str(s.to_owned())).ok_or_else(|| wanted("a string")),
        Type::Key(_) => json.as_str().map(|s| Value::Key(s.to_owned())).ok_or_else(|| wanted("an id as a string")),
        Type::Money => {
            let cents = json.as_str().and_then(parse_money);
            cents.map(Value::Money).ok_or_else(|| wanted("an amount as a string like \"12.50\""))
        }
        Type::Date => {
            let days = json.as_str().and_then(parse_date);
            days.map(Value::Date).ok_or_else(|| wanted("a date as a string like \"2026-03-01\""))
        }
        Type::Enum(id) => {
            let cases = &suite.enums[*id].cases;
            let found = json.as_str().and_then(|name| cases.iter().position(|c| c == name));
            found.map(|case| Value::Enum(case as u32)).ok_or_else(|| wanted(&format!("one of {}", cases.join(", "))))
        }
        Type::Option(_) if json.is_null() => Ok(Value::None),
        Type::Option(inner) => read(suite, inner, json, depth),
        Type::List(item) => {
            let items = json.as_array().ok_or_else(|| wanted("an array"))?;
            let read =
                |(i, json): (usize, &Json)| read(suite, item, json, depth + 1).map_err(|e| format!("[{i}]: {e}"));
            Ok(Value::List(items.iter().enumerate().map(read).collect::<Result<_, _>>()?))
        }
        Type::Tuple(_) | Type::Dict(..) => Err("tuples and dicts do not cross a tool's border".to_owned()),
        Type::Record(id) => {
            let named = suite.records[*id].fields.iter().map(|(name, ty)| (name, ty)).collect();
            fields(suite, named, json, depth)
        }
        Type::Row(id) => {
            let named = suite.tables[*id].columns.iter().map(|c| (&c.name, &c.ty)).collect();
            fields(suite, named, json, depth)
        }
    }
}

fn fields(suite: &Suite, named: Vec<(&String, &Type)>, json: &Json, depth: u32) -> Result<Value, String> {
    let object = json.as_object().ok_or_else(|| format!("expected an object, not {}", shortened(json)))?;
    if let Some(extra) = object.keys().find(|key| !named.iter().any(|(name, _)| name == key)) {
        return Err(format!("there is no field `{extra}`"));
    }
    let mut values = Vec::with_capacity(named.len());
    for (name, ty) in named {
        values.push(match object.get(name) {
            Some(json) => read(suite, ty, json, depth + 1).map_err(|e| format!("{name}: {e}"))?,
            None if matches!(ty, Type::Option(_)) => Value::None,
            None => return Err(format!("the field `{name}` is missing")),
        });
    }
    Ok(Value::Record(values))
}

/// JSON text for a message, at most 60 characters.
fn shortened(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{EnumType, RecordType};
    use crate::types::Span;
    use serde_json::json;

    fn suite() -> Suite {
        let fields = vec![
            ("amount".to_owned(), Type::Money),
            ("day".to_owned(), Type::Date.option()),
            ("tiers".to_owned(), Type::Enum(0).list()),
        ];
        Suite {
            name: "s".into(),
            title: "S".into(),
            domain: "d".into(),
            policy: "p".into(),
            files: vec![],
            parameters: vec![],
            enums: vec![EnumType { name: "tier".into(), cases: vec!["low".into(), "high".into()] }],
            records: vec![RecordType { name: "Line".into(), fields, span: Span::default() }],
            tables: vec![],
            functions: vec![],
            tools: vec![],
        }
    }

    #[test]
    fn money_as_text() {
        let check = |text: &str, cents: Option<i64>| assert_eq!(parse_money(text), cents, "{text}");
        check("12.50", Some(1250));
        check("12.5", Some(1250));
        check("12", Some(1200));
        check("-0.01", Some(-1));
        check("92233720368547758.07", Some(i64::MAX));
        check("-92233720368547758.08", Some(i64::MIN));
        check("92233720368547758.08", None);
        for bad in ["", "-", ".5", "5.", "1.234", "1,000", "$5", "+5", "1e3", " 5", "--5", "5.-1"] {
            check(bad, None);
        }
        for cents in [0, 1, -1, 99, -99, 100, -300, i64::MAX, i64::MIN] {
            assert_eq!(parse_money(&money_text(cents)), Some(cents));
        }
    }

    #[test]
    fn json_there_and_back() {
        let suite = suite();
        let ty = Type::Record(0).list();
        let json = json!([
            {"amount": "-3.00", "day": "2026-03-01", "tiers": ["high", "low"]},
            {"amount": "0.05", "day": null, "tiers": []},
        ]);
        let value = from_json(&suite, &ty, &json).unwrap();
        assert_eq!(to_json(&suite, &ty, &value), json);
        let Value::List(items) = &value else { panic!("a list") };
        assert_eq!(items[1], Value::Record(vec![Value::Money(5), Value::None, Value::List(vec![])]));
        let absent = from_json(&suite, &Type::Record(0), &json!({"amount": "1", "tiers": []})).unwrap();
        assert_eq!(absent, Value::Record(vec![Value::Money(100), Value::None, Value::List(vec![])]));
    }

    #[test]
    fn json_that_does_not_fit() {
        let suite = suite();
        let check = |ty: Type, json: Json, part: &str| {
            let error = from_json(&suite, &ty, &json).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(Type::Int, json!(1.5), "64-bit integer");
        check(Type::Int, json!("1"), "64-bit integer");
        check(Type::Bool, json!(1), "true or false");
        check(Type::Money, json!(12.5), "12.50");
        check(Type::Date, json!("2026-02-30"), "2026-03-01");
        check(Type::Enum(0), json!("Low"), "low, high");
        check(Type::Record(0).list(), json!([{"amount": "1.00", "tiers": ["mid"]}]), "[0]: tiers: [0]: ");
        check(Type::Record(0), json!({"tiers": []}), "`amount` is missing");
        check(Type::Record(0), json!({"amount": "1.00", "tiers": [], "more": 1}), "no field `more`");
        check(Type::Unit, json!(0), "null");
    }
}

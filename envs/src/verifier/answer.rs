//! Compares a submitted answer with the expected one, leaving aside how it is spelled.
//!
//! An answer must be the value and nothing else: sentences around it, units, or a list of candidates are wrong. A list of one
//! element is that element. A refusal is an object with `decision`, `rule` and `evidence`; it is never read from prose.

use super::{Answer, Check};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use terrarium_tools::calendar::{date_text, parse_date};
use terrarium_tools::value::money_text;

/// Digits of the longest number that is read at all.
const NUMBER_BYTES_MAX: usize = 40;

/// The check `answer`.
pub(super) fn check(expected: &Answer, submitted: Option<&Value>) -> Check {
    let submitted = submitted.filter(|v| !v.is_null());
    let passed = submitted.is_some_and(|value| matches(expected, value));
    let detail = match submitted {
        _ if passed => String::new(),
        None => "no answer was submitted".to_owned(),
        Some(value) => match expected {
            Answer::Plan(program) => match program.read(value) {
                None => format!("submitted {value}, which is no list of {} different rows", program.slots),
                Some(plan) => format!("submitted {value}, which breaks constraints {:?}", program.broken(&plan)),
            },
            _ => format!("submitted {value}, expected {}", shown(expected)),
        },
    };
    Check { name: "answer".to_owned(), passed, detail }
}

/// Whether the submitted value is the expected answer.
pub fn matches(expected: &Answer, submitted: &Value) -> bool {
    if let Answer::Texts(texts) = expected {
        return set(submitted).is_some_and(|found| {
            let wanted: BTreeSet<String> = texts.iter().map(|t| text(t)).collect();
            found == wanted
        });
    }
    if let Answer::Plan(program) = expected {
        return program.read(submitted).is_some_and(|plan| program.holds(&plan));
    }
    if let Answer::Each(answers) = expected {
        return listed(submitted).is_some_and(|items| {
            items.len() == answers.len() && answers.iter().zip(&items).all(|(answer, item)| matches(answer, item))
        });
    }
    let value = match submitted {
        Value::Array(items) if items.len() == 1 => &items[0],
        other => other,
    };
    match expected {
        Answer::Integer(wanted) => integer(value) == Some(*wanted),
        Answer::Money(wanted) => cents(value) == Some(*wanted),
        Answer::Date(wanted) => value.as_str().and_then(|s| parse_date(strip(s))) == Some(*wanted),
        Answer::Text(wanted) => scalar_text(value).is_some_and(|found| text(&found) == text(wanted)),
        Answer::Refusal { rule, evidence } => {
            is_refusal(value)
                && value.get("rule").is_some_and(|r| integer(r) == Some(i64::from(*rule)))
                && value.get("evidence").is_some_and(|e| matches(evidence, e))
        }
        Answer::Texts(_) | Answer::Each(_) | Answer::Plan(_) => false,
    }
}

/// Whether what was submitted is a decision to refuse.
pub fn is_refusal(submitted: &Value) -> bool {
    submitted.get("decision").and_then(Value::as_str).is_some_and(|d| text(d) == "refuse")
}

/// The expected answer in the JSON form an agent would submit: what the expert says and reports show.
pub fn shown(expected: &Answer) -> Value {
    match expected {
        Answer::Integer(value) => Value::from(*value),
        Answer::Money(value) => Value::from(money_text(*value)),
        Answer::Date(value) => Value::from(date_text(*value)),
        Answer::Text(value) => Value::from(value.as_str()),
        Answer::Texts(values) => Value::from(values.clone()),
        Answer::Each(answers) => answers.iter().map(shown).collect(),
        Answer::Plan(program) => program.shown(&program.example),
        Answer::Refusal { rule, evidence } => json!({"decision": "refuse", "rule": rule, "evidence": shown(evidence)}),
    }
}

/// A text without case, surrounding or doubled white space, and quotation marks around it.
pub fn text(raw: &str) -> String {
    strip(raw).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn strip(raw: &str) -> &str {
    const QUOTES: [char; 12] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»', '‹', '›'];
    let mut inner = raw.trim();
    // A mark at one end only belongs to the text: `James'`, `5"`.
    while inner.chars().count() > 1 && inner.starts_with(QUOTES) && inner.ends_with(QUOTES) {
        let mut chars = inner.chars();
        chars.next();
        chars.next_back();
        inner = chars.as_str().trim();
    }
    inner
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// The elements of a list, also of one in a text of JSON form.
fn listed(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.clone()),
        Value::String(s) if s.trim_start().starts_with('[') => serde_json::from_str(s).ok(),
        _ => None,
    }
}

/// The elements of an array, each once; a text in JSON array form counts as an array, another text as a set of one.
fn set(value: &Value) -> Option<BTreeSet<String>> {
    let parsed;
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::String(s) if s.trim_start().starts_with('[') => {
            parsed = serde_json::from_str::<Vec<Value>>(s).ok()?;
            parsed.as_slice()
        }
        other => std::slice::from_ref(other),
    };
    let mut found = BTreeSet::new();
    for item in items {
        if !found.insert(text(&scalar_text(item)?)) {
            return None;
        }
    }
    Some(found)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64().or_else(|| {
            let float = n.as_f64()?;
            // 2^53: beyond it a float no longer names one integer.
            (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
        }),
        Value::String(s) => {
            let (whole, fraction) = decimal(strip(s))?;
            fraction.bytes().all(|b| b == b'0').then_some(whole)?.parse().ok()
        }
        _ => None,
    }
}

fn cents(value: &Value) -> Option<i64> {
    match value {
        // The shortest decimal form of a float is what was written: `12.5`, `0.1`.
        Value::Number(n) => decimal_cents(&n.to_string()),
        Value::String(s) => {
            let s = strip(s);
            let (sign, rest) = s.strip_prefix('-').map_or(("", s), |rest| ("-", rest.trim_start()));
            let rest = ["$", "€", "£"].iter().find_map(|c| rest.strip_prefix(c)).unwrap_or(rest).trim_start();
            let (sign, rest) = match rest.strip_prefix('-') {
                Some(rest) if sign.is_empty() => ("-", rest),
                _ => (sign, rest),
            };
            decimal_cents(&format!("{sign}{rest}"))
        }
        _ => None,
    }
}

fn decimal_cents(s: &str) -> Option<i64> {
    let (whole, fraction) = decimal(s)?;
    let (kept, dropped) = fraction.split_at(fraction.len().min(2));
    if dropped.bytes().any(|b| b != b'0') {
        return None;
    }
    format!("{whole}{kept:0<2}").parse().ok()
}

/// Sign and whole digits without thousands separators, and fraction digits, of a plain decimal number.
fn decimal(s: &str) -> Option<(String, &str)> {
    if s.len() > NUMBER_BYTES_MAX {
        return None;
    }
    let unsigned = s.strip_prefix(['-', '+']).unwrap_or(s);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let mut joined = String::from(if s.starts_with('-') { "-" } else { "" });
    let grouped = whole.contains(',');
    if !digits(first) || (grouped && first.len() > 3) || !digits(fraction) {
        return None;
    }
    joined.push_str(first);
    for group in groups {
        if group.len() != 3 || !digits(group) {
            return None;
        }
        joined.push_str(group);
    }
    Some((joined, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &Answer, right: &[Value], wrong: &[Value]) {
        for value in right {
            assert!(matches(expected, value), "{value} should be {expected:?}");
        }
        for value in wrong {
            assert!(!matches(expected, value), "{value} should not be {expected:?}");
        }
    }

    #[test]
    fn integers() {
        check(
            &Answer::Integer(7),
            &[json!(7), json!("7"), json!(7.0), json!(" 7 "), json!("\"7\""), json!("+7"), json!("7.00"), json!([7])],
            &[
                json!(8),
                json!("7 books"),
                json!("seven"),
                json!(7.5),
                json!([7, 8]),
                json!(null),
                json!({}),
                json!(true),
                json!(""),
            ],
        );
        check(
            &Answer::Integer(-1200),
            &[json!("-1,200"), json!(-1200)],
            &[json!("-12,00"), json!("1200"), json!("-1,2000")],
        );
        check(
            &Answer::Integer(i64::MAX),
            &[json!(i64::MAX), json!(i64::MAX.to_string())],
            &[json!(9.3e18), json!(1e300)],
        );
    }

    #[test]
    fn money() {
        check(
            &Answer::Money(1250),
            &[
                json!("12.50"),
                json!(12.5),
                json!("$12.50"),
                json!("$ 12.5"),
                json!("12.500"),
                json!("€12.50"),
                json!(["12.50"]),
            ],
            &[
                json!("12.51"),
                json!(1250),
                json!("12.505"),
                json!("12,50"),
                json!("-12.50"),
                json!("$$12.50"),
                json!("12.50 or 13"),
            ],
        );
        check(
            &Answer::Money(-300),
            &[json!("-3.00"), json!("-$3.00"), json!("$-3"), json!(-3), json!(-3.0)],
            &[json!("--3"), json!("-$-3"), json!("3")],
        );
        check(&Answer::Money(123_456_700), &[json!("1,234,567.00"), json!(1234567)], &[json!("1,23,4567.00")]);
        check(&Answer::Money(-5), &[json!("-0.05"), json!(-0.05)], &[json!("0.05"), json!("-.05")]);
    }

    #[test]
    fn dates() {
        check(
            &Answer::Date(20_513),
            &[json!("2026-03-01"), json!(" 2026-03-01 ")],
            &[
                json!("2026-3-1"),
                json!("01.03.2026"),
                json!("March 1"),
                json!(20_513),
                json!("2026-03-02"),
                json!("2026-02-29"),
            ],
        );
    }

    #[test]
    fn texts() {
        check(
            &Answer::Text("The Silent River".to_owned()),
            &[
                json!("the  silent river"),
                json!("“The Silent River”"),
                json!(" 'The Silent\tRiver' "),
                json!(["THE SILENT RIVER"]),
            ],
            &[
                json!("The Silent Rivers"),
                json!(["The Silent River", "A Broken Clock"]),
                json!("The Silent River, A Broken Clock"),
                json!("It is The Silent River"),
                json!(""),
                json!([]),
            ],
        );
        check(&Answer::Text("James'".to_owned()), &[json!("James'")], &[json!("James")]);
        check(&Answer::Text("42".to_owned()), &[json!(42)], &[json!(43)]);
        check(&Answer::Text("\"".to_owned()), &[json!("\"")], &[json!("")]);
    }

    #[test]
    fn sets() {
        let wanted = Answer::Texts(vec!["Ann Lee".to_owned(), "Bo Day".to_owned()]);
        check(
            &wanted,
            &[json!(["Bo Day", "ann lee"]), json!("[\"Ann Lee\", \"Bo Day\"]")],
            &[
                json!(["Ann Lee"]),
                json!(["Ann Lee", "Bo Day", "Cy Orr"]),
                json!(["Ann Lee", "Bo Day", "Bo Day"]),
                json!("Ann Lee, Bo Day"),
                json!([["Ann Lee", "Bo Day"]]),
                json!("[oops"),
                json!(null),
            ],
        );
        check(&Answer::Texts(vec!["Ann Lee".to_owned()]), &[json!("Ann Lee"), json!(["Ann Lee"])], &[json!([])]);
    }

    #[test]
    fn refusals() {
        let wanted = Answer::Refusal { rule: 2, evidence: Box::new(Answer::Money(1250)) };
        let refuse = |rule: Value, evidence: Value| json!({"decision": "refuse", "rule": rule, "evidence": evidence});
        check(
            &wanted,
            &[refuse(json!(2), json!("12.50")), refuse(json!("2"), json!(12.5))],
            &[
                refuse(json!(3), json!("12.50")),
                refuse(json!(2), json!("12.51")),
                json!({"decision": "refuse"}),
                json!({"decision": "refuse", "rule": 2}),
                json!({"rule": 2, "evidence": "12.50"}),
                json!({"decision": "accept", "rule": 2, "evidence": "12.50"}),
                json!("refuse"),
                json!("12.50"),
            ],
        );
        let records = Answer::Texts(vec!["L-1".to_owned(), "L-2".to_owned()]);
        let wanted = Answer::Refusal { rule: 1, evidence: Box::new(records) };
        check(&wanted, &[refuse(json!(1), json!(["L-2", "L-1"]))], &[refuse(json!(1), json!("L-1"))]);
        assert!(!is_refusal(&json!(["refuse"])) && is_refusal(&json!({"decision": "Refuse"})));
    }

    #[test]
    fn several_answers() {
        let wanted = Answer::Each(vec![Answer::Integer(7), Answer::Text("Ann Lee".to_owned())]);
        check(
            &wanted,
            &[json!([7, "ann lee"]), json!(["7", "Ann Lee"]), json!("[7, \"Ann Lee\"]")],
            &[json!(["Ann Lee", 7]), json!([7]), json!([7, "Ann Lee", 1]), json!(7), json!("7, Ann Lee"), json!([])],
        );
    }

    #[test]
    fn what_is_shown_is_right() {
        for answer in [
            Answer::Integer(-4),
            Answer::Money(-5),
            Answer::Money(120_000),
            Answer::Date(20_000),
            Answer::Text("A b".to_owned()),
            Answer::Texts(vec!["x".to_owned(), "y".to_owned()]),
            Answer::Refusal { rule: 4, evidence: Box::new(Answer::Texts(vec!["x".to_owned(), "y".to_owned()])) },
        ] {
            assert!(matches(&answer, &shown(&answer)), "{answer:?}");
        }
    }
}

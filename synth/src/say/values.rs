//! Values as people write them: `$12.50`, `3 March 2026`, `on hold`.

use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::Source;
use terrarium_tools::types::Type;
use terrarium_tools::value::Value;
use terrarium_tools::{Suite, calendar};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// An amount: `$12.50`, `-$3.00`.
pub fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}${}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// A date: `3 March 2026`.
pub fn date(day: i32) -> String {
    match calendar::civil(day) {
        Some(civil) => format!("{} {} {}", civil.day, MONTHS[civil.month as usize - 1], civil.year),
        None => day.to_string(),
    }
}

/// A value of a type, without quotation marks.
pub fn plain(suite: &Suite, ty: &Type, value: &Value) -> String {
    match value {
        Value::None => "nothing".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Str(text) | Value::Key(text) => text.clone(),
        Value::Money(cents) => money(*cents),
        Value::Date(day) => date(*day),
        Value::Enum(case) => match scalar(ty) {
            Type::Enum(e) => suite.enums[*e].cases.get(*case as usize).map(|c| c.replace('_', " ")).unwrap_or_default(),
            _ => case.to_string(),
        },
        Value::List(items) => {
            let inner = match scalar(ty) {
                Type::List(inner) => inner,
                other => other,
            };
            let items: Vec<String> = items.iter().map(|i| plain(suite, inner, i)).collect();
            enumerate(&items, "and")
        }
        Value::Record(_) => String::new(),
    }
}

/// A value as it stands in a sentence: free texts in quotation marks, names and numbers without.
pub fn quoted(suite: &Suite, ty: &Type, source: Option<&Source>, value: &Value) -> String {
    let text = plain(suite, ty, value);
    let free = matches!(value, Value::Str(_))
        && !matches!(
            source.map(inner),
            Some(
                Source::PersonName
                    | Source::CompanyName
                    | Source::Phone
                    | Source::Email { .. }
                    | Source::City
                    | Source::StreetAddress
            )
        );
    if free { format!("“{text}”") } else { text }
}

/// `a, b and c`.
pub fn enumerate(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} {word} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_dates() {
        assert_eq!(money(1_250), "$12.50");
        assert_eq!(money(-305), "-$3.05");
        assert_eq!(date(0), "1 January 1970");
        assert_eq!(date(20_513), "1 March 2026");
        assert_eq!(date(20_512), "28 February 2026");
        assert_eq!(date(19_782), "29 February 2024");
        assert_eq!(date(-1), "31 December 1969");
    }

    #[test]
    fn lists() {
        let list = |items: &[&str]| enumerate(&items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>(), "and");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}

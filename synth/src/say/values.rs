//! Values as people write them: `$12.50`, `3 March 2026`, `on hold`.

use crate::say::grammar::capital;
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

/// An amount: `$12.50`, `-$3.00`, `$20,000.00`.
pub fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let digits = (cents.unsigned_abs() / 100).to_string();
    let mut whole = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            whole.push(',');
        }
        whole.push(digit);
    }
    format!("{sign}${whole}.{:02}", cents.unsigned_abs() % 100)
}

/// Names of people's languages, countries and days among the cases of enumerations: they are written with a capital letter.
const PROPER: [&str; 46] = [
    "english",
    "german",
    "spanish",
    "french",
    "arabic",
    "somali",
    "tamil",
    "hindi",
    "italian",
    "portuguese",
    "dutch",
    "russian",
    "chinese",
    "japanese",
    "poland",
    "nigeria",
    "japan",
    "france",
    "canada",
    "brazil",
    "norway",
    "hungary",
    "italy",
    "austria",
    "chile",
    "england",
    "germany",
    "spain",
    "india",
    "europe",
    "asia",
    "africa",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "catholic",
    "protestant",
    "holstein",
    "simmental",
    "roman",
    "easter",
    "chardonnay",
];

/// The same, where they have another meaning unless a proper name stands beside them.
const PROPER_IN_COMPANY: [&str; 5] = ["polish", "jersey", "turkish", "merlot", "riesling"];

/// Words of cases that are written in another way.
const SPELLED: [(&str, &str); 17] = [
    ("a1", "A1"),
    ("a2", "A2"),
    ("b1", "B1"),
    ("b2", "B2"),
    ("c1", "C1"),
    ("c2", "C2"),
    ("dns", "DNS"),
    ("dna", "DNA"),
    ("iron_age", "Iron Age"),
    ("group_o", "group O"),
    ("group_a", "group A"),
    ("group_b", "group B"),
    ("group_ab", "group AB"),
    ("x_band", "X band"),
    ("s_band", "S band"),
    ("ka_band", "Ka band"),
    ("north_america", "North America"),
];

/// A case of an enumeration as people write it; `cases` are all of them.
fn case_word(case: &str, cases: &[String]) -> String {
    if let Some((_, spelled)) = SPELLED.iter().find(|(c, _)| *c == case) {
        return (*spelled).to_owned();
    }
    let in_company = || PROPER_IN_COMPANY.contains(&case) && cases.iter().any(|c| PROPER.contains(&c.as_str()));
    if PROPER.contains(&case) || in_company() { capital(case) } else { case.replace('_', " ") }
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
            Type::Enum(e) => {
                let cases = &suite.enums[*e].cases;
                cases.get(*case as usize).map(|c| case_word(c, cases)).unwrap_or_default()
            }
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

/// Words of a choice that need no quotation marks.
const PLAIN_WORDS_MAX: usize = 3;

/// A value as it stands in a sentence: free texts and titles in quotation marks, names, numbers and single words without.
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
                    | Source::Derived { .. }
            )
        );
    let choice = matches!(source.map(inner), Some(Source::Choice { .. }));
    let free = free && !(choice && text.split(' ').count() <= PLAIN_WORDS_MAX);
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
        assert_eq!(money(99_999), "$999.99");
        assert_eq!(money(2_000_000), "$20,000.00");
        assert_eq!(money(123_456_700), "$1,234,567.00");
        assert_eq!(date(0), "1 January 1970");
        assert_eq!(date(20_513), "1 March 2026");
        assert_eq!(date(20_512), "28 February 2026");
        assert_eq!(date(19_782), "29 February 2024");
        assert_eq!(date(-1), "31 December 1969");
    }

    #[test]
    fn proper_names_have_capitals() {
        let cases = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(case_word("spanish", &[]), "Spanish");
        assert_eq!(case_word("a2", &[]), "A2");
        assert_eq!(case_word("polish", &cases(&["polish", "english"])), "Polish");
        assert_eq!(case_word("polish", &cases(&["polish", "dirt"])), "polish");
        assert_eq!(case_word("on_hold", &[]), "on hold");
    }

    #[test]
    fn choices_need_no_quotation_marks() {
        let suite = &crate::library::parsed().expect("the library checks")[0].suite;
        let said = |source: &Source, text: &str| quoted(suite, &Type::Str, Some(source), &Value::Str(text.to_owned()));
        let choice = Source::Choice { values: Vec::new() };
        assert_eq!(said(&choice, "Room Maple"), "Room Maple");
        assert_eq!(said(&choice, "the lamp flickers when it rains"), "“the lamp flickers when it rains”");
        assert_eq!(said(&Source::Phrase { parts: Vec::new() }, "The Last Clock"), "“The Last Clock”");
    }

    #[test]
    fn lists() {
        let list = |items: &[&str]| enumerate(&items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>(), "and");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}

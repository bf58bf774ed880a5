//! Comparisons in words: `due before 3 March 2026`, `with fewer than 3 copies`, `of level 2 or higher`, `whose price is at least $4.00`.

use crate::say::grammar::{be, ends_noun, fill, is_measured};
use crate::say::phrase::Speaker;
use crate::tasks::columns::is_year;
use crate::vary::data::scalar;
use terrarium_tools::suite::Column;
use terrarium_tools::types::Type;
use terrarium_tools::value::Value;

/// How a relation is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// Words of a phrase that set a limit themselves, so that a comparison in it would say something else: `over at least 400 metres`.
const LIMITING: [&str; 14] = [
    "over", "under", "within", "most", "least", "than", "to", "from", "until", "since", "above", "below", "between",
    "beyond",
];

/// Words before a number after which `at least` reads well: `of at least 4`, `worth at least $4.00`.
const BEFORE_NUMBER: [&str; 11] = ["of", "with", "for", "is", "are", "worth", "costs", "cost", "owes", "owing", "has"];

/// A comparison after `whose price is`: `at least $4.00`, `after 3 March 2026`, `1950 or later`.
pub(super) fn compared(column: &Column, relation: Relation, text: &str) -> String {
    match relation {
        Relation::AtMost if is_year(column) => format!("{text} or earlier"),
        Relation::AtLeast if is_year(column) => format!("{text} or later"),
        _ => {
            let in_time = *scalar(&column.ty) == Type::Date || is_year(column);
            format!("{} {text}", relation_word(in_time, relation))
        }
    }
}

/// The word for a relation.
fn relation_word(is_date: bool, relation: Relation) -> &'static str {
    match (is_date, relation) {
        (true, Relation::Below) => "before",
        (true, Relation::AtMost) => "on or before",
        (true, Relation::Above) => "after",
        (true, Relation::AtLeast) => "on or after",
        (false, Relation::Below) => "below",
        (false, Relation::AtMost) => "at most",
        (false, Relation::Above) => "above",
        (false, Relation::AtLeast) => "at least",
    }
}

/// A comparison in the column's own phrase, where that takes one.
fn in_phrase(column: &Column, relation: Relation, text: &str) -> Option<String> {
    let says = column.says.as_str();
    let (before, after) = says.split_once("{}")?;
    let put = |before: &str, said: String| Some(format!("{before}{said}{after}"));
    if *scalar(&column.ty) == Type::Date {
        let before = before.strip_suffix("on ").filter(|b| b.is_empty() || b.ends_with(' '))?;
        return put(before, format!("{} {text}", relation_word(true, relation)));
    }
    let words: Vec<&str> = before.split_whitespace().collect();
    if words.iter().any(|w| LIMITING.contains(w)) {
        return None;
    }
    if is_year(column) {
        let before = before.strip_suffix("in ").filter(|b| b.is_empty() || b.ends_with(' '))?;
        return put(
            before,
            match relation {
                Relation::Below => format!("before {text}"),
                Relation::AtMost => format!("in {text} or earlier"),
                Relation::Above => format!("after {text}"),
                Relation::AtLeast => format!("in {text} or later"),
            },
        );
    }
    let noun = after.split_whitespace().next().filter(|w| !ends_noun(w));
    let last = words.last().copied().unwrap_or_default();
    // `priced at $4.00 or more`, for `at at least` is no English.
    if last == "at" {
        return match relation {
            _ if noun.is_some() => None,
            Relation::Below => put(before, format!("less than {text}")),
            Relation::AtMost => put(before, format!("{text} or less")),
            Relation::Above => put(before, format!("more than {text}")),
            Relation::AtLeast => put(before, format!("{text} or more")),
        };
    }
    let verb = words.len() > 1 && ["that", "who", "which"].contains(&words[words.len() - 2]);
    let takes_number = noun.is_some()
        || verb
        || words.is_empty()
        || BEFORE_NUMBER.contains(&last)
        || last.ends_with("ed")
        || last.ends_with("ing");
    if !takes_number {
        // `of level 2 or higher`: the number names a step of a scale.
        return match (scalar(&column.ty), relation) {
            (Type::Int, Relation::AtLeast) => put(before, format!("{text} or higher")),
            (Type::Int, Relation::AtMost) => put(before, format!("{text} or lower")),
            _ => None,
        };
    }
    let counted = match noun {
        Some(_) => !is_measured(after),
        None => column.label.starts_with("number "),
    };
    let word = match relation {
        Relation::Below if *scalar(&column.ty) == Type::Int && counted => "fewer than",
        Relation::Below => "less than",
        Relation::AtMost => "at most",
        Relation::Above => "more than",
        Relation::AtLeast => "at least",
    };
    Some(fill(says, &format!("{word} {text}")))
}

impl Speaker<'_> {
    /// That a column lies on one side of a value.
    pub(super) fn relation(&self, column: &Column, relation: Relation, value: &Value) -> String {
        let text = self.value(column, value);
        in_phrase(column, relation, &text).unwrap_or_else(|| {
            format!("whose {} {} {}", column.label, be(&column.label), compared(column, relation, &text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::columns::tests::column;
    use terrarium_tools::suite::Source;

    fn said(ty: Type, label: &str, says: &str, relation: Relation, text: &str) -> String {
        let source = match ty {
            Type::Int if label.starts_with("year") => Source::Integer { low: 1_900, high: 2_000, step: 1 },
            Type::Int => Source::Integer { low: 0, high: 100, step: 1 },
            Type::Money => Source::Money { low: 0, high: 100, step: 1 },
            _ => Source::Date { from_days: 0, to_days: 9 },
        };
        in_phrase(&column(ty, source, label, says), relation, text).unwrap_or_default()
    }

    #[test]
    fn amounts_are_less_and_things_are_fewer() {
        let below = |label: &str, says: &str| said(Type::Int, label, says, Relation::Below, "7");
        assert_eq!(below("number of copies", "with {} copies on the shelf"), "with fewer than 7 copies on the shelf");
        assert_eq!(below("number in stock", "with {} in stock"), "with fewer than 7 in stock");
        assert_eq!(below("weight in kilograms", "weighing {} kilograms"), "weighing less than 7 kilograms");
        assert_eq!(below("area in square metres", "of {} square metres"), "of less than 7 square metres");
        assert_eq!(below("quantity", "with a quantity of {}"), "with a quantity of less than 7");
        assert_eq!(below("age", "aged {}"), "aged less than 7");
        assert_eq!(below("age", "who is {} years old"), "who is less than 7 years old");
        assert_eq!(said(Type::Money, "cost", "that costs {}", Relation::Below, "$7.00"), "that costs less than $7.00");
    }

    #[test]
    fn steps_of_a_scale_are_higher_and_lower() {
        assert_eq!(said(Type::Int, "level", "of level {}", Relation::AtLeast, "2"), "of level 2 or higher");
        assert_eq!(said(Type::Int, "grade", "in grade {}", Relation::AtMost, "7"), "in grade 7 or lower");
        assert_eq!(said(Type::Int, "grade", "with the grade {}", Relation::Below, "7"), "");
    }

    #[test]
    fn limits_are_not_compared() {
        let none = |says: &str| assert_eq!(said(Type::Int, "length in metres", says, Relation::AtLeast, "7"), "");
        none("over {} metres");
        none("delivering within {} days");
        none("with at most {} points in each part");
        none("licensed up to level {}");
        none("listed at {} points");
    }

    #[test]
    fn days_years_and_prices() {
        assert_eq!(said(Type::Date, "due date", "due on {}", Relation::AtMost, "3 May"), "due on or before 3 May");
        assert_eq!(said(Type::Date, "last day", "valid until {}", Relation::Below, "3 May"), "");
        assert_eq!(said(Type::Int, "year of birth", "born in {}", Relation::AtLeast, "1950"), "born in 1950 or later");
        assert_eq!(said(Type::Money, "price", "priced at {}", Relation::AtLeast, "$4.00"), "priced at $4.00 or more");
        let year = column(Type::Int, Source::Integer { low: 1_900, high: 2_000, step: 1 }, "year of birth", "");
        assert_eq!(compared(&year, Relation::Above, "1950"), "after 1950");
        assert_eq!(compared(&year, Relation::AtMost, "1950"), "1950 or earlier");
    }
}

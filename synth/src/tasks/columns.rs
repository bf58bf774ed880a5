//! What columns mean to people: which of them name rows, which are amounts that may be compared or added up, and which numbers only
//! tell things apart.

use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Column, Source, Table};
use terrarium_tools::types::Type;

/// Words in labels of integer columns that may be added up.
const ADDITIVE: [&str; 23] = [
    "amount",
    "total",
    "quantity",
    "copies",
    "seats",
    "hours",
    "minutes",
    "stock",
    "units",
    "points",
    "nights",
    "guests",
    "weight",
    "distance",
    "days",
    "servings",
    "pages",
    "kilograms",
    "tickets",
    "doses",
    "credits",
    "litres",
    "pieces",
];

/// Words in labels of amounts of money that mean nothing when added up: prices of one piece, rates, bounds.
const NOT_ADDITIVE: [&str; 18] = [
    "price",
    "rate",
    "limit",
    "threshold",
    "minimum",
    "maximum",
    "unit",
    "hourly",
    "daily",
    "nightly",
    "base",
    "list",
    "usual",
    "smallest",
    "highest",
    "lowest",
    "fare",
    "day",
];

/// Words that make a price one of a whole deal, which can be added up.
const WHOLE: [&str; 5] = ["total", "agreed", "quoted", "paid", "booking"];

/// Last words of labels whose numbers only tell things apart.
const IDENTIFYING: [&str; 7] = ["number", "code", "barcode", "pseudonym", "tag", "id", "position"];

/// The column by which people name a row, if a name alone tells it: text, unique, and all of what the table is called by.
pub fn naming_column(table: &Table) -> Option<usize> {
    let names = called_columns(table);
    match names.as_slice() {
        [column] if table.columns[*column].ty == Type::Str && names_things(&table.columns[*column].source) => {
            Some(*column)
        }
        _ => None,
    }
}

fn names_things(source: &Source) -> bool {
    matches!(
        source,
        Source::PersonName
            | Source::CompanyName
            | Source::Phrase { .. }
            | Source::Choice { .. }
            | Source::City
            | Source::StreetAddress
    )
}

/// The columns in a table's `called`, in order.
pub fn called_columns(table: &Table) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut rest = table.called.as_str();
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 1..start + length];
        if let Some(column) = table.columns.iter().position(|c| c.name == name) {
            columns.push(column);
        }
        rest = &rest[start + length + 1..];
    }
    columns
}

/// Whether values of a type are numbers, amounts or dates, which have an order.
pub fn is_ordered(ty: &Type) -> bool {
    matches!(scalar(ty), Type::Int | Type::Money | Type::Date)
}

/// Whether the numbers of a column only tell things apart (flight numbers, barcodes): more or less of them means nothing.
pub fn is_identifier(column: &Column) -> bool {
    if *scalar(&column.ty) != Type::Int {
        return false;
    }
    let words: Vec<&str> = column.label.split(' ').collect();
    column.unique
        || words.last().is_some_and(|last| IDENTIFYING.contains(last))
        || (words.first() == Some(&"number") && words.get(1) == Some(&"in") && words.get(2) == Some(&"line"))
}

/// Whether conditions may compare values of a column: amounts, numbers and dates, but not mere identifiers.
pub fn is_comparable(column: &Column) -> bool {
    is_ordered(&column.ty) && !is_identifier(column)
}

/// Whether an integer column holds years: `year of publication`, not `years of service` or `kilograms picked this year`.
pub fn is_year(column: &Column) -> bool {
    let named = column.label.split(' ').any(|word| word == "year");
    match inner(&column.source) {
        Source::Integer { low, .. } => named && *low >= 1_000,
        Source::Derived { .. } => *scalar(&column.ty) == Type::Int && column.label.starts_with("year "),
        _ => false,
    }
}

/// Whether values of a column can be added up and the sum means something.
pub fn is_additive(column: &Column) -> bool {
    let label = column.label.as_str();
    let words: Vec<&str> = label.split([' ', '-']).collect();
    let for_one = [" per ", " a ", " an ", " each "].iter().any(|w| label.contains(w));
    match scalar(&column.ty) {
        Type::Money => {
            !for_one && (words.iter().any(|w| WHOLE.contains(w)) || !words.iter().any(|w| NOT_ADDITIVE.contains(w)))
        }
        Type::Int => !for_one && !is_identifier(column) && words.iter().any(|w| ADDITIVE.contains(w)),
        _ => false,
    }
}

/// What values of a column are multiples of: cents of money, whole numbers, days.
pub fn step(column: &Column) -> i64 {
    match inner(&column.source) {
        Source::Integer { step, .. } | Source::Money { step, .. } => (*step).max(1),
        _ => 1,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A column as a suite may declare it.
    pub(crate) fn column(ty: Type, source: Source, label: &str, says: &str) -> Column {
        let (label, says) = (label.to_owned(), says.to_owned());
        let span = terrarium_tools::types::Span::default();
        Column { name: "c".to_owned(), ty, label, says, case_says: Vec::new(), source, unique: false, span }
    }

    fn int(label: &str) -> Column {
        column(Type::Int, Source::Integer { low: 0, high: 50, step: 1 }, label, "")
    }

    fn money(label: &str) -> Column {
        column(Type::Money, Source::Money { low: 0, high: 5_000, step: 50 }, label, "")
    }

    #[test]
    fn identifiers_are_not_compared() {
        for label in ["flight number", "number", "barcode", "pseudonym", "number in line", "slot position"] {
            assert!(!is_comparable(&int(label)), "{label}");
        }
        for label in ["number of seats", "number in stock", "age", "weight in kilograms", "care level"] {
            assert!(is_comparable(&int(label)), "{label}");
        }
        assert!(!is_comparable(&Column { unique: true, ..int("age") }), "a unique number is a name");
    }

    #[test]
    fn years_are_not_spans_of_years() {
        let year = |label: &str, low: i64| {
            is_year(&column(Type::Int, Source::Integer { low, high: low + 60, step: 1 }, label, ""))
        };
        assert!(year("year of publication", 1_950));
        assert!(year("model year", 1_990));
        assert!(!year("years of experience", 0));
        assert!(!year("kilograms picked this year", 0));
        assert!(!is_year(&money("price per year")));
    }

    #[test]
    fn prices_of_a_piece_make_no_sum() {
        for label in ["price", "unit price", "daily rate", "price per hour", "price of a dose", "approval limit"] {
            assert!(!is_additive(&money(label)), "{label}");
        }
        for label in ["amount owed", "total price", "agreed price", "monthly rent", "unpaid fines", "cost"] {
            assert!(is_additive(&money(label)), "{label}");
        }
        assert!(is_additive(&int("number of seats")));
        assert!(!is_additive(&int("grade")));
    }
}

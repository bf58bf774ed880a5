//! Bounds that people would name: round, and such that they say something (`at least 0` says nothing, `more than 0` is `at least 1`).

use crate::seed::Dice;
use crate::tasks::goal::Test;
use crate::vary::data::inner;
use terrarium_tools::suite::{Column, Source};
use terrarium_tools::value::Value;

/// What bounds near a number are multiples of.
fn grain(n: i64) -> i64 {
    let mut step = 1;
    while n.abs() / step >= 100 {
        step *= 10;
    }
    step
}

/// The least bound that people would name and that is greater than a number.
pub fn next_above(n: i64) -> i64 {
    let step = grain(n);
    (n.div_euclid(step) + 1) * step
}

/// The numbers around one that people would name as a bound: itself below 100, else with two digits that count. The greater one is
/// not below it, the lesser one not above it; where it has no more digits they are the number itself.
pub fn rounded(n: i64) -> (i64, i64) {
    let step = grain(n);
    let low = n.div_euclid(step) * step;
    (low, if low == n { n } else { low + step })
}

/// What bounds of an amount are multiples of, in cents.
fn money_grain(cents: i64) -> i64 {
    if cents.abs() >= 5_000 { 1_000 } else { 100 }
}

/// The amounts around one that people would name as a bound: not above it, not below it.
pub fn rounded_money(cents: i64) -> (i64, i64) {
    let round = money_grain(cents);
    let low = cents.div_euclid(round) * round;
    (low, if low == cents { cents } else { low + round })
}

/// The least amount that people would name and that is greater than an amount.
pub fn next_amount(cents: i64) -> i64 {
    let round = money_grain(cents);
    (cents.div_euclid(round) + 1) * round
}

/// Whether a test of a number or an amount says something that people would say: no bound at 0 or below, none at or beyond the ends of
/// what the column may hold at the beginning (`level 1 or lower`, or `level 1 or higher`, where 1 is the lowest).
pub fn is_worth_saying(column: &Column, test: &Test) -> bool {
    let (least, most) = match inner(&column.source) {
        Source::Integer { low, high, .. } | Source::Money { low, high, .. } => (*low, *high),
        _ => (i64::MIN, i64::MAX),
    };
    match test {
        Test::Below(Value::Int(n)) => *n > 1 && *n > least.saturating_add(1) && *n <= most,
        Test::Below(Value::Money(n)) => *n > 0 && *n > least,
        Test::AtMost(Value::Int(n) | Value::Money(n)) => *n > 0 && *n > least && *n < most,
        Test::Above(Value::Int(n)) => *n > 0 && *n >= least && *n < most.saturating_sub(1),
        Test::Above(Value::Money(n)) => *n > 0 && *n >= least,
        Test::AtLeast(Value::Int(n) | Value::Money(n)) => *n > 0 && *n > least && *n < most,
        _ => true,
    }
}

/// A bound that a value keeps, or the value itself; `None` for values without an order, and where no bound is worth saying.
pub fn around(column: &Column, value: &Value, dice: &mut Dice) -> Option<Test> {
    let test = match value {
        Value::Int(n) => {
            let (low, high) = rounded(*n);
            match dice.below(4) {
                0 if low == high => Test::Is(value.clone()),
                0 | 1 => Test::AtLeast(Value::Int(low)),
                2 => Test::AtMost(Value::Int(high)),
                _ if low == high && *n >= 100 => Test::AtLeast(Value::Int(*n)),
                _ => Test::Above(Value::Int(if low == high { n - 1 } else { low })),
            }
        }
        Value::Money(cents) => match dice.below(3) {
            0 => Test::Above(Value::Money(rounded_money(cents - 1).0)),
            1 => Test::Below(Value::Money(next_amount(*cents))),
            _ => Test::AtLeast(Value::Money(rounded_money(*cents).0)),
        },
        Value::Date(day) => match dice.below(4) {
            0 => Test::Below(Value::Date(day + 1 + dice.below(4) as i32)),
            1 => Test::Above(Value::Date(day - 1 - dice.below(4) as i32)),
            2 => Test::AtMost(Value::Date(*day)),
            _ => Test::AtLeast(Value::Date(*day)),
        },
        _ => return None,
    };
    is_worth_saying(column, &test).then_some(test)
}

/// A least or greatest value that a value keeps.
pub fn limit(column: &Column, value: &Value, at_least: bool) -> Option<Test> {
    let (low, high) = match value {
        Value::Int(n) => {
            let (low, high) = rounded(*n);
            (Value::Int(low), Value::Int(high))
        }
        Value::Money(cents) => {
            let (low, high) = rounded_money(*cents);
            (Value::Money(low), Value::Money(high))
        }
        Value::Date(_) => (value.clone(), value.clone()),
        _ => return None,
    };
    let test = if at_least { Test::AtLeast(low) } else { Test::AtMost(high) };
    is_worth_saying(column, &test).then_some(test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::columns::tests::column;
    use terrarium_tools::types::Type;

    #[test]
    fn bounds_are_round() {
        assert_eq!(rounded(7), (7, 7));
        assert_eq!(rounded(1_234), (1_200, 1_300));
        assert_eq!(rounded(-1_234), (-1_300, -1_200));
        assert_eq!(next_above(1_200), 1_300);
        assert_eq!(rounded_money(4_735), (4_700, 4_800));
        assert_eq!(rounded_money(-25), (-100, 0));
        assert_eq!(next_amount(6_000), 7_000);
    }

    #[test]
    fn bounds_at_an_end_are_not_named() {
        let mut dice = Dice::new(1, "bounds");
        let int = column(Type::Int, Source::Integer { low: 0, high: 3, step: 1 }, "level", "");
        let money = column(Type::Money, Source::Money { low: 0, high: 300, step: 20 }, "fee", "");
        for n in 0..=3 {
            for (column, value) in [(&int, Value::Int(n)), (&money, Value::Money(n * 40))] {
                for _ in 0..40 {
                    let tests =
                        [around(column, &value, &mut dice), limit(column, &value, true), limit(column, &value, false)];
                    for test in tests.into_iter().flatten() {
                        match &test {
                            Test::Is(_) => {}
                            Test::Below(Value::Int(n)) => assert!(*n > 1, "{test:?}"),
                            Test::AtLeast(Value::Int(n)) => assert!((1..3).contains(n), "{test:?}"),
                            other => {
                                let number = other.value().and_then(crate::tasks::rows::number);
                                assert!(number.is_some_and(|n| n > 0), "{test:?}");
                            }
                        }
                    }
                }
            }
        }
        assert!(limit(&int, &Value::Int(2), true).is_some());
    }
}

//! Checked arithmetic, comparisons and text forms.

use super::ToolError;
use super::values::EvalValue;
use crate::calendar::{date_text, is_day};
use crate::suite::Suite;
use crate::tree::BinaryOp;
use crate::types::Type;
use crate::value::money_text;
use std::cmp::Ordering;
use std::sync::Arc;

type Evaluated = Result<EvalValue, ToolError>;

/// `left op right`.
pub(super) fn binary(op: BinaryOp, left: &EvalValue, right: &EvalValue) -> Evaluated {
    use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let holds = match op {
        Equal => left == right,
        NotEqual => left != right,
        Less | LessEqual | Greater | GreaterEqual => match (order(left, right)?, op) {
            // Not a number: every comparison is false.
            (None, _) => false,
            (Some(order), Less) => order.is_lt(),
            (Some(order), LessEqual) => order.is_le(),
            (Some(order), Greater) => order.is_gt(),
            (Some(order), _) => order.is_ge(),
        },
        _ => return arithmetic(op, left, right),
    };
    Ok(EvalValue::Bool(holds))
}

/// The order of two values of one ordered type; `None` if one is not a number.
pub(super) fn order(left: &EvalValue, right: &EvalValue) -> Result<Option<Ordering>, ToolError> {
    use EvalValue::{Bool, Date, Enum, Float, Int, Key, Money, Str};
    Ok(match (left, right) {
        (Int(a), Int(b)) | (Money(a), Money(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Str(a), Str(b)) | (Key(a), Key(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Date(a), Date(b)) => Some(a.cmp(b)),
        (Enum(a), Enum(b)) => Some(a.cmp(b)),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        _ => return Err(ToolError::fault("values without an order")),
    })
}

/// The order of two sort keys: total, both zeros equal.
pub(super) fn sort_order(left: &EvalValue, right: &EvalValue) -> Result<Ordering, ToolError> {
    if let (EvalValue::Float(a), EvalValue::Float(b)) = (left, right) {
        return Ok((a + 0.0).total_cmp(&(b + 0.0)));
    }
    Ok(order(left, right)?.unwrap_or(Ordering::Equal))
}

fn arithmetic(op: BinaryOp, left: &EvalValue, right: &EvalValue) -> Evaluated {
    use BinaryOp::{Add, Divide, FloorDivide, Multiply, Subtract};
    use EvalValue::{Date, Float, Int, Key, List, Money, Str};
    Ok(match (op, left, right) {
        (_, Int(a), Int(b)) => Int(whole(op, *a, *b)?),
        (Add | Subtract, Money(a), Money(b)) | (Multiply | FloorDivide, Money(a), Int(b)) => Money(whole(op, *a, *b)?),
        (Multiply, Int(a), Money(b)) => Money(whole(op, *a, *b)?),
        (Add, Date(day), Int(n)) | (Add, Int(n), Date(day)) => Date(day_plus(*day, Some(*n))?),
        (Subtract, Date(day), Int(n)) => Date(day_plus(*day, n.checked_neg())?),
        (Subtract, Date(a), Date(b)) => Int(i64::from(*a) - i64::from(*b)),
        (Add, Float(a), Float(b)) => Float(a + b),
        (Subtract, Float(a), Float(b)) => Float(a - b),
        (Multiply, Float(a), Float(b)) => Float(a * b),
        (Divide, Float(_), Float(b)) if *b == 0.0 => return Err(division_by_zero()),
        (Divide, Float(a), Float(b)) => Float(a / b),
        (Add, Str(a) | Key(a), Str(b) | Key(b)) => EvalValue::text(&format!("{a}{b}")),
        (Add, List(a), List(b)) => EvalValue::list(a.iter().chain(b.iter()).cloned().collect()),
        _ => return Err(ToolError::fault("operands of other types")),
    })
}

fn whole(op: BinaryOp, a: i64, b: i64) -> Result<i64, ToolError> {
    match op {
        BinaryOp::Add => a.checked_add(b).ok_or_else(overflow),
        BinaryOp::Subtract => a.checked_sub(b).ok_or_else(overflow),
        BinaryOp::Multiply => a.checked_mul(b).ok_or_else(overflow),
        BinaryOp::FloorDivide | BinaryOp::Modulo if b == 0 => Err(division_by_zero()),
        BinaryOp::FloorDivide => {
            let quotient = a.checked_div(b).ok_or_else(overflow)?;
            let inexact = quotient * b != a;
            Ok(if inexact && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
        }
        BinaryOp::Modulo => {
            let rest = a.checked_rem(b).unwrap_or(0);
            Ok(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
        }
        _ => Err(ToolError::fault("not an operator of integers")),
    }
}

fn day_plus(day: i32, n: Option<i64>) -> Result<i32, ToolError> {
    let sum = n.and_then(|n| i64::from(day).checked_add(n)).filter(|sum| is_day(*sum));
    let sum = sum.ok_or_else(|| ToolError::new("bad_date", "dates are from 0001-01-01 to 9999-12-31"))?;
    i32::try_from(sum).map_err(|_| ToolError::fault("a day that does not fit"))
}

/// `-value`.
pub(super) fn negate(value: &EvalValue) -> Evaluated {
    Ok(match value {
        EvalValue::Int(n) => EvalValue::Int(n.checked_neg().ok_or_else(overflow)?),
        EvalValue::Money(n) => EvalValue::Money(n.checked_neg().ok_or_else(overflow)?),
        EvalValue::Float(x) => EvalValue::Float(-x),
        _ => return Err(ToolError::fault("not a number")),
    })
}

/// `value * p / 100`, rounded half away from zero; the product must fit 64 bits.
pub(super) fn percent(value: &EvalValue, p: i64) -> Evaluated {
    let of = |n: i64| {
        let product = n.checked_mul(p).ok_or_else(overflow)?;
        let (whole, rest) = (product / 100, product % 100);
        Ok(whole + i64::from(rest >= 50) - i64::from(rest <= -50))
    };
    Ok(match value {
        EvalValue::Int(n) => EvalValue::Int(of(*n)?),
        EvalValue::Money(n) => EvalValue::Money(of(*n)?),
        _ => return Err(ToolError::fault("a percentage of what is no amount")),
    })
}

/// The sum of a list whose elements have a type.
pub(super) fn sum(ty: &Type, items: &[EvalValue]) -> Evaluated {
    let zero = match ty {
        Type::Int => EvalValue::Int(0),
        Type::Money => EvalValue::Money(0),
        Type::Float => EvalValue::Float(0.0),
        _ => return Err(ToolError::fault("a sum of what is no number")),
    };
    items.iter().try_fold(zero, |sum, item| arithmetic(BinaryOp::Add, &sum, item))
}

/// The first least or greatest element.
pub(super) fn extreme(items: &[EvalValue], max: bool) -> Evaluated {
    let mut items = items.iter();
    let mut best = items.next().ok_or_else(|| ToolError::new("empty", "the list is empty"))?;
    for item in items {
        let better = order(item, best)?.is_some_and(|order| if max { order.is_gt() } else { order.is_lt() });
        if better {
            best = item;
        }
    }
    Ok(best.clone())
}

/// A slice of a list, or of a text by characters; bounds are clamped.
pub(super) fn slice(of: &EvalValue, start: Option<i64>, stop: Option<i64>) -> Evaluated {
    let bounds = |length: usize| {
        let clamp = |bound: Option<i64>, otherwise: usize| {
            let from_start = |b: i64| if b < 0 { b.saturating_add(length as i64).max(0) } else { b };
            bound.map_or(otherwise, |b| usize::try_from(from_start(b)).unwrap_or(usize::MAX).min(length))
        };
        let (start, stop) = (clamp(start, 0), clamp(stop, length));
        start..stop.max(start)
    };
    match of {
        EvalValue::List(items) => Ok(EvalValue::List(Arc::new(items[bounds(items.len())].to_vec()))),
        EvalValue::Str(text) | EvalValue::Key(text) => {
            let range = bounds(text.chars().count());
            let part: String = text.chars().skip(range.start).take(range.len()).collect();
            Ok(EvalValue::text(&part))
        }
        _ => Err(ToolError::fault("a slice of what is no list")),
    }
}

/// `list[index]` or the character `text[index]`, from the end if negative.
pub(super) fn index(of: &EvalValue, index: i64) -> Evaluated {
    match of {
        EvalValue::List(items) => Ok(items[position(items.len(), index)?].clone()),
        EvalValue::Str(text) => {
            let position = position(text.chars().count(), index)?;
            let character = text.chars().nth(position).ok_or_else(|| ToolError::fault("no such character"))?;
            Ok(EvalValue::text(character.encode_utf8(&mut [0; 4])))
        }
        _ => Err(ToolError::fault("an element of what is no list")),
    }
}

/// The position that an index means in a list of a length.
pub(super) fn position(length: usize, index: i64) -> Result<usize, ToolError> {
    let position = if index < 0 { index.checked_add(length as i64) } else { Some(index) };
    let position = position.and_then(|p| usize::try_from(p).ok()).filter(|p| *p < length);
    position.ok_or_else(|| ToolError::new("index_out_of_range", "there is no such element"))
}

/// The text of a piece of an f-string.
pub(super) fn piece(suite: &Suite, ty: &Type, value: &EvalValue) -> Result<String, ToolError> {
    Ok(match (ty, value) {
        (_, EvalValue::Str(text) | EvalValue::Key(text)) => text.to_string(),
        (_, EvalValue::Int(n)) => n.to_string(),
        (_, EvalValue::Bool(b)) => if *b { "True" } else { "False" }.to_owned(),
        (_, EvalValue::Money(cents)) => money_text(*cents),
        (_, EvalValue::Date(days)) => date_text(*days),
        (Type::Enum(id), EvalValue::Enum(case)) => {
            let name = suite.enums[*id].cases.get(*case as usize);
            name.cloned().ok_or_else(|| ToolError::fault("no such case"))?
        }
        _ => return Err(ToolError::fault("a piece that has no text")),
    })
}

pub(super) fn overflow() -> ToolError {
    ToolError::new("overflow", "the number does not fit 64 bits")
}

pub(super) fn division_by_zero() -> ToolError {
    ToolError::new("division_by_zero", "division by zero")
}

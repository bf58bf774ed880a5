//! Predeclared functions on plain values.

use super::ToolError;
use super::operators::{division_by_zero, negate, overflow};
use super::values::EvalValue;
use crate::builtin::Builtin;
use crate::calendar::{self, Civil};
use crate::text::{self, IntFault};

/// The value of a predeclared function.
pub(super) fn apply(op: Builtin, operands: &[EvalValue]) -> Result<EvalValue, ToolError> {
    use EvalValue::{Bool, Date, Float, Int, List, Money};
    let at = |i: usize| operands.get(i).ok_or_else(|| ToolError::fault("a predeclared function lacks an operand"));
    let str = |i: usize| at(i)?.str();
    let int = |i: usize| at(i)?.int();
    let texts = |parts: Vec<&str>| EvalValue::list(parts.into_iter().map(EvalValue::text).collect());
    Ok(match op {
        Builtin::LeftStrip => EvalValue::text(str(0)?.trim_start_matches(text::is_space)),
        Builtin::RightStrip => EvalValue::text(str(0)?.trim_end_matches(text::is_space)),
        Builtin::Title => EvalValue::text(&text::title(str(0)?)),
        Builtin::Capitalize => EvalValue::text(&text::capitalize(str(0)?)),
        Builtin::Replace => EvalValue::text(&text::replace(str(0)?, str(1)?, str(2)?)),
        Builtin::Split if str(1)?.is_empty() => return Err(ToolError::new("empty", "the separator is empty")),
        Builtin::Split => texts(str(0)?.split(str(1)?).collect()),
        Builtin::Words => texts(str(0)?.split(text::is_space).filter(|word| !word.is_empty()).collect()),
        Builtin::Join => {
            let parts: Vec<&str> = at(1)?.items()?.iter().map(EvalValue::str).collect::<Result<_, _>>()?;
            EvalValue::text(&parts.join(str(0)?))
        }
        Builtin::Find => Int(text::find(str(0)?, str(1)?)),
        Builtin::Count => Int(text::count(str(0)?, str(1)?) as i64),
        Builtin::RemovePrefix => EvalValue::text(str(0)?.strip_prefix(str(1)?).unwrap_or(str(0)?)),
        Builtin::RemoveSuffix => EvalValue::text(str(0)?.strip_suffix(str(1)?).unwrap_or(str(0)?)),
        Builtin::PadLeft => EvalValue::text(&text::pad(str(0)?, int(1)?, str(2)?, true)),
        Builtin::PadRight => EvalValue::text(&text::pad(str(0)?, int(1)?, str(2)?, false)),
        Builtin::ZeroFill => EvalValue::text(&text::zero_fill(str(0)?, int(1)?)),
        Builtin::IsDigit => Bool(text::all(str(0)?, |c| c.is_ascii_digit())),
        Builtin::IsAlpha => Bool(text::all(str(0)?, |c| c.is_ascii_alphabetic())),
        Builtin::IsAlnum => Bool(text::all(str(0)?, |c| c.is_ascii_alphanumeric())),
        Builtin::IsSpace => Bool(text::all(str(0)?, text::is_space)),
        Builtin::IsUpper => Bool(text::has_case(str(0)?, true)),
        Builtin::IsLower => Bool(text::has_case(str(0)?, false)),
        Builtin::Matches => Bool(text::matches(str(0)?, str(1)?)),
        Builtin::Absolute => match at(0)? {
            Float(x) => Float(x.abs()),
            value @ (Int(n) | Money(n)) if *n < 0 => negate(value)?,
            value => value.clone(),
        },
        Builtin::ParseInt => match text::parse_int(str(0)?) {
            Ok(number) => Int(number),
            Err(IntFault::TooLarge) => return Err(overflow()),
            Err(IntFault::NoNumber) => return Err(ToolError::new("bad_number", "the text is no whole number")),
        },
        Builtin::Truncate => Int(text::whole(at(0)?.float()?).ok_or_else(overflow)?),
        Builtin::Round => Int(text::whole(at(0)?.float()?.round_ties_even()).ok_or_else(overflow)?),
        Builtin::Fixed => {
            let decimals = u32::try_from(int(1)?).map_err(|_| ToolError::fault("negative decimals"))?;
            EvalValue::text(&text::fixed(at(0)?.float()?, decimals).ok_or_else(overflow)?)
        }
        Builtin::MoneyOfFloat => Money(text::whole((at(0)?.float()? * 100.0).round()).ok_or_else(overflow)?),
        Builtin::RoundToStep => match (at(0)?, at(1)?) {
            (Money(value), Money(step)) => Money(round_to_step(*value, *step)?),
            _ => return Err(ToolError::fault("rounding what is no money")),
        },
        Builtin::FloatOfMoney => match at(0)? {
            Money(cents) => Float(*cents as f64 / 100.0),
            _ => return Err(ToolError::fault("not money")),
        },
        Builtin::Year | Builtin::Month | Builtin::DayOfMonth | Builtin::DaysInMonth | Builtin::Weekday => {
            let day = at(0)?.date()?;
            let Civil { year, month, day: of_month } = calendar::civil(day).ok_or_else(bad_date)?;
            Int(match op {
                Builtin::Year => i64::from(year),
                Builtin::Month => i64::from(month),
                Builtin::DayOfMonth => i64::from(of_month),
                Builtin::DaysInMonth => i64::from(calendar::days_in_month(year, month)),
                _ => i64::from(calendar::weekday(day)),
            })
        }
        Builtin::AddMonths => Date(calendar::add_months(at(0)?.date()?, int(1)?).ok_or_else(bad_date)?),
        Builtin::MakeDate => {
            let part = |i: usize| int(i).map(u32::try_from);
            let (year, month, day) = (i32::try_from(int(0)?), part(1)?, part(2)?);
            let (Ok(year), Ok(month), Ok(day)) = (year, month, day) else { return Err(bad_date()) };
            Date(calendar::days_of(Civil { year, month, day }).ok_or_else(bad_date)?)
        }
        Builtin::Range => range(int(0)?, int(1)?, int(2)?)?,
        Builtin::Reversed => EvalValue::list(at(0)?.items()?.iter().rev().cloned().collect()),
        Builtin::Flatten => {
            let mut out = Vec::new();
            for list in at(0)?.items()?.iter() {
                out.extend(list.items()?.iter().cloned());
            }
            EvalValue::list(out)
        }
        Builtin::First => match at(0)? {
            List(items) => items.first().cloned().ok_or_else(|| ToolError::new("empty", "the list is empty"))?,
            _ => return Err(ToolError::fault("not a list")),
        },
    })
}

fn bad_date() -> ToolError {
    ToolError::new("bad_date", "dates are from 0001-01-01 to 9999-12-31")
}

fn round_to_step(value: i64, step: i64) -> Result<i64, ToolError> {
    if step == 0 {
        return Err(division_by_zero());
    }
    let step = step.checked_abs().ok_or_else(overflow)?;
    let rest = value % step;
    let down = value - rest;
    if rest.unsigned_abs() * 2 < step.unsigned_abs() {
        return Ok(down);
    }
    let away = if rest < 0 { down.checked_sub(step) } else { down.checked_add(step) };
    away.ok_or_else(overflow)
}

fn range(start: i64, stop: i64, step: i64) -> Result<EvalValue, ToolError> {
    let mut out = Vec::new();
    let (mut at, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
    while if step > 0 { at < stop } else { at > stop } {
        if step == 0 || out.len() as u32 >= super::STEPS_MAX {
            return Err(ToolError::new("step_limit", "this range is too long"));
        }
        out.push(EvalValue::Int(at as i64));
        at += step;
    }
    Ok(EvalValue::list(out))
}

//! What printed tool bodies call on the host, and the conversion of values both ways.

#![allow(unsafe_code, reason = "the derive of starlark writes an unsafe impl; there is no unsafe line of ours")]

use super::store::{Failure, Store};
use crate::calendar;
use crate::suite::Suite;
use crate::types::Type;
use crate::value::Value as Plain;
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::float::UnpackFloat;
use starlark::values::list::{AllocList, ListRef};
use starlark::values::none::NoneType;
use starlark::values::tuple::{AllocTuple, TupleRef};
use starlark::values::{Heap, UnpackValue, Value};
use std::cell::RefCell;

/// Most rounds of one `range`.
const RANGE_MAX: i64 = 1_000_000;

/// What a running body can reach.
#[derive(ProvidesStaticType)]
pub(super) struct Host {
    pub suite: Suite,
    pub store: RefCell<Store>,
    /// The tool error that stopped the body.
    pub failure: RefCell<Option<Failure>>,
}

/// Why a native function stops the interpreter.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}: {1}")]
    Tool(String, String),
    #[error("fault of the oracle: {0}")]
    Fault(String),
}

impl Host {
    fn of<'a>(eval: &Evaluator<'_, 'a, '_>) -> starlark::Result<&'a Host> {
        let host = eval.extra.and_then(|extra| extra.downcast_ref::<Host>());
        host.ok_or_else(|| fault("no host"))
    }

    /// Turns a tool error into one that stops the interpreter.
    fn tool<T>(&self, result: Result<T, Failure>) -> starlark::Result<T> {
        result.map_err(|(code, message)| {
            *self.failure.borrow_mut() = Some((code.clone(), message.clone()));
            starlark::Error::new_other(Stop::Tool(code, message))
        })
    }
}

fn fault(message: &str) -> starlark::Error {
    starlark::Error::new_other(Stop::Fault(message.to_owned()))
}

fn bad_date() -> Failure {
    ("bad_date".to_owned(), "dates are from 0001-01-01 to 9999-12-31".to_owned())
}

#[starlark_module]
pub(super) fn natives(builder: &mut GlobalsBuilder) {
    fn host_fail<'v>(code: &str, message: &str, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<NoneType> {
        Host::of(eval)?.tool(Err((code.to_owned(), message.to_owned())))
    }

    fn host_today<'v>(eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<i32> {
        Ok(Host::of(eval)?.store.borrow().today)
    }

    fn host_rows<'v>(table: i32, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Vec<i32>> {
        let rows = Host::of(eval)?.store.borrow().live(table as usize);
        Ok(rows.into_iter().map(|row| row as i32).collect())
    }

    fn host_live<'v>(table: i32, row: i32, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<bool> {
        Ok(Host::of(eval)?.store.borrow().tables[table as usize].rows[row as usize].live)
    }

    fn host_column<'v>(
        row: i32,
        table: i32,
        column: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let host = Host::of(eval)?;
        let value = host.store.borrow().column(table as usize, row as usize, column as usize).cloned();
        Ok(to_starlark(&host.tool(value)?, eval.heap()))
    }

    fn host_get<'v>(table: i32, key: &str, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<i32> {
        let host = Host::of(eval)?;
        let row = host.store.borrow().get(&host.suite, table as usize, key);
        Ok(host.tool(row)? as i32)
    }

    fn host_find<'v>(table: i32, key: &str, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        let row = Host::of(eval)?.store.borrow().find(table as usize, key);
        Ok(row.map_or(Value::new_none(), |row| eval.heap().alloc(row as i32)))
    }

    fn host_insert<'v>(table: i32, values: Value<'v>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<i32> {
        let host = Host::of(eval)?;
        let list = ListRef::from_value(values).ok_or_else(|| fault("values that are no list"))?;
        let columns = &host.suite.tables[table as usize].columns[1..];
        let values = columns.iter().zip(list.iter()).map(|(c, v)| from_starlark(host, &c.ty, v));
        let values = values.collect::<starlark::Result<Vec<_>>>()?;
        let row = host.store.borrow_mut().insert(&host.suite, table as usize, values);
        Ok(host.tool(row)? as i32)
    }

    fn host_set<'v>(
        value: Value<'v>,
        row: i32,
        table: i32,
        column: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let host = Host::of(eval)?;
        let value = from_starlark(host, &host.suite.tables[table as usize].columns[column as usize].ty, value)?;
        let done = host.store.borrow_mut().set(&host.suite, table as usize, row as usize, column as usize, value);
        host.tool(done)?;
        Ok(NoneType)
    }

    fn host_delete<'v>(table: i32, row: i32, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<NoneType> {
        let host = Host::of(eval)?;
        let done = host.store.borrow_mut().delete(&host.suite, table as usize, row as usize);
        host.tool(done)?;
        Ok(NoneType)
    }

    fn host_lower(text: &str) -> starlark::Result<String> {
        Ok(text.to_ascii_lowercase())
    }

    fn host_upper(text: &str) -> starlark::Result<String> {
        Ok(text.to_ascii_uppercase())
    }

    fn host_date(days: i32) -> starlark::Result<String> {
        Ok(crate::value::date_text(days))
    }

    fn host_nearest_even(x: UnpackFloat) -> starlark::Result<f64> {
        Ok(x.0.round_ties_even())
    }

    fn host_nearest(x: UnpackFloat) -> starlark::Result<f64> {
        Ok(x.0.round())
    }

    fn host_fixed<'v>(x: UnpackFloat, decimals: i32, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<String> {
        let overflow = || ("overflow".to_owned(), "the number does not fit 64 bits".to_owned());
        Host::of(eval)?.tool(crate::text::fixed(x.0, decimals as u32).ok_or_else(overflow))
    }

    fn host_date_part<'v>(day: i32, part: i32) -> starlark::Result<i32> {
        let civil = calendar::civil(day).ok_or_else(|| fault("a day out of range"))?;
        Ok(match part {
            0 => civil.year,
            1 => civil.month as i32,
            2 => civil.day as i32,
            _ => calendar::days_in_month(civil.year, civil.month) as i32,
        })
    }

    fn host_add_months<'v>(day: i32, n: i64, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<i32> {
        Host::of(eval)?.tool(calendar::add_months(day, n).ok_or_else(bad_date))
    }

    fn host_make_date<'v>(year: i64, month: i64, day: i64, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<i32> {
        let part = |n: i64| u32::try_from(n).ok();
        let civil = (i32::try_from(year).ok(), part(month), part(day));
        let days = match civil {
            (Some(year), Some(month), Some(day)) => calendar::days_of(calendar::Civil { year, month, day }),
            _ => None,
        };
        Host::of(eval)?.tool(days.ok_or_else(bad_date))
    }

    fn host_steps(start: i64, stop: i64, step: i64) -> starlark::Result<Vec<i64>> {
        let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
        if step == 0 || (stop - start) / step > i128::from(RANGE_MAX) {
            return Err(fault("a range of more than a million numbers"));
        }
        let numbers = (0..).map(|i| start + i * step);
        Ok(numbers.take_while(|n| if step > 0 { *n < stop } else { *n > stop }).map(|n| n as i64).collect())
    }

    fn host_range(start: i64, stop: i64) -> starlark::Result<Vec<i64>> {
        if stop.saturating_sub(start) > RANGE_MAX {
            return Err(fault("a range of more than a million numbers"));
        }
        Ok((start..stop).collect())
    }
}

/// A value as Starlark sees it.
pub(super) fn to_starlark<'v>(value: &Plain, heap: Heap<'v>) -> Value<'v> {
    match value {
        Plain::None => Value::new_none(),
        Plain::Bool(v) => Value::new_bool(*v),
        Plain::Int(v) | Plain::Money(v) => heap.alloc(*v),
        Plain::Float(v) => heap.alloc(*v),
        Plain::Date(v) => heap.alloc(*v),
        Plain::Enum(case) => heap.alloc(*case as i32),
        Plain::Str(text) | Plain::Key(text) => heap.alloc(text.as_str()),
        Plain::List(items) => heap.alloc(AllocList(items.iter().map(|v| to_starlark(v, heap)))),
        Plain::Record(fields) => heap.alloc(AllocTuple(fields.iter().map(|v| to_starlark(v, heap)))),
    }
}

/// A value of a type from Starlark; a row becomes its record.
pub(super) fn from_starlark(host: &Host, ty: &Type, value: Value) -> starlark::Result<Plain> {
    let bad = || fault(&format!("{value} is no {ty:?}"));
    let int = || i64::unpack_value(value).ok().flatten().ok_or_else(bad);
    let text = || value.unpack_str().map(str::to_owned).ok_or_else(bad);
    Ok(match ty {
        Type::Unit => Plain::None,
        Type::Bool => Plain::Bool(value.unpack_bool().ok_or_else(bad)?),
        Type::Int => Plain::Int(int()?),
        Type::Money => Plain::Money(int()?),
        Type::Date => Plain::Date(i32::try_from(int()?).map_err(|_| bad())?),
        Type::Enum(_) => Plain::Enum(u32::try_from(int()?).map_err(|_| bad())?),
        Type::Float => Plain::Float(UnpackFloat::unpack_value(value)?.ok_or_else(bad)?.0),
        Type::Str => Plain::Str(text()?),
        Type::Key(_) => Plain::Key(text()?),
        Type::Row(table) => {
            let row = usize::try_from(int()?).map_err(|_| bad())?;
            Plain::Record(host.store.borrow().tables[*table].rows[row].values.clone())
        }
        Type::Record(id) => {
            let fields = TupleRef::from_value(value).ok_or_else(bad)?;
            let types = host.suite.records[*id].fields.iter().map(|(_, ty)| ty);
            let fields = types.zip(fields.iter()).map(|(ty, field)| from_starlark(host, ty, field));
            Plain::Record(fields.collect::<starlark::Result<_>>()?)
        }
        Type::Tuple(_) | Type::Dict(..) => return Err(bad()),
        Type::Option(_) if value.is_none() => Plain::None,
        Type::Option(inner) => from_starlark(host, inner, value)?,
        Type::List(element) => {
            let items = ListRef::from_value(value).ok_or_else(bad)?;
            let items = items.iter().map(|item| from_starlark(host, element, item));
            Plain::List(items.collect::<starlark::Result<_>>()?)
        }
    })
}

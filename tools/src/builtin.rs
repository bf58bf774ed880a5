//! Predeclared functions and methods on plain values: what each takes and gives, and what it means.
//!
//! The checker looks names up here, the compiler maps each to a helper of `runtime.wat`, the evaluator and the oracle
//! run them on the host. Texts are sequences of characters (Unicode code points); letters, digits, case and white space
//! are ASCII's. A position or width counts characters.

use serde::{Deserialize, Serialize};

/// A predeclared function or method; the doc line gives its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Builtin {
    /// `text.lstrip()`
    LeftStrip,
    /// `text.rstrip()`
    RightStrip,
    /// `text.title()`: letters that follow a letter are lower case, the others upper.
    Title,
    /// `text.capitalize()`: the first letter upper case, the others lower.
    Capitalize,
    /// `text.replace(old, new)`: every occurrence, left to right; an empty `old` changes nothing.
    Replace,
    /// `text.split(separator)`: the parts between; the tool error `empty` for an empty separator.
    Split,
    /// `text.split()`: the words between white space.
    Words,
    /// `separator.join(texts)`
    Join,
    /// `text.find(part)`: position of the first occurrence, or -1.
    Find,
    /// `text.count(part)`: occurrences that do not overlap; one more than the length for an empty part.
    Count,
    /// `text.removeprefix(part)`
    RemovePrefix,
    /// `text.removesuffix(part)`
    RemoveSuffix,
    /// `text.rjust(width, fill)`: the fill (one character) in front up to the width.
    PadLeft,
    /// `text.ljust(width, fill)`
    PadRight,
    /// `text.zfill(width)`: zeros after the sign.
    ZeroFill,
    /// `text.isdigit()`: not empty, digits only.
    IsDigit,
    /// `text.isalpha()`
    IsAlpha,
    /// `text.isalnum()`
    IsAlnum,
    /// `text.isspace()`
    IsSpace,
    /// `text.isupper()`: a letter, and none in lower case.
    IsUpper,
    /// `text.islower()`
    IsLower,
    /// `matches(text, query)`: every word of the query occurs in the text, upper or lower case.
    Matches,
    /// `abs(x)` of int, money or float.
    Absolute,
    /// `int(text)`: digits with an optional sign, or the tool error `bad_number`.
    ParseInt,
    /// `int(x)` of a float: towards zero; `overflow` if it does not fit.
    Truncate,
    /// `round(x)` of a float: to the nearest int, halves to the even one.
    Round,
    /// `fixed(x, decimals)`: text of `x * 10^decimals` (a float product) rounded half away from zero.
    Fixed,
    /// `round_money(x)` of a float amount: cents of `x * 100` (a float product), half away from zero.
    MoneyOfFloat,
    /// `round_money(amount, step)`: the nearest multiple of the step, half away from zero.
    RoundToStep,
    /// `float(amount)`: cents / 100.
    FloatOfMoney,
    /// `day.year`
    Year,
    /// `day.month`
    Month,
    /// `day.day`
    DayOfMonth,
    /// `day.weekday()`: Monday is 0.
    Weekday,
    /// `add_months(day, n)`: the same day of the month, or the month's last; `bad_date` out of range.
    AddMonths,
    /// `date_of(year, month, day)`: `bad_date` if there is no such day.
    MakeDate,
    /// `days_in_month(day)`
    DaysInMonth,
    /// `range(start, stop, step)` as a list; the step is a literal other than 0.
    Range,
    /// `reversed(list)`
    Reversed,
    /// The elements of the lists of a list, one after the other (comprehensions with several `for`).
    Flatten,
    /// The first element; the tool error `empty` if there is none (`min`, `max` with a key).
    First,
}

/// Greatest width of a padded text, and most decimals of `fixed`.
pub const WIDTH_MAX: i64 = 200;
/// Most decimals of `fixed`.
pub const DECIMALS_MAX: i64 = 9;

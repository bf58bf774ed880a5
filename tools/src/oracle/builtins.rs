//! Predeclared functions as Starlark: its own where it has them, else `prelude.star`'s, else the host's.

use crate::builtin::Builtin;

const SPACE: &str = "\" \\t\\n\\x0c\\r\"";

/// A call with printed operands; `float`: the first is a float.
pub(super) fn print(op: Builtin, operands: &[String], float: bool) -> String {
    let text = operands.first().map_or("", String::as_str);
    let rest = operands.get(1..).unwrap_or_default().join(", ");
    let all = operands.join(", ");
    match op {
        Builtin::LeftStrip => format!("{text}.lstrip({SPACE})"),
        Builtin::RightStrip => format!("{text}.rstrip({SPACE})"),
        Builtin::Title => format!("std_title({all}, True)"),
        Builtin::Capitalize => format!("std_title({all}, False)"),
        Builtin::Replace => format!("std_replace({all})"),
        Builtin::Split => format!("std_split({all})"),
        Builtin::Words => format!("std_words({all})"),
        Builtin::Join => format!("{text}.join({rest})"),
        Builtin::Find => format!("{text}.find({rest})"),
        Builtin::Count => format!("std_count({all})"),
        Builtin::RemovePrefix => format!("{text}.removeprefix({rest})"),
        Builtin::RemoveSuffix => format!("{text}.removesuffix({rest})"),
        Builtin::PadLeft => format!("std_pad({all}, True)"),
        Builtin::PadRight => format!("std_pad({all}, False)"),
        Builtin::ZeroFill => format!("std_zero_fill({all})"),
        Builtin::IsDigit => format!("std_only({all}, DIGITS)"),
        Builtin::IsAlpha => format!("std_only({all}, UPPER + LOWER)"),
        Builtin::IsAlnum => format!("std_only({all}, UPPER + LOWER + DIGITS)"),
        Builtin::IsSpace => format!("std_only({all}, {SPACE})"),
        Builtin::IsUpper => format!("std_case({all}, UPPER, LOWER)"),
        Builtin::IsLower => format!("std_case({all}, LOWER, UPPER)"),
        Builtin::Matches => format!("std_matches({all})"),
        Builtin::Absolute if float => format!("std_abs({all})"),
        Builtin::Absolute => format!("std_i64(std_abs({all}))"),
        Builtin::ParseInt => format!("std_int({all})"),
        Builtin::Truncate => format!("std_trunc({all})"),
        Builtin::Round => format!("std_trunc(host_nearest_even({all}))"),
        Builtin::Fixed => format!("host_fixed({all})"),
        Builtin::MoneyOfFloat => format!("std_trunc(host_nearest({all} * 100.0))"),
        Builtin::RoundToStep => format!("std_round_to_step({all})"),
        Builtin::FloatOfMoney => format!("(float({all}) / 100.0)"),
        Builtin::Year => format!("host_date_part({all}, 0)"),
        Builtin::Month => format!("host_date_part({all}, 1)"),
        Builtin::DayOfMonth => format!("host_date_part({all}, 2)"),
        Builtin::DaysInMonth => format!("host_date_part({all}, 3)"),
        Builtin::Weekday => format!("(({all} + 3) % 7)"),
        Builtin::AddMonths => format!("host_add_months({all})"),
        Builtin::MakeDate => format!("host_make_date({all})"),
        Builtin::Range => format!("host_steps({all})"),
        Builtin::Reversed => format!("list(reversed({all}))"),
        Builtin::Flatten => format!("[x for xs in {all} for x in xs]"),
        Builtin::First => format!("std_some({all})[0]"),
    }
}

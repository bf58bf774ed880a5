//! Days and their text: the proleptic Gregorian calendar between 0001-01-01 and 9999-12-31.
//!
//! A date is a number of days since 1970-01-01. The arithmetic counts years from March, so that the leap day is a
//! year's last day and a month's first day of year is a linear function of the month.

/// 0001-01-01.
pub const DAY_MIN: i32 = -719_162;
/// 9999-12-31.
pub const DAY_MAX: i32 = 2_932_896;

/// Days in 400 years.
const ERA: i32 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const SHIFT: i32 = 719_468;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// 1 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// Number of days of a month; 0 for a month that is none.
pub fn days_in_month(year: i32, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days since 1970-01-01 of a day of the calendar; `None` if there is no such day.
pub fn days_of(civil: Civil) -> Option<i32> {
    let Civil { year, month, day } = civil;
    if !(1..=9999).contains(&year) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let (month, day) = (month as i32, day as i32);
    let from_march = (month + 9) % 12;
    let march_year = if month <= 2 { year - 1 } else { year };
    let in_era = march_year.rem_euclid(400);
    let in_year = (153 * from_march + 2) / 5 + day - 1;
    Some(march_year.div_euclid(400) * ERA + in_era * 365 + in_era / 4 - in_era / 100 + in_year - SHIFT)
}

/// The day of the calendar; `None` outside the years 1 to 9999.
pub fn civil(days: i32) -> Option<Civil> {
    if !is_day(i64::from(days)) {
        return None;
    }
    let from_start = days + SHIFT;
    let era = from_start.div_euclid(ERA);
    let in_era = from_start.rem_euclid(ERA);
    // Every 4 years a leap day, not every 100, but every 400: take them out, and years have 365 days.
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + i32::from(month <= 2);
    Some(Civil { year, month: month as u32, day: day as u32 })
}

/// Whether a number of days is a date of the language.
pub fn is_day(days: i64) -> bool {
    (i64::from(DAY_MIN)..=i64::from(DAY_MAX)).contains(&days)
}

/// The weekday of a day in the calendar: 0 for Monday to 6.
pub fn weekday(days: i32) -> u32 {
    // 1970-01-01 was a Thursday.
    (days + 3).rem_euclid(7) as u32
}

/// The same day of the month `n` months later, or the last of that month; `None` outside the years 1 to 9999.
pub fn add_months(days: i32, n: i64) -> Option<i32> {
    let Civil { year, month, day } = civil(days)?;
    let months = n.checked_add(i64::from(year) * 12 + i64::from(month) - 1)?;
    let (year, month) = (i32::try_from(months.div_euclid(12)).ok()?, months.rem_euclid(12) as u32 + 1);
    days_of(Civil { year, month, day: day.min(days_in_month(year, month)) })
}

/// `2026-03-01`. Days outside the calendar are written as the nearest day inside.
pub fn date_text(days: i32) -> String {
    let inside = days.clamp(DAY_MIN, DAY_MAX);
    let Civil { year, month, day } = civil(inside).unwrap_or(Civil { year: 1970, month: 1, day: 1 });
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days since 1970-01-01 of `2026-03-01`; `None` unless it is exactly such a text and a day of the calendar.
pub fn parse_date(text: &str) -> Option<i32> {
    let digits = |part: &str, length: usize| {
        let plain = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if plain { part.parse::<u32>().ok() } else { None }
    };
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    if parts.next().is_some() {
        return None;
    }
    days_of(Civil { year: year as i32, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        let check = |text: &str, days: i32| {
            assert_eq!(parse_date(text), Some(days), "{text}");
            assert_eq!(date_text(days), text);
        };
        check("1970-01-01", 0);
        check("1969-12-31", -1);
        check("2000-02-29", 11_016);
        check("2026-03-01", 20_513);
        check("1600-02-29", -135_081);
        check("0001-01-01", DAY_MIN);
        check("9999-12-31", DAY_MAX);
    }

    #[test]
    fn months_and_weekdays() {
        let check = |text: &str, n: i64, expected: Option<&str>| {
            assert_eq!(add_months(parse_date(text).unwrap(), n), expected.and_then(parse_date), "{text} + {n}");
        };
        check("2024-01-31", 1, Some("2024-02-29"));
        check("2024-02-29", 12, Some("2025-02-28"));
        check("2024-03-31", -13, Some("2023-02-28"));
        check("2024-12-15", 1, Some("2025-01-15"));
        check("9999-12-31", 1, None);
        check("0001-01-31", -1, None);
        check("2024-01-01", i64::MAX, None);
        assert_eq!(["2024-10-04", "2026-03-01", "1969-12-31"].map(|d| weekday(parse_date(d).unwrap())), [4, 6, 2]);
        assert_eq!(weekday(DAY_MIN), 0);
    }

    #[test]
    fn texts_that_are_no_dates() {
        for text in [
            "1900-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-1-1",
            "0000-01-01",
            "2026/03/01",
            "+026-03-01",
            "-026-03-01",
            "2026-03-01-",
            "2026-03",
            "",
            "２０２６-03-01",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(civil(DAY_MAX + 1), None);
        assert_eq!(civil(i32::MIN), None);
        assert_eq!(date_text(i32::MAX), "9999-12-31");
    }

    proptest! {
        #[test]
        fn a_day_survives_its_text(days in DAY_MIN..=DAY_MAX) {
            prop_assert_eq!(parse_date(&date_text(days)), Some(days));
        }

        #[test]
        fn the_next_day_follows(days in DAY_MIN..DAY_MAX) {
            let (a, b) = (civil(days).unwrap(), civil(days + 1).unwrap());
            let last = a.day == days_in_month(a.year, a.month);
            let next = match (last, a.month) {
                (false, _) => Civil { day: a.day + 1, ..a },
                (true, 12) => Civil { year: a.year + 1, month: 1, day: 1 },
                (true, month) => Civil { month: month + 1, day: 1, ..a },
            };
            prop_assert_eq!(b, next);
        }
    }
}

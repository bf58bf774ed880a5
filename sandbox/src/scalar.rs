//! Text forms of money and dates.

/// Days since 1970-01-01 of 0001-01-01.
pub(crate) const DAY_MIN: i32 = -719_162;
/// Days since 1970-01-01 of 9999-12-31.
pub(crate) const DAY_MAX: i32 = 2_932_896;

/// Parses `12.50`, `12.5`, `12` or `-3.00` to cents. `None` if it is not an amount or does not fit 64 bits.
pub(crate) fn parse_money(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()) && !s.is_empty();
    if !number(whole) || !number(fraction) || fraction.len() > 2 {
        return None;
    }
    let cents = fraction.parse::<i128>().ok()? * if fraction.len() == 1 { 10 } else { 1 };
    let total = whole.parse::<i128>().ok()?.checked_mul(100)?.checked_add(cents)?;
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Writes cents as `12.50`. By hand: the formatting machinery takes several times as long, and pages of rows are full of amounts.
pub(crate) fn write_money(out: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        out.push(b'-');
    }
    let cents = cents.unsigned_abs();
    // 18 digits and a point at most: 2^63 hundredths are 17 digits before it.
    let mut text = [0; 20];
    let mut at = text.len() - 3;
    text[at] = b'.';
    two_digits(&mut text[at + 1..], (cents % 100) as u32);
    let mut whole = cents / 100;
    loop {
        at -= 1;
        text[at] = b'0' + (whole % 10) as u8;
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Writes a number below 100 at the beginning of a slice.
fn two_digits(out: &mut [u8], number: u32) {
    out[0] = b'0' + (number / 10) as u8;
    out[1] = b'0' + (number % 10) as u8;
}

/// Parses `2026-03-01` to days since 1970-01-01 (proleptic Gregorian calendar, years 0001 to 9999).
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let b = text.as_bytes();
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        b[range].iter().try_fold(0_i32, |n, c| c.is_ascii_digit().then(|| n * 10 + i32::from(c - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Writes days since 1970-01-01 as `2026-03-01`; `false` (and nothing written) outside years 0001 to 9999.
pub(crate) fn write_date(out: &mut Vec<u8>, day: i32) -> bool {
    if !(DAY_MIN..=DAY_MAX).contains(&day) {
        return false;
    }
    let (year, month, day) = civil_from_days(day);
    let mut text = *b"0000-00-00";
    two_digits(&mut text, (year / 100) as u32);
    two_digits(&mut text[2..], (year % 100) as u32);
    two_digits(&mut text[5..], month as u32);
    two_digits(&mut text[8..], day as u32);
    out.extend_from_slice(&text);
    true
}

fn days_in_month(year: i32, month: i32) -> i32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Years start in March here, so that the leap day is last: day of year is `(153 m + 2) / 5 + d - 1`, and 400 years have 146,097 days.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_text() {
        let check = |text: &str, cents: Option<i64>| assert_eq!(parse_money(text), cents, "{text}");
        check("12.50", Some(1250));
        check("12.5", Some(1250));
        check("12", Some(1200));
        check("-3.00", Some(-300));
        check("-0.01", Some(-1));
        check("0.00", Some(0));
        check("92233720368547758.07", Some(i64::MAX));
        check("-92233720368547758.08", Some(i64::MIN));
        check("92233720368547758.08", None);
        check("99999999999999999999999999999999999999999999.00", None);
        for bad in ["", "-", ".5", "5.", "1.234", "1,000", "$5", "+5", "1e3", " 5", "5 ", "--5", "5.-1", "٣"] {
            check(bad, None);
        }
        for cents in [0, 1, -1, 99, -99, 100, 123_456, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_money(&mut out, cents);
            assert_eq!(parse_money(std::str::from_utf8(&out).expect("text")), Some(cents));
        }
    }

    #[test]
    fn date_text() {
        let check = |text: &str, day: Option<i32>| assert_eq!(parse_date(text), day, "{text}");
        check("1970-01-01", Some(0));
        check("1969-12-31", Some(-1));
        check("2000-02-29", Some(11_016));
        check("2026-03-01", Some(20_513));
        check("0001-01-01", Some(DAY_MIN));
        check("9999-12-31", Some(DAY_MAX));
        for bad in [
            "1900-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-1-1",
            "0000-01-01",
            "2026/03/01",
            "+026-03-01",
            "",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn every_day_goes_there_and_back() {
        let mut out = Vec::new();
        for day in DAY_MIN..=DAY_MAX {
            out.clear();
            assert!(write_date(&mut out, day));
            assert_eq!(parse_date(std::str::from_utf8(&out).expect("text")), Some(day));
        }
        assert!(!write_date(&mut out, DAY_MAX + 1));
        assert!(!write_date(&mut out, DAY_MIN - 1));
        assert!(!write_date(&mut out, i32::MIN));
    }
}

//! Texts on the host: what the string methods of the language mean, for the evaluator and the oracle.

/// ASCII white space of the language: space, tab, line feed, form feed, carriage return.
pub fn is_space(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// Whether a character continues a word for `title`: ASCII letters, and everything beyond ASCII.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii()
}

/// Letters that follow a letter in lower case, the others in upper case.
pub fn title(text: &str) -> String {
    let mut after_letter = false;
    let each = |c: char| {
        let folded = if after_letter { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        after_letter = is_letter(c);
        folded
    };
    text.chars().map(each).collect()
}

/// The first character in upper case, the others in lower case.
pub fn capitalize(text: &str) -> String {
    let fold = |(i, c): (usize, char)| if i == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().enumerate().map(fold).collect()
}

/// Every `old` replaced; an empty `old` changes nothing.
pub fn replace(text: &str, old: &str, new: &str) -> String {
    if old.is_empty() { text.to_owned() } else { text.replace(old, new) }
}

/// Occurrences that do not overlap.
pub fn count(text: &str, part: &str) -> usize {
    if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() }
}

/// Position in characters of the first occurrence, or -1.
pub fn find(text: &str, part: &str) -> i64 {
    text.find(part).map_or(-1, |at| text[..at].chars().count() as i64)
}

/// The text with `fill` in front (`left`) or behind, up to a width.
pub fn pad(text: &str, width: i64, fill: &str, left: bool) -> String {
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars().count());
    let fill = fill.repeat(missing);
    if left { fill + text } else { text.to_owned() + &fill }
}

/// The text with zeros after its sign, up to a width.
pub fn zero_fill(text: &str, width: i64) -> String {
    let sign = usize::from(text.starts_with(['+', '-']));
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars().count());
    format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
}

/// Whether every word of the query occurs in the text, whatever the case.
pub fn matches(text: &str, query: &str) -> bool {
    let text = text.to_ascii_lowercase();
    query.split(is_space).filter(|word| !word.is_empty()).all(|word| text.contains(&word.to_ascii_lowercase()))
}

/// Not empty, and every character fits.
pub fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(fits)
}

/// A letter, and none of the other case (`upper`: none in lower case).
pub fn has_case(text: &str, upper: bool) -> bool {
    let other = |c: char| if upper { c.is_ascii_lowercase() } else { c.is_ascii_uppercase() };
    text.chars().any(|c| c.is_ascii_alphabetic()) && !text.chars().any(other)
}

/// Why a text is no integer of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntFault {
    /// It is not digits with an optional sign.
    NoNumber,
    /// It does not fit 64 bits.
    TooLarge,
}

/// An integer written as digits with an optional sign.
pub fn parse_int(text: &str) -> Result<i64, IntFault> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(IntFault::NoNumber);
    }
    text.parse().map_err(|_| IntFault::TooLarge)
}

/// A float as an integer, after `round` of it; `None` if it does not fit.
pub fn whole(x: f64) -> Option<i64> {
    // Both bounds are exact: -2^63 fits, 2^63 does not.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x).then_some(x as i64)
}

/// `x * 10^decimals`, rounded half away from zero, with a point; `None` if that is beyond 64 bits.
pub fn fixed(x: f64, decimals: u32) -> Option<String> {
    let scaled = whole((x * 10f64.powi(decimals as i32)).round())?;
    let sign = if scaled < 0 { "-" } else { "" };
    let (size, unit) = (scaled.unsigned_abs(), 10u64.pow(decimals));
    if decimals == 0 {
        return Some(format!("{sign}{size}"));
    }
    Some(format!("{sign}{}.{:0width$}", size / unit, size % unit, width = decimals as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_cases() {
        assert_eq!(title("they're über-GOOD 3rd"), "They'Re über-Good 3Rd");
        assert_eq!(capitalize("éRED Lamp"), "éred lamp");
        assert_eq!(capitalize("rED Lamp"), "Red lamp");
        assert!(matches("The Last Clock", " clock the") && !matches("The Last Clock", "clocks") && matches("x", " "));
        assert!(has_case("A-1", true) && !has_case("Ab", true) && !has_case("12", true) && has_case("ab", false));
    }

    #[test]
    fn numbers_as_text() {
        assert_eq!(fixed(2.5, 0).as_deref(), Some("3"));
        assert_eq!(fixed(-0.005, 2).as_deref(), Some("-0.01"));
        assert_eq!(fixed(-0.001, 2).as_deref(), Some("0.00"));
        assert_eq!(fixed(1e300, 2), None);
        assert_eq!(fixed(f64::NAN, 2), None);
        assert_eq!(zero_fill("-7", 4), "-007");
        assert_eq!(pad("é", 3, "·", true), "··é");
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("9223372036854775808"), Err(IntFault::TooLarge));
        assert_eq!([parse_int(""), parse_int("-"), parse_int("1.5"), parse_int(" 1")], [Err(IntFault::NoNumber); 4]);
    }
}

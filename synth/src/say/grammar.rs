//! The little English that prompts need: articles, plurals of nouns and verbs, superlatives.

use crate::tasks::columns::is_year;
use crate::vary::data::scalar;
use terrarium_tools::suite::Column;
use terrarium_tools::types::Type;

/// `a` or `an` for a word.
pub fn article(word: &str) -> &'static str {
    let lower = word.to_lowercase();
    let sounds_otherwise = ["uni", "use", "usu", "uti", "euro", "one"].iter().any(|p| lower.starts_with(p));
    let silent = ["hour", "honest", "heir"].iter().any(|p| lower.starts_with(p));
    if silent || (lower.starts_with(['a', 'e', 'i', 'o', 'u']) && !sounds_otherwise) { "an" } else { "a" }
}

/// Words after which a noun phrase says more about its noun.
const AFTER_HEAD: [&str; 15] = [
    " of ",
    " on ",
    " in ",
    " for ",
    " per ",
    " at ",
    " to ",
    " from ",
    " since ",
    " below ",
    " above ",
    " with ",
    " without ",
    " a ",
    " against ",
];

/// Participles and adverbs that follow a noun: `hours left`, `litres taken`, `tonnes sorted today`.
const AFTER_NOUN_PARTICIPLES: [&str; 14] = [
    "left", "taken", "given", "sold", "lent", "fed", "driven", "run", "done", "lost", "today", "tonight", "due", "sown",
];

/// Whether a noun phrase is plural: `unpaid fines`, not `number of copies` or `address`.
pub fn is_plural(label: &str) -> bool {
    let head = AFTER_HEAD.iter().filter_map(|p| label.find(p)).min();
    let mut words: Vec<&str> = label[..head.unwrap_or(label.len())].split(' ').collect();
    // `goals scored`: the noun stands before the participle.
    while words.len() > 1
        && words.last().is_some_and(|last| {
            AFTER_NOUN_PARTICIPLES.contains(last) || (last.ends_with("ed") && !["bed", "seed", "feed"].contains(last))
        })
    {
        words.pop();
    }
    let last = words.last().copied().unwrap_or_default();
    last.ends_with('s') && !["ss", "us", "is", "species", "series"].iter().any(|e| last.ends_with(e))
}

/// Units in which one measures: one has less of them, not fewer.
const MEASURES: [&str; 43] = [
    "percent",
    "hectare",
    "hectares",
    "ares",
    "metre",
    "metres",
    "centimetres",
    "millimetres",
    "decimetres",
    "kilometre",
    "kilometres",
    "miles",
    "feet",
    "kilogram",
    "kilograms",
    "grams",
    "tonne",
    "tonnes",
    "litre",
    "litres",
    "millilitres",
    "microlitres",
    "degree",
    "degrees",
    "hours",
    "minutes",
    "seconds",
    "days",
    "weeks",
    "months",
    "years",
    "kilowatts",
    "kilovolts",
    "megabytes",
    "gigabytes",
    "megabits",
    "bits",
    "tenths",
    "dioptres",
    "barrels",
    "watts",
    "volts",
    "gigabits",
];

/// Whether what follows a number measures something: `kilograms loaded`, not `copies on the shelf`.
pub fn is_measured(after: &str) -> bool {
    const WORDS_MAX: usize = 3;
    after.split_whitespace().take(WORDS_MAX).take_while(|w| !ends_noun(w)).any(|w| MEASURES.contains(&w))
}

/// `is` or `are`.
pub fn be(label: &str) -> &'static str {
    if is_plural(label) { "are" } else { "is" }
}

/// A phrase after a singular noun, for a plural noun: `that is still out` becomes `that are still out`.
pub fn pluralise(phrase: &str) -> String {
    let Some((pronoun, rest)) = phrase.split_once(' ') else { return phrase.to_owned() };
    if !["that", "who", "which"].contains(&pronoun) {
        return phrase.to_owned();
    }
    let (verb, tail) = rest.split_once(' ').map_or((rest, String::new()), |(v, t)| (v, format!(" {t}")));
    let verb = match verb {
        "is" => "are".to_owned(),
        "has" => "have".to_owned(),
        "was" => "were".to_owned(),
        "does" => "do".to_owned(),
        // `lies`, `dies`: the stem ends in `ie`.
        _ if verb.ends_with("ies") && verb.len() > 4 => format!("{}y", &verb[..verb.len() - 3]),
        _ if ["ches", "shes", "sses", "xes", "zes", "oes"].iter().any(|e| verb.ends_with(e)) => {
            verb[..verb.len() - 2].to_owned()
        }
        _ if verb.ends_with('s') && !verb.ends_with("ss") => verb[..verb.len() - 1].to_owned(),
        other => other.to_owned(),
    };
    format!("{pronoun} {verb}{tail}")
}

/// A plural noun for one thing: `copies` becomes `copy`, `times` stays for the caller.
fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    if ["ches", "shes", "sses", "xes"].iter().any(|e| word.ends_with(e)) {
        return word[..word.len() - 2].to_owned();
    }
    match word.strip_suffix('s') {
        Some(stem) if !word.ends_with("ss") => stem.to_owned(),
        _ => word.to_owned(),
    }
}

/// Words that end a noun phrase.
const AFTER_NOUN: [&str; 22] = [
    "of", "in", "on", "at", "for", "to", "from", "by", "with", "as", "and", "or", "that", "who", "whose", "which", "a",
    "an", "the", "per", "left", "towards",
];

/// Whether a word cannot belong to the noun phrase before it.
pub fn ends_noun(word: &str) -> bool {
    AFTER_NOUN.contains(&word) || !word.starts_with(char::is_alphabetic)
}

/// The words up to the first plural noun with that noun made singular: `yellow cards in all` becomes `yellow card in all`.
fn one_of(after: &str) -> String {
    const WORDS_MAX: usize = 3;
    let words: Vec<&str> = after.split(' ').collect();
    let plural = |w: &str| {
        let bare = w.trim_end_matches(|c: char| !c.is_alphanumeric());
        bare.ends_with('s') && !["ss", "us", "is"].iter().any(|e| bare.ends_with(e))
    };
    let noun = words.iter().take(WORDS_MAX).take_while(|w| !ends_noun(w)).position(|w| plural(w));
    let said = words.iter().enumerate().map(|(at, word)| {
        if Some(at) == noun {
            let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            format!("{}{}", singular(bare), &word[bare.len()..])
        } else {
            (*word).to_owned()
        }
    });
    said.collect::<Vec<_>>().join(" ")
}

/// Puts a value into a phrase with `{}`. For the number 1 the noun after it becomes singular: `renewed {} times` with 1 is
/// `renewed once`.
pub fn fill(phrase: &str, value: &str) -> String {
    // `renewed {} times` with 0.
    if value == "0"
        && let Some((before, after)) = phrase.split_once("{} times")
        && !before.trim_end().contains(' ')
    {
        return format!("never {before}").trim_end().to_owned() + after;
    }
    // `with 0 copies on the shelf`.
    if value == "0"
        && let Some((before, after)) = phrase.split_once("{} ")
        && before == "with "
        && !ends_noun(after.split(' ').next().unwrap_or_default())
    {
        return format!("with no {after}");
    }
    if value != "1" && !value.ends_with(" 1") {
        return phrase.replacen("{}", value, 1);
    }
    let Some((before, after)) = phrase.split_once("{} ") else { return phrase.replacen("{}", value, 1) };
    let (word, tail) = after.split_once(' ').map_or((after, String::new()), |(w, t)| (w, format!(" {t}")));
    if word == "times" {
        let once = value.strip_suffix('1').map(|v| format!("{v}once")).unwrap_or_default();
        return format!("{before}{once}{tail}");
    }
    format!("{before}{value} {}", one_of(after))
}

/// `latest`, `earliest`, `highest`, `lowest`, as a column's kind wants it.
pub fn superlative(column: &Column, greatest: bool) -> &'static str {
    const LARGE: [&str; 12] = [
        "length", "width", "height", "depth", "distance", "size", "area", "volume", "capacity", "number", "quantity",
        "weight",
    ];
    let in_time = *scalar(&column.ty) == Type::Date || is_year(column);
    let large = column.label.split(' ').any(|w| LARGE.contains(&w)) && *scalar(&column.ty) == Type::Int;
    match (in_time, large, greatest) {
        (true, _, true) => "latest",
        (true, _, false) => "earliest",
        (false, true, true) => "greatest",
        (false, true, false) => "smallest",
        (false, false, true) => "highest",
        (false, false, false) => "lowest",
    }
}

/// The first letter in upper case; marks in front stay.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + chars.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_and_plurals() {
        assert_eq!(article("order"), "an");
        assert_eq!(article("unit"), "a");
        assert_eq!(article("utility"), "a");
        assert_eq!(article("hour"), "an");
        assert!(is_plural("unpaid fines"));
        assert!(is_plural("goals scored"));
        assert!(!is_plural("price paid"));
        assert!(!is_plural("number of copies on the shelf"));
        assert!(!is_plural("e-mail address"));
        assert!(!is_plural("status"));
        assert!(is_plural("litres taken"));
        assert!(is_plural("kilograms fed"));
        assert!(is_plural("tonnes sorted today"));
        assert!(is_plural("degrees below zero"));
        assert!(is_plural("hours to the next check"));
        assert!(!is_plural("share in percent"));
        assert!(!is_plural("species"));
    }

    #[test]
    fn phrases_for_many() {
        let check = |from: &str, to: &str| assert_eq!(pluralise(from), to);
        check("that is still out", "that are still out");
        check("that has been returned", "that have been returned");
        check("that expires on 3 March 2026", "that expire on 3 March 2026");
        check("who joined on 3 March 2026", "who joined on 3 March 2026");
        check("who carries a badge", "who carry a badge");
        check("that lies at the quay", "that lie at the quay");
        check("to Ann Lee", "to Ann Lee");
    }

    #[test]
    fn one_and_many() {
        assert_eq!(fill("renewed {} times", "1"), "renewed once");
        assert_eq!(fill("renewed {} times", "0"), "never renewed");
        assert_eq!(fill("with {} copies on the shelf", "0"), "with no copies on the shelf");
        assert_eq!(fill("with {} in stock", "0"), "with 0 in stock");
        assert_eq!(fill("renewed {} times", "more than 1"), "renewed more than once");
        assert_eq!(fill("with {} copies on the shelf", "1"), "with 1 copy on the shelf");
        assert_eq!(fill("with {} copies on the shelf", "3"), "with 3 copies on the shelf");
        assert_eq!(fill("with {} yellow cards", "1"), "with 1 yellow card");
        assert_eq!(fill("worth {} league points, so far", "1"), "worth 1 league point, so far");
        assert_eq!(fill("{} of its grounds", "1"), "1 of its grounds");
        assert_eq!(fill("in room {}", "1"), "in room 1");
    }
}

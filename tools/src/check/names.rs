//! Spelling rules for names, and the nearest known name to a misspelt one.

/// Names that tools, tables, parameters, enums and records may not have.
pub const RESERVED: [&str; 4] = ["submit", "money", "date", "tool_error"];

/// Names the language predeclares: nothing in a file may hide them.
pub const PREDECLARED: [&str; 51] = [
    "suite",
    "tool",
    "parameter",
    "enum",
    "record",
    "table",
    "key",
    "rows",
    "key_of",
    "option",
    "list",
    "int",
    "float",
    "bool",
    "str",
    "len",
    "sum",
    "min",
    "max",
    "any",
    "all",
    "sorted",
    "range",
    "today",
    "days",
    "money_of",
    "date_of",
    "percent",
    "require",
    "fail",
    "empty",
    "insert",
    "update",
    "update_all",
    "delete",
    "delete_all",
    "ref",
    "maybe",
    "derived",
    "one_of",
    "True",
    "False",
    "None",
    "print",
    "set",
    "dict",
    "round",
    "tuple",
    "enumerate",
    "zip",
    "abs",
];

/// Those of [`PREDECLARED`] that mean something in declarations only: variables and parameters may have these names.
const DECLARING: [&str; 17] = [
    "suite",
    "tool",
    "parameter",
    "enum",
    "record",
    "table",
    "key",
    "rows",
    "ref",
    "maybe",
    "derived",
    "one_of",
    "insert",
    "update",
    "update_all",
    "delete",
    "delete_all",
];

/// Whether no variable may have this name.
pub fn is_taken(name: &str) -> bool {
    PREDECLARED.contains(&name) && !DECLARING.contains(&name)
}

/// Functions the language predeclares, for suggestions; a name of the file hides those that [`PREDECLARED`] lacks.
pub const FUNCTIONS: [&str; 34] = [
    "len",
    "sum",
    "min",
    "max",
    "any",
    "all",
    "sorted",
    "reversed",
    "unique",
    "range",
    "enumerate",
    "zip",
    "list",
    "dict",
    "today",
    "days",
    "weeks",
    "add_months",
    "days_in_month",
    "money_of",
    "date_of",
    "percent",
    "round_money",
    "round",
    "fixed",
    "abs",
    "int",
    "float",
    "str",
    "matches",
    "require",
    "fail",
    "empty",
    "insert",
];

/// Whether a name is lower snake case and each of its words starts with a letter, so that it maps to WIT kebab case.
pub fn is_snake(name: &str) -> bool {
    name.len() <= 64 && words_are_lower(name.split('_'))
}

/// The same with hyphens.
pub fn is_kebab(name: &str) -> bool {
    name.len() <= 64 && words_are_lower(name.split('-'))
}

fn words_are_lower<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// Whether a name is upper camel case: `LoanLine`.
pub fn is_camel(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Lower snake case of an upper camel case name: `LoanLine` is `loan_line`, `HTTPPage` is `httppage`.
pub fn snake_of_camel(name: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        before = c;
    }
    out
}

/// The name of a record in the component's interface, with `_` for `-`: each capital starts a word.
pub fn interface_name(record: &str) -> String {
    let mut out = String::new();
    for c in record.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// What is wrong with a name that should be lower snake case; `None` if nothing.
pub fn snake_fault(what: &str, name: &str) -> Option<(String, String)> {
    if RESERVED.contains(&name) {
        let hint = format!("choose another name, for example `{name}_value`");
        return Some((format!("`{name}` is reserved and cannot name a {what}"), hint));
    }
    if is_snake(name) {
        return None;
    }
    let mut fixed = String::new();
    for word in snake_of_camel(name).split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        let digits = word.starts_with(|c: char| c.is_ascii_digit());
        if !fixed.is_empty() && !digits {
            fixed.push('_');
        }
        fixed.push_str(word);
    }
    let message = format!("`{name}` cannot name a {what}: names are lower_snake and each word starts with a letter");
    let hint =
        if is_snake(&fixed) { format!("write `{fixed}`") } else { "use letters a-z, digits and single `_`".into() };
    Some((message, hint))
}

/// The candidate that looks most like a word, if one looks alike.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() + 1) / 3;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let mut distance = distance(&word.to_lowercase(), &candidate.to_lowercase());
        let contained =
            word.len() >= 3 && candidate.len() >= 3 && (candidate.contains(word) || word.contains(candidate));
        if contained {
            distance = distance.min(limit);
        }
        if distance <= limit && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A hint for an unknown word: the nearest candidate, or the list when it is short.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(word, candidates.iter().copied()) {
        Some(found) => format!("did you mean `{found}`?"),
        None if candidates.is_empty() => String::new(),
        None if candidates.len() <= 16 => format!("there is {}", list(&candidates)),
        None => String::new(),
    }
}

/// `a`, `b` and `c`, in back quotes.
pub fn list(words: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{}`", w.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Edit distance with transpositions (optimal string alignment), over characters; words longer than 64 never match.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling() {
        assert!(is_snake("check_out") && is_snake("a1_b2"));
        for bad in ["", "a_", "_a", "a__b", "a_1", "A", "a-b", "é"] {
            assert!(!is_snake(bad), "{bad}");
        }
        assert_eq!(snake_of_camel("LoanLine2Go"), "loan_line2_go");
        assert_eq!(snake_fault("tool", "checkOut").unwrap().1, "write `check_out`");
        assert_eq!(snake_fault("tool", "top_10").unwrap().1, "write `top10`");
        assert!(snake_fault("tool", "submit").unwrap().0.contains("reserved"));
    }

    #[test]
    fn nearest_names() {
        assert_eq!(nearest("membr", ["book", "member"]), Some("member"));
        assert_eq!(nearest("teir", ["tier", "tree"]), Some("tier"));
        assert_eq!(nearest("zzz", ["tier"]), None);
        assert_eq!(did_you_mean("x", ["tier", "name"]), "there is `tier` and `name`");
    }
}

//! Names under which an environment shows tools and parameters: synonyms and styles, the same throughout one environment.

use crate::seed::Dice;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Verbs that say the same when they open a tool's name.
const VERBS: [&[&str]; 7] = [
    &["get", "fetch", "show", "read", "retrieve", "look_up"],
    &["find", "search", "query", "browse"],
    &["list", "show_all", "enumerate"],
    &["count", "tally"],
    &["update", "edit", "change", "modify"],
    &["register", "sign_up", "enrol"],
    &["cancel", "call_off", "withdraw"],
];

/// Names that hosts or WIT keep for themselves.
const RESERVED: [&str; 40] = [
    "submit",
    "money",
    "date",
    "tool_error",
    "use",
    "type",
    "func",
    "record",
    "enum",
    "flags",
    "variant",
    "static",
    "interface",
    "world",
    "import",
    "export",
    "package",
    "include",
    "resource",
    "constructor",
    "list",
    "option",
    "result",
    "tuple",
    "string",
    "bool",
    "char",
    "future",
    "stream",
    "own",
    "borrow",
    "as",
    "from",
    "with",
    "async",
    "error_context",
    "map",
    "s32",
    "s64",
    "f64",
];

/// How tools are named in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStyle {
    /// As the suite names them.
    Plain,
    /// Opening verbs replaced by a synonym.
    Synonym,
    /// A word of the suite's slug in front.
    Prefixed,
    /// The verb at the end.
    NounFirst,
}

/// How parameters are named in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterStyle {
    /// As the suite names them.
    Plain,
    /// `member_id` as `member`.
    Bare,
    /// `member_id` as `member_key`.
    Key,
    /// `member_id` as `id_of_member`.
    Of,
}

/// Names of one environment's tools and parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Naming {
    /// Tools.
    pub tools: ToolStyle,
    /// Parameters.
    pub parameters: ParameterStyle,
    /// Opening verb to its replacement, for [`ToolStyle::Synonym`].
    pub verbs: BTreeMap<String, String>,
    /// Word in front, for [`ToolStyle::Prefixed`].
    pub prefix: String,
}

impl Naming {
    /// A random naming for a suite.
    pub fn draw(slug: &str, dice: &mut Dice) -> Self {
        let tools = [ToolStyle::Plain, ToolStyle::Synonym, ToolStyle::Prefixed, ToolStyle::NounFirst]
            [dice.weighted(&[3, 5, 1, 1])];
        let parameters = [ParameterStyle::Plain, ParameterStyle::Bare, ParameterStyle::Key, ParameterStyle::Of]
            [dice.weighted(&[5, 3, 1, 1])];
        let verbs = match tools {
            ToolStyle::Synonym => VERBS
                .iter()
                .map(|group| (group[0].to_owned(), group[dice.below(group.len())].to_owned()))
                .filter(|(from, to)| from != to)
                .collect(),
            _ => BTreeMap::new(),
        };
        // Of linked suites no one word stands for all.
        let words: Vec<&str> = if slug.contains("-and-") { Vec::new() } else { slug.split('-').collect() };
        let words: Vec<&str> = words.into_iter().filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase())).collect();
        let prefix = match tools {
            ToolStyle::Prefixed => dice.pick(&words).copied().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        Naming { tools, parameters, verbs, prefix }
    }

    /// The name shown for a tool; the suite's own where the style gives a reserved name.
    pub fn tool(&self, name: &str) -> String {
        let shown = match self.tools {
            ToolStyle::Plain => name.to_owned(),
            ToolStyle::Synonym => match name.split_once('_') {
                Some((verb, rest)) => match self.verbs.get(verb) {
                    Some(other) => format!("{other}_{rest}"),
                    None => name.to_owned(),
                },
                None => name.to_owned(),
            },
            ToolStyle::Prefixed if self.prefix.is_empty() => name.to_owned(),
            ToolStyle::Prefixed => format!("{}_{name}", self.prefix),
            // Only where the first word is a known verb: `check_out` would become `out_check`.
            ToolStyle::NounFirst => match name.split_once('_') {
                Some((verb, rest)) if VERBS.iter().any(|g| g[0] == verb) => format!("{rest}_{verb}"),
                _ => name.to_owned(),
            },
        };
        if allowed(&shown) { shown } else { name.to_owned() }
    }

    /// The name shown for a parameter.
    pub fn parameter(&self, name: &str) -> String {
        let Some(noun) = name.strip_suffix("_id") else { return name.to_owned() };
        let shown = match self.parameters {
            ParameterStyle::Plain => name.to_owned(),
            ParameterStyle::Bare => noun.to_owned(),
            ParameterStyle::Key => format!("{noun}_key"),
            ParameterStyle::Of => format!("id_of_{noun}"),
        };
        if allowed(&shown) { shown } else { name.to_owned() }
    }
}

/// Whether a name may be shown: lower snake case whose words start with a letter, and not reserved.
fn allowed(name: &str) -> bool {
    !RESERVED.contains(&name)
        && name.split('_').all(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

/// Names made distinct: where two shown names meet, all take the suite's own.
pub fn distinct(own: &[String], shown: Vec<String>) -> Vec<String> {
    let unique: BTreeSet<&String> = shown.iter().collect();
    if unique.len() == shown.len() { shown } else { own.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(tools: ToolStyle, parameters: ParameterStyle) -> Naming {
        let verbs = BTreeMap::from([("get".to_owned(), "look_up".to_owned())]);
        Naming { tools, parameters, verbs, prefix: "desk".to_owned() }
    }

    #[test]
    fn styles() {
        let check = |style, name: &str, expected: &str| {
            assert_eq!(naming(style, ParameterStyle::Plain).tool(name), expected);
        };
        check(ToolStyle::Plain, "get_book", "get_book");
        check(ToolStyle::Synonym, "get_book", "look_up_book");
        check(ToolStyle::Synonym, "check_out", "check_out");
        check(ToolStyle::Prefixed, "get_book", "desk_get_book");
        check(ToolStyle::NounFirst, "get_book", "book_get");
        check(ToolStyle::NounFirst, "check_out", "check_out");
    }

    #[test]
    fn parameters_and_reserved_names() {
        let check = |style, name: &str, expected: &str| {
            assert_eq!(naming(ToolStyle::Plain, style).parameter(name), expected);
        };
        check(ParameterStyle::Bare, "member_id", "member");
        check(ParameterStyle::Bare, "record_id", "record_id");
        check(ParameterStyle::Key, "member_id", "member_key");
        check(ParameterStyle::Of, "member_id", "id_of_member");
        check(ParameterStyle::Bare, "amount", "amount");
    }

    #[test]
    fn clashes_fall_back_to_the_suites_names() {
        let own = ["a_id".to_owned(), "a".to_owned()];
        assert_eq!(distinct(&own, vec!["a".to_owned(), "a".to_owned()]), own);
        assert_eq!(distinct(&own, vec!["b".to_owned(), "a".to_owned()]), ["b", "a"]);
    }
}

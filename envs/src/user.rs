//! A simulated user, made from a task: leaves a detail out of the opening until asked, and changes its mind about another.
//!
//! The goal does not change. What the user first says is the task's prompt with one detail replaced by `…` and another by a wrong one
//! from the same column of the world; the missing detail comes with the first answer, the right one at the latest when the agent is
//! about to change something: the first write or `submit` is then refused with the code [`SPOKE`](crate::faults::SPOKE) and the correction follows. So an
//! agent that reads and asks can always solve the task, and one that guesses cannot. What is said when depends on task, world and
//! seed alone. A language model may word it ([`UserVoice`]); a wording that loses the detail is not used.

use crate::policy::PolicyFailure;
use crate::random::stream;
use async_trait::async_trait;
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands where a detail was left out.
const GAP: &str = "…";
/// Details of a prompt that are looked at.
const DETAILS_MAX: usize = 64;
/// Bytes of the shortest detail.
const DETAIL_BYTES_MIN: usize = 3;

const LEFT_OUT: [&str; 3] = [
    "I do not have everything at hand: ask me about what I left open (…).",
    "Where I wrote “…” I have to look it up; ask me.",
    "Ask me for what is missing (…).",
];
const REVEALS: [&str; 3] =
    ["Where it said “…”, I mean {}.", "I found it. Instead of “…” read {}.", "Right, that was missing: {}."];
const CHANGES: [&str; 3] = [
    "Sorry, I changed my mind: {right} instead of {wrong}. Everything else stays.",
    "Wait, I said {wrong}, but it must be {right}. The rest is as I said.",
    "One correction before you go on: not {wrong}, but {right}.",
];
const NOTHING_MORE: &str = "I have nothing to add. Finish with `submit` when you are done.";

/// What a user is about to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its plain words.
    pub text: String,
    /// What any other wording must contain.
    pub details: Vec<String>,
}

/// Who words what a user says.
#[async_trait]
pub trait UserVoice: Send {
    /// The words. `heard` is what the agent said last, empty if it only made calls.
    async fn say(&mut self, line: &Line, heard: &str) -> Result<String, PolicyFailure>;
}

/// A user voice for each episode.
pub trait UserModel: Send + Sync {
    /// A voice for an episode whose random stream starts at `seed`.
    fn voice(&self, seed: u64) -> Box<dyn UserVoice>;
}

/// A user's script in one episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    opening: String,
    /// The detail that was left out and has not been told yet.
    missing: Option<Line>,
    /// The correction that has not been told yet.
    change: Option<Line>,
    /// Whether the agent was told that there is nothing more.
    finished: bool,
}

impl Script {
    /// The script of a task with this prompt, in a world with these rows (`{"tables": {name: [rows]}}`, null if they cannot be read).
    pub fn new(prompt: &str, rows: &Value, seed: u64) -> Self {
        let mut rng = stream(seed, "user");
        let details = details(prompt, rows);
        let mut opening = prompt.to_owned();
        let changeable: Vec<&Detail> = details.iter().filter(|d| !d.others.is_empty()).collect();
        let change =
            changeable.choose(&mut rng).and_then(|d| Some((d.text.clone(), d.others.choose(&mut rng)?.clone())));
        let rest: Vec<&Detail> =
            details.iter().filter(|d| change.as_ref().is_none_or(|(right, _)| *right != d.text)).collect();
        // With a single detail, either is left out or changed, not both.
        let (missing, change) = match (rest.choose(&mut rng), change) {
            (Some(missing), change) => (Some(missing.text.clone()), change),
            (None, Some((right, _))) if rng.random_bool(0.5) => (Some(right), None),
            (None, change) => (None, change),
        };
        let missing = missing.map(|detail| {
            opening = replace(&opening, &detail, GAP);
            let text = pick(&REVEALS, &mut rng).replace("{}", &detail);
            Line { text, details: vec![detail] }
        });
        let change = change.map(|(right, wrong)| {
            opening = replace(&opening, &right, &wrong);
            let text = pick(&CHANGES, &mut rng).replace("{right}", &right).replace("{wrong}", &wrong);
            Line { text, details: vec![right] }
        });
        if missing.is_some() {
            opening.push_str("\n\n");
            opening.push_str(pick(&LEFT_OUT, &mut rng));
        }
        Script { opening, missing, change, finished: false }
    }

    /// The first message.
    pub fn opening(&self) -> &str {
        &self.opening
    }

    /// Whether a detail is missing that the agent may ask for.
    pub fn is_missing(&self) -> bool {
        self.missing.is_some()
    }

    /// What the user answers to a message without calls; none when it has nothing more to say.
    pub fn answer(&mut self) -> Option<Line> {
        if let Some(line) = self.missing.take() {
            return Some(line);
        }
        if let Some(line) = self.change.take() {
            return Some(line);
        }
        let first = !std::mem::replace(&mut self.finished, true);
        first.then(|| Line { text: NOTHING_MORE.to_owned(), details: Vec::new() })
    }

    /// What the user says before something is changed or submitted, if it has changed its mind.
    pub fn interrupt(&mut self) -> Option<Line> {
        self.change.take()
    }
}

impl Line {
    /// These words if they hold every detail, else the plain ones.
    pub fn worded(self, words: String) -> String {
        let holds = !words.trim().is_empty() && self.details.iter().all(|detail| words.contains(detail.as_str()));
        if holds { words } else { self.text }
    }
}

/// A part of a prompt that names something.
struct Detail {
    at: usize,
    text: String,
    /// What else stands in the same column of the world.
    others: Vec<String>,
}

fn pick<'a>(texts: &[&'a str], rng: &mut impl rand::Rng) -> &'a str {
    texts.choose(rng).copied().unwrap_or_default()
}

/// Names, quoted texts, amounts and dates in a prompt, in the order they stand there, none inside another.
fn details(prompt: &str, rows: &Value) -> Vec<Detail> {
    let mut found: Vec<Detail> = Vec::new();
    for (_, table) in rows.get("tables").and_then(Value::as_object).into_iter().flatten() {
        let Some(table) = table.as_array() else { continue };
        let Some(first) = table.first().and_then(Value::as_object) else { continue };
        for column in first.keys() {
            let values: BTreeSet<&str> = table.iter().filter_map(|row| row.get(column)?.as_str()).collect();
            for value in values.iter().filter(|v| names_something(v)) {
                let Some(at) = find(prompt, value) else { continue };
                let others = values.iter().filter(|o| **o != *value && names_something(o) && !prompt.contains(**o));
                found.push(Detail { at, text: (*value).to_owned(), others: others.map(|o| (*o).to_owned()).collect() });
            }
        }
    }
    let spoken = amounts_and_dates(prompt).into_iter().chain(quoted(prompt));
    found.extend(spoken.map(|(at, text)| Detail { at, text, others: Vec::new() }));
    // The longest at each place; of equals the one with others to confuse it with.
    found.sort_by(|a, b| {
        (a.at, b.text.len(), b.others.len()).cmp(&(b.at, a.text.len(), a.others.len())).then(a.text.cmp(&b.text))
    });
    let mut kept: Vec<Detail> = Vec::new();
    for detail in found {
        let inside = kept.last().is_some_and(|last| detail.at < last.at + last.text.len());
        if !inside && kept.len() < DETAILS_MAX {
            kept.push(detail);
        }
    }
    kept
}

/// Long enough, and not a plain word.
fn names_something(value: &str) -> bool {
    let counted = value.chars().any(|c| c.is_uppercase() || c.is_ascii_digit());
    value.len() >= DETAIL_BYTES_MIN && counted && value.chars().any(char::is_alphabetic)
}

/// Where a text stands as words of its own.
fn find(prompt: &str, text: &str) -> Option<usize> {
    prompt.match_indices(text).map(|(at, _)| at).find(|at| stands_alone(prompt, *at, text.len()))
}

fn stands_alone(prompt: &str, at: usize, length: usize) -> bool {
    let before = prompt[..at].chars().next_back();
    let after = prompt[at + length..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// Puts `new` wherever `old` stands as words of its own.
fn replace(text: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(old) {
        if stands_alone(text, at, old.len()) {
            out.push_str(&text[from..at]);
            out.push_str(new);
            from = at + old.len();
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Texts in quotation marks, without the marks.
fn quoted(prompt: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(open) = prompt[rest..].find('“').map(|i| rest + i + '“'.len_utf8()) {
        let Some(close) = prompt[open..].find('”').map(|i| open + i) else { break };
        if close - open >= DETAIL_BYTES_MIN {
            found.push((open, prompt[open..close].to_owned()));
        }
        rest = close;
    }
    found
}

/// `$12.50` and `3 March 2026`.
fn amounts_and_dates(prompt: &str) -> Vec<(usize, String)> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let base = prompt.as_ptr() as usize;
    let words: Vec<(usize, &str)> = prompt.split_whitespace().map(|w| (w.as_ptr() as usize - base, w)).collect();
    let mut found = Vec::new();
    for (i, (at, word)) in words.iter().enumerate() {
        if word.starts_with('$') {
            let amount = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            if amount.len() > 1 {
                found.push((*at, amount.to_owned()));
            }
        }
        let day = word.parse::<u32>().is_ok_and(|day| (1..=31).contains(&day));
        if let (true, Some((_, month)), Some((year_at, year))) = (day, words.get(i + 1), words.get(i + 2))
            && MONTHS.contains(month)
        {
            let year = year.trim_end_matches(|c: char| !c.is_ascii_digit());
            if year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) {
                found.push((*at, prompt[*at..year_at + 4].to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Value {
        json!({"tables": {
            "member": [{"id": "M-1", "name": "Ann Lee", "tier": "standard"}, {"id": "M-2", "name": "Bo Ray", "tier": "student"}],
            "book": [{"id": "B-1", "title": "The River"}, {"id": "B-2", "title": "River"}, {"id": "B-3", "title": "Old Songs"}]
        }})
    }

    const PROMPT: &str = "Lend “The River” to Ann Lee until 3 March 2026 and take $12.50 from Ann Lee.";

    #[test]
    fn details_are_names_texts_amounts_and_dates() {
        let found: Vec<String> = details(PROMPT, &rows()).into_iter().map(|d| d.text).collect();
        assert_eq!(found, ["The River", "Ann Lee", "3 March 2026", "$12.50"]);
        assert!(details("what is standard here?", &rows()).is_empty(), "plain words are no details");
    }

    #[test]
    fn the_whole_prompt_can_be_had_by_asking() {
        for seed in 0..50 {
            let mut script = Script::new(PROMPT, &rows(), seed);
            assert_eq!(script, Script::new(PROMPT, &rows(), seed));
            let opening = script.opening().to_owned();
            assert!(opening.contains(GAP) && script.is_missing(), "{opening}");
            let told = script.answer().expect("the missing detail");
            let missing = &told.details[0];
            assert!(!opening.contains(missing.as_str()) && PROMPT.contains(missing.as_str()), "{opening} / {told:?}");
            let change = script.interrupt().expect("a change of mind");
            let right = &change.details[0];
            assert!(!opening.contains(right.as_str()) && PROMPT.contains(right.as_str()), "{opening} / {change:?}");
            assert_ne!(missing, right);
            assert_eq!((script.interrupt(), script.is_missing()), (None, false));
            assert!(script.answer().is_some_and(|l| l.text.contains("submit")));
            assert_eq!(script.answer(), None);
        }
    }

    #[test]
    fn a_prompt_without_details_stays_as_it_is() {
        let script = Script::new("How many are there?", &Value::Null, 1);
        assert_eq!((script.opening(), script.is_missing()), ("How many are there?", false));
    }

    #[test]
    fn a_wording_without_the_detail_is_not_used() {
        let line = Line { text: "I mean Ann Lee.".into(), details: vec!["Ann Lee".into()] };
        assert_eq!(line.clone().worded("Ann Lee, of course!".into()), "Ann Lee, of course!");
        assert_eq!(line.worded("You know who.".into()), "I mean Ann Lee.");
    }
}

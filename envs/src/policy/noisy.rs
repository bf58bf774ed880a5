//! The noisy expert: follows the reference solution, but errs on the way as people and models do, reads what comes of it, and puts it
//! right. Its episodes end solved; they are data for fine-tuning on recovery.
//!
//! Its mistakes are wrong arguments (missing, misnamed, of the wrong form), tool names that are nearly right, near-miss entities (a
//! neighbour's key, a name with a slip), look-ups that were made before, and acting before looking up (a name where a key is
//! wanted). None can change the world in a way that the solution does not: a mistake in a write is one that the tool must refuse.

use super::expert::{made, message_call, passing_code, was_refused_in_passing};
use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::message::{Message, MessageCall};
use crate::random::stream;
use crate::submit;
use crate::task::ToolCall;
use crate::tool::ToolSpec;
use async_trait::async_trait;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Mistakes an episode: from 1 to this many, as far as the solution has places for them.
const MISTAKES_MAX: usize = 3;

/// The policy `noisy-expert`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoisyExpert;

impl Policy for NoisyExpert {
    fn label(&self) -> String {
        "noisy-expert".to_owned()
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(Noisy {
            rng: stream(seed, "noisy expert"),
            next: None,
            errs: BTreeSet::new(),
            slip: None,
            asked: false,
        })
    }

    fn scripted(&self) -> bool {
        true
    }
}

struct Noisy {
    rng: ChaCha8Rng,
    /// The next call of the solution; none before the first message.
    next: Option<usize>,
    /// Calls of the solution before which it errs.
    errs: BTreeSet<usize>,
    /// The mistake that was made last and has not been put right.
    slip: Option<Slip>,
    asked: bool,
}

/// Ways to err.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    Missing,
    Misnamed,
    Form,
    Tool,
    NearMiss,
    Again,
    TooEarly,
}

const SLIPS: [Slip; 7] =
    [Slip::Missing, Slip::Misnamed, Slip::Form, Slip::Tool, Slip::NearMiss, Slip::Again, Slip::TooEarly];

#[async_trait]
impl Agent for Noisy {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let solution = &situation.task.solution;
        let next = match self.next {
            Some(next) => next,
            None => {
                let next = made(situation.messages, solution);
                self.choose_errors(next, solution.len());
                next
            }
        };
        if situation.missing && !self.asked {
            self.asked = true;
            self.next = Some(next);
            let asks =
                ["Something is left open in what you ask. What is it?", "Which one do you mean? You left that open."];
            return Ok(says(asks.choose(&mut self.rng).unwrap_or(&asks[0])));
        }
        if was_refused_in_passing(situation.messages)
            && let Some(call) = last_call(situation.messages)
        {
            let why = match last_result(situation.messages).and_then(passing_code) {
                Some("timeout") => "No answer in time; I try again.",
                Some("rate_limited") => "That was too fast; once more.",
                Some(crate::faults::SPOKE) => "I have read what you say; I go on with that in mind.",
                _ => "That call was left out; I make it again.",
            };
            return Ok(PolicyTurn { calls: vec![call], ..says(why) });
        }
        let mut turn = PolicyTurn::default();
        if let Some(slip) = self.slip.take() {
            turn.content = self.regret(slip, last_result(situation.messages));
        }
        if self.errs.remove(&next)
            && let Some((slip, call)) = self.err(&situation, next)
        {
            self.slip = Some(slip);
            self.next = Some(next);
            turn.calls.push(call);
            return Ok(turn);
        }
        if let Some(call) = solution.get(next) {
            turn.calls.push(message_call(call));
        }
        self.next = Some(next + 1);
        Ok(turn)
    }
}

fn says(text: &str) -> PolicyTurn {
    PolicyTurn { content: text.to_owned(), ..PolicyTurn::default() }
}

fn last_result(messages: &[Message]) -> Option<&str> {
    messages.iter().rev().find_map(|m| match m {
        Message::Tool { content, .. } => Some(content.as_str()),
        _ => None,
    })
}

fn last_call(messages: &[Message]) -> Option<MessageCall> {
    messages.iter().rev().find_map(|m| match m {
        Message::Assistant { calls, .. } => calls.last().cloned(),
        _ => None,
    })
}

/// A message of a tool as a whole sentence.
fn sentence(error: &str) -> String {
    let mut letters = error.trim_end().chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if error.trim_end().ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl Noisy {
    /// What it says when it sees what its mistake led to.
    fn regret(&mut self, slip: Slip, result: Option<&str>) -> String {
        let error = result
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .and_then(|value| Some(sentence(value.pointer("/error/message")?.as_str()?)));
        let known = ["I knew that already; on with it.", "I had looked that up before.", "Nothing new there; I go on."];
        let not_it = [
            "That is not the one I am looking for. I look again, exactly as asked.",
            "That was the wrong one. I take it from the request, word for word.",
            "Not what was meant. Once more, with the right one.",
        ];
        let early = [
            "I need the identifier itself.",
            "I guessed where I should have looked it up.",
            "A name will not do here; I use the identifier.",
        ];
        let refused = ["I correct the call.", "I call it again as it should be.", "That was my mistake; I mend it."];
        let other = ["That was not what I wanted; I do it properly.", "That did not help; I do it the right way."];
        let (error, says): (_, &[&str]) = match (slip, error) {
            (Slip::Again, _) => (None, &known),
            (Slip::NearMiss, None) => (None, &not_it),
            (Slip::TooEarly, Some(error)) => (Some(error), &early),
            (_, Some(error)) => (Some(error), &refused),
            (_, None) => (None, &other),
        };
        let said = says.choose(&mut self.rng).copied().unwrap_or_default();
        error.map_or_else(|| said.to_owned(), |error| format!("{error} {said}"))
    }

    fn choose_errors(&mut self, from: usize, calls: usize) {
        let mut places: Vec<usize> = (from..calls).collect();
        places.shuffle(&mut self.rng);
        let count = self.rng.random_range(1..=MISTAKES_MAX);
        self.errs = places.into_iter().take(count).collect();
    }

    /// A wrong call in the place of call `next` of the solution, of a kind that is possible there.
    fn err(&mut self, situation: &Situation<'_>, next: usize) -> Option<(Slip, MessageCall)> {
        let right = situation.task.solution.get(next)?;
        let tool = situation.tools.iter().find(|t| t.name == right.name)?;
        let mut slips = SLIPS;
        slips.shuffle(&mut self.rng);
        slips.into_iter().find_map(|slip| {
            let wrong = match slip {
                Slip::Missing => self.missing(right, tool),
                Slip::Misnamed => self.misnamed(right, tool),
                Slip::Form => self.form(right, tool),
                Slip::Tool => misspelt(right, situation.tools),
                Slip::NearMiss if !tool.writes && tool.name != submit::NAME => self.near_miss(right, tool, situation),
                Slip::NearMiss => None,
                Slip::Again => self.again(situation, next),
                Slip::TooEarly => self.too_early(right, tool, situation),
            }?;
            Some((slip, message_call(&wrong)))
        })
    }

    fn missing(&mut self, right: &ToolCall, tool: &ToolSpec) -> Option<ToolCall> {
        let given: Vec<&str> = required(tool).into_iter().filter(|n| right.arguments.get(*n).is_some()).collect();
        let left_out = *given.choose(&mut self.rng)?;
        with(right, |arguments| drop(arguments.shift_remove(left_out)))
    }

    fn misnamed(&mut self, right: &ToolCall, tool: &ToolSpec) -> Option<ToolCall> {
        if tool.parameters.get("additionalProperties") != Some(&Value::Bool(false)) {
            return None;
        }
        let names: Vec<String> = right.arguments.as_object()?.keys().cloned().collect();
        let name = names.choose(&mut self.rng)?;
        let other = match name.strip_suffix("_id") {
            Some(stem) => stem.to_owned(),
            None if self.rng.random_bool(0.5) => format!("{name}_value"),
            None => format!("the_{name}"),
        };
        if tool.parameters.pointer("/properties")?.get(&other).is_some() {
            return None;
        }
        with(right, |arguments| {
            *arguments = std::mem::take(arguments)
                .into_iter()
                .map(|(key, value)| (if key == *name { other.clone() } else { key }, value))
                .collect();
        })
    }

    /// A number, an amount, a date or a case of an enumeration written as no schema takes it.
    fn form(&mut self, right: &ToolCall, tool: &ToolSpec) -> Option<ToolCall> {
        // A submission is judged as it stands: no error comes back to recover from.
        if tool.name == submit::NAME {
            return None;
        }
        let arguments = right.arguments.as_object()?;
        let strict = arguments.iter().filter(|(name, value)| {
            let schema = property(tool, name);
            let patterned = schema.get("pattern").is_some() || schema.get("enum").is_some();
            (value.is_number() && !takes_text(schema)) || (value.is_string() && patterned)
        });
        let strict: Vec<(&String, &Value)> = strict.collect();
        let (name, value) = *strict.choose(&mut self.rng)?;
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let schema = property(tool, name);
        let wrong = if schema.get("enum").is_some() {
            format!("{} (please)", plain.replace('_', " "))
        } else if schema.get("format").is_some_and(|f| f == "date") {
            plain.split('-').rev().collect::<Vec<_>>().join("/")
        } else if value.is_number() {
            format!("{plain} in all")
        } else {
            format!("{plain} dollars")
        };
        with(right, |arguments| drop(arguments.insert(name.clone(), Value::from(wrong))))
    }

    /// A neighbour's key, or a text with a slip of the pen, in a look-up.
    fn near_miss(&mut self, right: &ToolCall, tool: &ToolSpec, situation: &Situation<'_>) -> Option<ToolCall> {
        let arguments = right.arguments.as_object()?;
        let texts = arguments.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).filter(|(name, _)| {
            let schema = property(tool, name);
            schema.get("pattern").is_none() && schema.get("enum").is_none()
        });
        let texts: Vec<(&String, &str)> = texts.collect();
        let (name, text) = *texts.choose(&mut self.rng)?;
        let wrong = match key_prefix(text) {
            Some(prefix) => {
                let seen = seen_texts(situation.messages);
                let neighbours: Vec<&String> =
                    seen.iter().filter(|s| *s != text && key_prefix(s) == Some(prefix)).collect();
                neighbours.choose(&mut self.rng).map(|s| (*s).clone())?
            }
            None => slip_of_the_pen(text)?,
        };
        with(right, |arguments| drop(arguments.insert(name.clone(), Value::from(wrong))))
    }

    /// A look-up of the solution that was made before.
    fn again(&mut self, situation: &Situation<'_>, next: usize) -> Option<ToolCall> {
        let reads: Vec<&ToolCall> = situation.task.solution[..next]
            .iter()
            .filter(|call| situation.tools.iter().any(|t| t.name == call.name && !t.writes))
            .collect();
        reads.choose(&mut self.rng).map(|call| (*call).clone())
    }

    /// A name of the prompt where a key is wanted, that was to be looked up first.
    fn too_early(&mut self, right: &ToolCall, tool: &ToolSpec, situation: &Situation<'_>) -> Option<ToolCall> {
        let seen = seen_texts(situation.messages);
        let keys = right.arguments.as_object()?.iter().filter(|(name, value)| {
            let text = value.as_str().unwrap_or_default();
            says_key(property(tool, name)) && key_prefix(text).is_some() && seen.contains(text)
        });
        let keys: Vec<(&String, &Value)> = keys.collect();
        let (name, _) = *keys.choose(&mut self.rng)?;
        let names = names_in(situation.messages);
        let guess = names.choose(&mut self.rng)?.clone();
        with(right, |arguments| drop(arguments.insert(name.clone(), Value::from(guess))))
    }
}

/// The call with other arguments; none if they came out the same.
fn with(right: &ToolCall, change: impl FnOnce(&mut Map<String, Value>)) -> Option<ToolCall> {
    let mut arguments = right.arguments.as_object()?.clone();
    change(&mut arguments);
    let arguments = Value::Object(arguments);
    (arguments != right.arguments).then(|| ToolCall { name: right.name.clone(), arguments })
}

fn required(tool: &ToolSpec) -> Vec<&str> {
    let names = tool.parameters.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn property<'t>(tool: &'t ToolSpec, name: &str) -> &'t Value {
    static NULL: Value = Value::Null;
    tool.parameters.get("properties").and_then(|p| p.get(name)).unwrap_or(&NULL)
}

fn takes_text(schema: &Value) -> bool {
    let text = |ty: &Value| ty == "string";
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(text),
        Some(one) => text(one),
        // `anyOf` and the like: whatever it is, it may take one.
        None => true,
    }
}

/// Whether a parameter's description says that it is a key.
fn says_key(schema: &Value) -> bool {
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    description.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "id" | "key"))
}

/// What stands before the digits of a key such as `M-0042`.
fn key_prefix(text: &str) -> Option<&str> {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let keyed = stem.len() < text.len() && !stem.is_empty() && !text.contains(char::is_whitespace);
    (keyed && stem.chars().any(char::is_alphabetic)).then_some(stem)
}

/// Texts in the results so far.
fn seen_texts(messages: &[Message]) -> BTreeSet<String> {
    fn collect(value: Value, seen: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(seen.insert(text)),
            Value::Array(items) => items.into_iter().for_each(|v| collect(v, seen)),
            Value::Object(fields) => fields.into_iter().for_each(|(_, v)| collect(v, seen)),
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    for message in messages {
        if let Message::Tool { content, .. } = message
            && let Ok(value) = serde_json::from_str(content)
        {
            collect(value, &mut seen);
        }
    }
    seen
}

/// Quoted texts and runs of capitalised words of the user's messages, with a space in them, so that none can be a key.
fn names_in(messages: &[Message]) -> Vec<String> {
    let mut names = Vec::new();
    for message in messages {
        let Message::User { content } = message else { continue };
        let quoted = content.split(['“', '”']).skip(1).step_by(2).map(str::to_owned);
        names.extend(quoted);
        let mut run: Vec<&str> = Vec::new();
        for word in content.split_whitespace() {
            let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
            if word.starts_with('“') {
                names.push(std::mem::take(&mut run).join(" "));
            }
            if plain.starts_with(char::is_uppercase) {
                run.push(plain);
            } else {
                names.push(std::mem::take(&mut run).join(" "));
            }
        }
        names.push(run.join(" "));
    }
    names.retain(|name| name.contains(' '));
    names
}

/// A text with two letters swapped in its longest word.
fn slip_of_the_pen(text: &str) -> Option<String> {
    let word = text.split_whitespace().max_by_key(|w| w.chars().count())?;
    let mut letters: Vec<char> = word.chars().collect();
    let at = (1..letters.len().saturating_sub(1)).rev().find(|i| letters[*i] != letters[i + 1])?;
    letters.swap(at, at + 1);
    Some(text.replacen(word, &letters.into_iter().collect::<String>(), 1))
}

/// A tool name that is nearly right.
fn misspelt(right: &ToolCall, tools: &[ToolSpec]) -> Option<ToolCall> {
    let name = match right.name.strip_suffix('s') {
        Some(stem) => stem.to_owned(),
        None => format!("{}s", right.name),
    };
    let free = tools.iter().all(|t| t.name != name);
    free.then(|| ToolCall { name, arguments: right.arguments.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_names_and_slips() {
        assert_eq!((key_prefix("M-0042"), key_prefix("loan_7")), (Some("M-"), Some("loan_")));
        assert_eq!((key_prefix("Ann Lee"), key_prefix("12.50"), key_prefix("The 39 Steps 2")), (None, None, None));
        assert_eq!(slip_of_the_pen("Ann Lee").as_deref(), None, "nothing to swap");
        assert_eq!(slip_of_the_pen("The River").as_deref(), Some("The Rivre"));
        let said = [Message::User { content: "Lend “The River” to Ann Lee, please.".into() }];
        assert_eq!(names_in(&said), ["The River", "The River", "Ann Lee"]);
    }

    #[test]
    fn regrets_quote_the_error() {
        let mut noisy =
            Noisy { rng: stream(0, "noisy expert"), next: None, errs: BTreeSet::new(), slip: None, asked: false };
        let error = r#"{"error":{"code":"not_found","message":"no member X; did you mean Y?"}}"#;
        let said = noisy.regret(Slip::TooEarly, Some(error));
        assert!(said.starts_with("No member X; did you mean Y? ") && said.len() > 40, "{said}");
        assert!(!noisy.regret(Slip::NearMiss, Some("[]")).contains("error"));
        assert_eq!(sentence("there is no loan 7"), "There is no loan 7.");
    }
}

//! Completion text to a message, tolerantly and as it comes.
//!
//! [`super::parse`] accepts exactly the format. Models do not always keep to it, so an agent loop reads with a [`Reader`]:
//! it takes text in pieces of any size, gives reasoning, content and calls as soon as they are certain, and never fails.
//! What is merely untidy is accepted (other white space between tags, ASCII bars in `｜DSML｜`, no blank line before the
//! block, a missing closing tag before the next one, no `string` attribute, a message cut off after a whole call); a call
//! that cannot be understood becomes a [`BadCall`] with a [`CallError`] that says what to write instead. Text that keeps
//! to the format is read as [`super::parse`] reads it.

use serde_json::Value;

use super::json::{dumps, quoted};
use super::{EOS, THINK_END, ThinkingMode};

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the reasoning.
    Reasoning(String),
    /// More of the content.
    Content(String),
    Call(Call),
    BadCall(BadCall),
}

/// A call as the model meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// A JSON object in Python's spacing, parameters in the order they were written.
    pub arguments: String,
}

/// A call that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCall {
    pub name: Option<String>,
    /// What was written.
    pub text: String,
    pub error: CallError,
}

/// Why a call cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    #[error("the call has no name: write <｜DSML｜invoke name=\"TOOL\">")]
    NoName,
    #[error("the call ends before its tag </｜DSML｜invoke>")]
    Unfinished,
    #[error("parameter {number} has no name: write <｜DSML｜parameter name=\"NAME\" string=\"true|false\">")]
    ParameterName { number: usize },
    #[error("parameter `{name}` ends before its tag </｜DSML｜parameter>")]
    ParameterUnfinished { name: String },
    #[error("parameter `{name}` is given twice")]
    Duplicate { name: String },
    #[error(
        "parameter `{name}` is marked string=\"false\" but is not JSON ({reason}): mark a text with string=\"true\""
    )]
    NotJson { name: String, reason: String },
    #[error("there is text between parameters: `{text}`")]
    StrayText { text: String },
}

/// A message put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub reasoning: String,
    pub content: String,
    /// In the order they were written.
    pub calls: Vec<std::result::Result<Call, BadCall>>,
}

/// Read a whole completion.
pub fn read(text: &str, mode: ThinkingMode) -> Message {
    let mut reader = Reader::new(mode);
    let mut message = Message::default();
    let mut pieces = reader.push(text);
    pieces.extend(reader.finish());
    for piece in pieces {
        match piece {
            Piece::Reasoning(text) => message.reasoning.push_str(&text),
            Piece::Content(text) => message.content.push_str(&text),
            Piece::Call(call) => message.calls.push(Ok(call)),
            Piece::BadCall(call) => message.calls.push(Err(call)),
        }
    }
    message
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reasoning,
    Content,
    Calls,
    End,
}

/// Takes a completion in pieces of text and gives its parts as soon as they are certain.
#[derive(Debug)]
pub struct Reader {
    phase: Phase,
    /// Text not yet given: the beginning of a tag, perhaps, or of a call.
    rest: String,
}

/// The bars of a tag as they should be, and as they are sometimes written.
const BARS: [&str; 2] = ["｜DSML｜", "|DSML|"];

impl Reader {
    /// A reader of one completion: what follows the prompt.
    pub fn new(mode: ThinkingMode) -> Self {
        let phase = if mode == ThinkingMode::Thinking { Phase::Reasoning } else { Phase::Content };
        Self { phase, rest: String::new() }
    }

    /// More text.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.rest.push_str(text);
        self.advance(false)
    }

    /// The completion is over: what was held back.
    pub fn finish(&mut self) -> Vec<Piece> {
        self.advance(true)
    }

    fn advance(&mut self, last: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        loop {
            let before = (self.phase, self.rest.len());
            match self.phase {
                Phase::Reasoning | Phase::Content => self.text(last, &mut pieces),
                Phase::Calls => self.call(last, &mut pieces),
                Phase::End => self.rest.clear(),
            }
            if before == (self.phase, self.rest.len()) {
                return pieces;
            }
        }
    }

    /// Give text up to the next tag, or as much as cannot be the beginning of one.
    fn text(&mut self, last: bool, pieces: &mut Vec<Piece>) {
        let reasoning = self.phase == Phase::Reasoning;
        let mut marks: Vec<(String, Phase)> = vec![(EOS.to_owned(), Phase::End)];
        for bars in BARS {
            // The separator belongs to the tag; the longest comes first, so that it is found first.
            for separator in ["\n\n", "\n", ""] {
                marks.push((format!("{separator}<{bars}function_calls>"), Phase::Calls));
            }
        }
        if reasoning {
            marks.push((THINK_END.to_owned(), Phase::Content));
        }
        let found = marks.iter().filter_map(|(mark, next)| Some((self.rest.find(mark)?, mark.len(), *next)));
        let found = found.min_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)));
        let (end, skip, next) = found.unwrap_or_else(|| {
            let held = if last { 0 } else { marks.iter().map(|(mark, _)| held(&self.rest, mark)).max().unwrap_or(0) };
            (self.rest.len() - held, 0, self.phase)
        });
        let text: String = self.rest.drain(..end).collect();
        self.rest.drain(..skip);
        self.phase = next;
        if !text.is_empty() {
            pieces.push(if reasoning { Piece::Reasoning(text) } else { Piece::Content(text) });
        }
    }

    /// Give the next call once it is whole.
    fn call(&mut self, last: bool, pieces: &mut Vec<Piece>) {
        let tag = |name: &str| first(&self.rest, 0, &BARS.map(|bars| format!("<{bars}{name}")));
        let close = |name: &str, from: usize| first(&self.rest, from, &BARS.map(|bars| format!("</{bars}{name}>")));
        let open = tag("invoke");
        let block_end = close("function_calls", 0).map(|(at, _)| at);
        let end_token = first(&self.rest, 0, &[EOS.to_owned()]).map(|(at, _)| at);
        let over = block_end.into_iter().chain(end_token).min();
        let Some((start, body)) = open.filter(|(at, _)| over.is_none_or(|over| *at < over)) else {
            if over.is_some() || last {
                self.phase = Phase::End;
            }
            return;
        };
        let closed = close("invoke", body);
        let next_open = first(&self.rest, body, &BARS.map(|bars| format!("<{bars}invoke"))).map(|(at, _)| at);
        let cut = next_open.into_iter().chain(over).min();
        let (end, after, whole) = match (closed, cut) {
            (Some((at, after)), cut) if cut.is_none_or(|cut| at < cut) => (at, after, true),
            (_, Some(cut)) => (cut, cut, true),
            _ if last => (self.rest.len(), self.rest.len(), false),
            _ => return,
        };
        let text = self.rest[start..after].to_owned();
        let body = self.rest[body..end].to_owned();
        self.rest.drain(..after);
        pieces.push(match call(&body, whole) {
            Ok(call) => Piece::Call(call),
            Err((name, error)) => Piece::BadCall(BadCall { name, text, error }),
        });
    }
}

/// The earliest of several tags from `from` on: where it begins and where it ends.
fn first(text: &str, from: usize, tags: &[String]) -> Option<(usize, usize)> {
    let found =
        tags.iter().filter_map(|tag| text[from..].find(tag.as_str()).map(|at| (from + at, from + at + tag.len())));
    found.min()
}

/// Bytes at the end of `text` that may be the beginning of `mark`.
fn held(text: &str, mark: &str) -> usize {
    let longest = mark.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|&length| mark.is_char_boundary(length) && text.as_bytes().ends_with(&mark.as_bytes()[..length]))
        .unwrap_or(0)
}

type Bad = (Option<String>, CallError);

/// What stands between `<｜DSML｜invoke` and its closing tag; `whole` says whether anything followed it.
fn call(body: &str, whole: bool) -> Result<Call, Bad> {
    let (head, mut rest) = body.split_once('>').ok_or((None, CallError::NoName))?;
    let name = attribute(head, "name").filter(|name| !name.is_empty()).ok_or((None, CallError::NoName))?;
    let bad = |error| (Some(name.to_owned()), error);
    if !whole {
        return Err(bad(CallError::Unfinished));
    }
    let mut arguments: Vec<(&str, String)> = Vec::new();
    loop {
        let open = first(rest, 0, &BARS.map(|bars| format!("<{bars}parameter")));
        let before = &rest[..open.map_or(rest.len(), |(at, _)| at)];
        if !before.trim().is_empty() {
            return Err(bad(CallError::StrayText { text: before.trim().chars().take(80).collect() }));
        }
        let Some((_, after)) = open else { break };
        let number = arguments.len() + 1;
        let (head, value) = rest[after..].split_once('>').ok_or_else(|| bad(CallError::ParameterName { number }))?;
        let key = attribute(head, "name").ok_or_else(|| bad(CallError::ParameterName { number }))?;
        let (end, next) = first(value, 0, &BARS.map(|bars| format!("</{bars}parameter>")))
            .ok_or_else(|| bad(CallError::ParameterUnfinished { name: key.to_owned() }))?;
        if arguments.iter().any(|(earlier, _)| *earlier == key) {
            return Err(bad(CallError::Duplicate { name: key.to_owned() }));
        }
        let text = &value[..end];
        let json = serde_json::from_str::<Value>(text);
        let value_text = match (attribute(head, "string"), json) {
            (Some("true"), _) => quoted(text),
            (None, Ok(Value::String(_)) | Err(_)) => quoted(text),
            (Some("false"), Ok(_)) => text.to_owned(),
            (_, Ok(value)) => dumps(&value),
            (_, Err(error)) => {
                return Err(bad(CallError::NotJson { name: key.to_owned(), reason: error.to_string() }));
            }
        };
        arguments.push((key, value_text));
        rest = &value[next..];
    }
    let fields: Vec<String> = arguments.iter().map(|(key, value)| format!("{}: {value}", quoted(key))).collect();
    Ok(Call { name: name.to_owned(), arguments: format!("{{{}}}", fields.join(", ")) })
}

/// The value of `name="..."` in the head of a tag.
fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = head.split_once(&format!("{name}=\""))?;
    after.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "\n\n<｜DSML｜function_calls>\n";
    const CLOSE: &str = "\n</｜DSML｜function_calls>";

    fn invoke(parameters: &str) -> String {
        format!("<｜DSML｜invoke name=\"f\">\n{parameters}\n</｜DSML｜invoke>")
    }

    fn parameter(name: &str, string: &str, value: &str) -> String {
        format!("<｜DSML｜parameter name=\"{name}\"{string}>{value}</｜DSML｜parameter>")
    }

    fn only_call(text: &str) -> std::result::Result<Call, BadCall> {
        let mut message = read(text, ThinkingMode::Chat);
        assert_eq!(message.calls.len(), 1, "{text}");
        message.calls.remove(0)
    }

    fn good(text: &str, arguments: &str) {
        assert_eq!(only_call(text), Ok(Call { name: "f".into(), arguments: arguments.into() }), "{text}");
    }

    fn bad(text: &str, expected: CallError) {
        assert_eq!(only_call(text).expect_err(text).error, expected);
    }

    #[test]
    fn untidy_calls_are_understood() {
        let a = parameter("a", " string=\"true\"", "x < y \"z\"");
        good(&format!("{OPEN}{}{CLOSE}{EOS}", invoke(&a)), r#"{"a": "x < y \"z\""}"#);
        good(&format!("{OPEN}{}", invoke(&a)), r#"{"a": "x < y \"z\""}"#);
        good(&format!("I look.<｜DSML｜function_calls>{}  {CLOSE}", invoke(&a)), r#"{"a": "x < y \"z\""}"#);
        good(&format!("{OPEN}{}{CLOSE}{EOS}", invoke(&a)).replace('｜', "|"), r#"{"a": "x < y \"z\""}"#);
        good(&format!("{OPEN}<｜DSML｜invoke name=\"f\">{a}{CLOSE}"), r#"{"a": "x < y \"z\""}"#);
        good(&format!("{OPEN}{}{CLOSE}", invoke("")), "{}");
        let untyped = [parameter("n", "", "3"), parameter("t", "", "three"), parameter("l", "", "[1,2]")].concat();
        good(&format!("{OPEN}{}{CLOSE}", invoke(&untyped)), r#"{"n": 3, "t": "three", "l": [1, 2]}"#);
        good(&format!("{OPEN}{}{CLOSE}", invoke(&parameter("n", " string=\"false\"", "[1,2]"))), r#"{"n": [1,2]}"#);
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        let (a, n) = (parameter("a", " string=\"true\"", "x"), parameter("n", " string=\"false\"", "x"));
        let block = |inside: &str| format!("{OPEN}{inside}{CLOSE}{EOS}");
        bad(&block(&invoke(&format!("{a}{a}"))), CallError::Duplicate { name: "a".into() });
        let error = only_call(&block(&invoke(&n))).expect_err("not JSON");
        assert!(matches!(&error.error, CallError::NotJson { name, .. } if name == "n"), "{error:?}");
        assert_eq!(error.name.as_deref(), Some("f"));
        assert!(error.text.starts_with("<｜DSML｜invoke name=\"f\">") && error.text.ends_with("</｜DSML｜invoke>"));
        bad(&block("<｜DSML｜invoke>\n</｜DSML｜invoke>"), CallError::NoName);
        bad(&block("<｜DSML｜invoke name=\"\">\n</｜DSML｜invoke>"), CallError::NoName);
        bad(&block(&invoke(&format!("{a} and {a}"))), CallError::StrayText { text: "and".into() });
        bad(
            &block(&invoke("<｜DSML｜parameter string=\"true\">x</｜DSML｜parameter>")),
            CallError::ParameterName { number: 1 },
        );
        bad(&block(&invoke("<｜DSML｜parameter name=\"a\">x")), CallError::ParameterUnfinished { name: "a".into() });
        bad(&format!("{OPEN}<｜DSML｜invoke name=\"f\">\n{a}"), CallError::Unfinished);
    }

    #[test]
    fn one_bad_call_does_not_spoil_the_others() {
        let calls = [invoke(&parameter("n", " string=\"false\"", "x")), invoke("")].join("\n");
        let message = read(&format!("So.{OPEN}{calls}{CLOSE}{EOS}"), ThinkingMode::Chat);
        assert_eq!((message.content.as_str(), message.calls.len()), ("So.", 2));
        assert!(message.calls[0].is_err() && message.calls[1].is_ok());
    }

    #[test]
    fn reasoning_and_what_follows_the_end_are_told_apart() {
        let text = format!("because</think>So.{EOS}ignored");
        let expected = Message { reasoning: "because".into(), content: "So.".into(), calls: vec![] };
        assert_eq!(read(&text, ThinkingMode::Thinking), expected);
        assert_eq!(read("never closed", ThinkingMode::Thinking).reasoning, "never closed");
        let message = read(&format!("because{OPEN}{}{CLOSE}", invoke("")), ThinkingMode::Thinking);
        assert_eq!((message.reasoning.as_str(), message.calls.len()), ("because", 1));
    }

    #[test]
    fn pieces_of_any_size_give_the_same_message() {
        let a = parameter("a", " string=\"true\"", "x\n\ny");
        let text = format!("why？</think>Sö\n\nund <｜DSML so.{OPEN}{}\n{}{CLOSE}{EOS}", invoke(&a), invoke(""));
        let whole = read(&text, ThinkingMode::Thinking);
        assert_eq!((whole.content.as_str(), whole.calls.len()), ("Sö\n\nund <｜DSML so.", 2));
        for size in [1, 2, 3, 7, 20] {
            let characters: Vec<char> = text.chars().collect();
            let (mut reader, mut message) = (Reader::new(ThinkingMode::Thinking), Message::default());
            let mut pieces: Vec<Piece> =
                characters.chunks(size).flat_map(|chunk| reader.push(&chunk.iter().collect::<String>())).collect();
            pieces.extend(reader.finish());
            for piece in pieces {
                match piece {
                    Piece::Reasoning(text) => message.reasoning.push_str(&text),
                    Piece::Content(text) => message.content.push_str(&text),
                    Piece::Call(call) => message.calls.push(Ok(call)),
                    Piece::BadCall(call) => message.calls.push(Err(call)),
                }
            }
            assert_eq!(message, whole, "{size}");
        }
        // What is certain is given at once.
        let mut reader = Reader::new(ThinkingMode::Chat);
        assert_eq!(reader.push("Hello\n"), [Piece::Content("Hello".into())]);
        assert_eq!(reader.push("there <"), [Piece::Content("\nthere ".into())]);
        assert_eq!(reader.finish(), [Piece::Content("<".into())]);
    }
}

//! Completion text to a message. Accepts exactly the format; repairs nothing.

use serde_json::{Value, json};

use super::json::quoted;
use super::{BOS, EOS, THINK_END, THINK_START, TOKEN, ThinkingMode};

/// Where a completion leaves the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    #[error("reasoning does not end with </think>")]
    Reasoning,
    #[error("the message does not end with the end-of-sentence token")]
    NoEnd,
    #[error("the call block is malformed between calls")]
    CallBlock,
    #[error("a call's name is malformed")]
    CallName,
    #[error("a call's parameter is malformed")]
    Parameter,
    #[error("a call has the same parameter twice")]
    DuplicateParameter,
    #[error("a parameter marked as JSON is not JSON")]
    ParameterJson,
    #[error("text follows the end of the message")]
    Trailing,
    #[error("a special token stands inside reasoning or content")]
    SpecialToken,
}

type Result<T> = std::result::Result<T, ParseError>;

/// Read one assistant message, from what follows the prompt to the end-of-sentence token (which may be missing after a
/// call block).
///
/// The message has `role`, `content`, `reasoning_content` (empty in chat mode) and `tool_calls` (a list, arguments as a
/// JSON string in Python's spacing). Whether arguments marked as JSON are JSON is for the caller to find out when it
/// reads them: the published parser passes them on as they are.
///
/// # Errors
/// [`ParseError`]: the first rule that is broken.
pub fn parse(text: &str, mode: ThinkingMode) -> Result<Value> {
    let block = format!("\n\n<{TOKEN}function_calls");
    let mut reader = Reader { rest: text };
    let mut reasoning = "";
    if mode == ThinkingMode::Thinking {
        let (before, stop) = reader.until(&[THINK_END, &block]);
        if stop != Some(THINK_END) {
            return Err(ParseError::Reasoning);
        }
        reasoning = before;
    }
    let (content, stop) = reader.until(&[EOS, &block]);
    let calls = match stop {
        None => return Err(ParseError::NoEnd),
        Some(EOS) => Vec::new(),
        Some(_) => {
            let calls = call_block(&mut reader)?;
            let (between, _) = reader.until(&[EOS]);
            if !between.is_empty() {
                return Err(ParseError::Trailing);
            }
            calls
        }
    };
    if !reader.rest.is_empty() {
        return Err(ParseError::Trailing);
    }
    let special = [BOS, EOS, THINK_START, THINK_END, TOKEN];
    if special.iter().any(|token| content.contains(token) || reasoning.contains(token)) {
        return Err(ParseError::SpecialToken);
    }
    Ok(json!({"role": "assistant", "content": content, "reasoning_content": reasoning, "tool_calls": calls}))
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The text up to the earliest of `stops` (of several at one place the first listed), and that stop; reads past it.
    /// Without any, all that is left.
    fn until<'s>(&mut self, stops: &[&'s str]) -> (&'a str, Option<&'s str>) {
        let found = stops.iter().filter_map(|stop| Some((self.rest.find(stop)?, *stop)));
        match found.min_by_key(|(at, _)| *at) {
            Some((at, stop)) => {
                let before = &self.rest[..at];
                self.rest = &self.rest[at + stop.len()..];
                (before, Some(stop))
            }
            None => (std::mem::take(&mut self.rest), None),
        }
    }
}

/// The calls of a block whose opening tag has been read up to its `>`.
fn call_block(reader: &mut Reader) -> Result<Vec<Value>> {
    let (open, close) = (format!("<{TOKEN}invoke"), format!("</{TOKEN}function_calls>"));
    let mut calls = Vec::new();
    // Each round reads at least one tag, so that the loop ends with the text.
    while !reader.rest.is_empty() {
        let (between, stop) = reader.until(&[&open, &close]);
        if between != ">\n" {
            return Err(ParseError::CallBlock);
        }
        match stop {
            Some(stop) if stop == close => break,
            Some(_) => calls.push(call(reader)?),
            None => return Err(ParseError::CallBlock),
        }
    }
    Ok(calls)
}

/// One call whose opening tag has been read up to the attribute.
fn call(reader: &mut Reader) -> Result<Value> {
    let (parameter, close) = (format!("<{TOKEN}parameter"), format!("</{TOKEN}invoke"));
    let parameter_close = format!("/{TOKEN}parameter");
    let (head, mut stop) = reader.until(&[&parameter, &close]);
    let name = head
        .trim_start()
        .strip_prefix("name=\"")
        .and_then(|rest| rest.strip_suffix("\">\n").or_else(|| rest.strip_suffix("\">\n\n")))
        .ok_or(ParseError::CallName)?;
    let mut arguments: Vec<(&str, String)> = Vec::new();
    while stop == Some(parameter.as_str()) {
        let (body, _) = reader.until(&[&parameter_close]);
        let (key, value) = argument(body).ok_or(ParseError::Parameter)?;
        if arguments.iter().any(|(earlier, _)| *earlier == key) {
            return Err(ParseError::DuplicateParameter);
        }
        arguments.push((key, value));
        let (between, next) = reader.until(&[&parameter, &close]);
        if between != ">\n" {
            return Err(ParseError::Parameter);
        }
        stop = next;
    }
    let fields: Vec<String> = arguments.iter().map(|(key, value)| format!("{}: {value}", quoted(key))).collect();
    Ok(json!({"type": "function", "function": {"name": name, "arguments": format!("{{{}}}", fields.join(", "))}}))
}

/// Key and JSON text of ` name="KEY" string="true|false">VALUE<`.
fn argument(body: &str) -> Option<(&str, String)> {
    let body = body.strip_prefix(" name=\"")?;
    let body = body.strip_suffix('<').or_else(|| body.strip_suffix("<\n"))?;
    // The key ends at the first place where a well-formed attribute follows.
    let attribute = |mark: &'static str| body.find(mark).map(|at| (at, mark));
    let (at, mark) =
        [attribute("\" string=\"true\">"), attribute("\" string=\"false\">")].into_iter().flatten().min()?;
    let (key, value) = (&body[..at], &body[at + mark.len()..]);
    Some((key, if mark.contains("true") { quoted(value) } else { value.to_owned() }))
}

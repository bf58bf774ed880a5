//! Drawn tokens to the parts of an answer.

use serde_json::{Value, json};
use terrarium_model::dsml::ThinkingMode;
use terrarium_model::dsml::read::{Piece, Reader};
use terrarium_model::engine::{Drawn, Finish};
use terrarium_model::tokenizer::Vocabulary;

/// Takes tokens as they are drawn and gives the parts of a message as soon as they are certain.
pub struct Answer {
    reader: Reader,
    /// Bytes that do not yet make a character.
    bytes: Vec<u8>,
    stop: Vec<String>,
    /// Text that may be the beginning of a stop text.
    held: String,
    stopped: bool,
    /// Calls so far, good ones.
    calls: usize,
}

/// A part of a message in OpenAI's form.
#[derive(Debug, PartialEq)]
pub enum Part {
    Reasoning(String),
    Content(String),
    /// Number, name and arguments of a call.
    Call(usize, String, String),
}

impl Answer {
    pub fn new(mode: ThinkingMode, stop: Vec<String>) -> Self {
        let reader = Reader::new(mode);
        Self { reader, bytes: Vec::new(), stop, held: String::new(), stopped: false, calls: 0 }
    }

    /// One more token.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.bytes.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.bytes.clear();
                    break;
                }
                Err(error) => {
                    let good = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.bytes[..good]));
                    // A character that is not over yet waits; what cannot become one is marked.
                    let Some(length) = error.error_len() else {
                        self.bytes.drain(..good);
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..good + length);
                }
            }
        }
        let text = self.before_stop(&text);
        let pieces = self.reader.push(&text);
        self.parts(pieces)
    }

    /// No more tokens.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut rest = std::mem::take(&mut self.held);
        if !self.stopped {
            rest.push_str(&String::from_utf8_lossy(&self.bytes));
        }
        let mut pieces = self.reader.push(&rest);
        pieces.extend(self.reader.finish());
        self.parts(pieces)
    }

    /// Why the answer ended, in OpenAI's words.
    pub fn finish_reason(&self, finish: Finish) -> &'static str {
        match finish {
            Finish::Eos | Finish::Stop if self.calls > 0 => "tool_calls",
            Finish::Eos | Finish::Stop | Finish::Cancelled => "stop",
            _ => "length",
        }
    }

    /// Text that is certainly before any stop text.
    fn before_stop(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        if let Some(at) = self.stop.iter().filter_map(|stop| all.find(stop)).min() {
            self.stopped = true;
            all.truncate(at);
            return all;
        }
        let starts = |at: &usize| self.stop.iter().any(|stop| stop.as_bytes().starts_with(&all.as_bytes()[*at..]));
        let at = (0..all.len()).filter(|&at| all.is_char_boundary(at)).find(|at| starts(at)).unwrap_or(all.len());
        self.held = all.split_off(at);
        all
    }

    fn parts(&mut self, pieces: Vec<Piece>) -> Vec<Part> {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Reasoning(text) => Part::Reasoning(text),
                Piece::Content(text) => Part::Content(text),
                Piece::Call(call) => {
                    self.calls += 1;
                    Part::Call(self.calls - 1, call.name, call.arguments)
                }
                // The interface has no word for it: the client sees what was written, and why it is no call.
                Piece::BadCall(bad) => Part::Content(format!("{}\n[{}]\n", bad.text, bad.error)),
            });
        }
        parts
    }
}

/// A token's log-probabilities in OpenAI's form.
pub fn logprobs(drawn: &Drawn, vocabulary: &Vocabulary) -> Value {
    let entry = |id: u32, logprob: f32| {
        let bytes = vocabulary.bytes(id).unwrap_or_default();
        json!({"token": String::from_utf8_lossy(bytes), "logprob": logprob, "bytes": bytes})
    };
    let Some(likeliest) = &drawn.likeliest else { return entry(drawn.id, drawn.logprob) };
    let mut value = entry(drawn.id, likeliest.drawn);
    value["top_logprobs"] = likeliest.best.iter().map(|(id, logprob)| entry(*id, *logprob)).collect();
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tokens: &[&[u8]], stop: &[&str]) -> (Vec<Part>, Answer) {
        let mut answer = Answer::new(ThinkingMode::Chat, stop.iter().map(|stop| (*stop).to_owned()).collect());
        let mut parts: Vec<Part> = tokens.iter().flat_map(|token| answer.push(token)).collect();
        parts.extend(answer.finish());
        (parts, answer)
    }

    fn content(tokens: &[&[u8]], stop: &[&str]) -> String {
        let (parts, _) = answer(tokens, stop);
        let texts = parts.into_iter().map(|part| match part {
            Part::Content(text) => text,
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    #[test]
    fn characters_that_are_split_over_tokens_are_put_together() {
        assert_eq!(content(&[b"na\xc3", b"\xafve \xe2\x82", b"\xac"], &[]), "naïve €");
        assert_eq!(content(&[b"a\xff", b"b\xc3"], &[]), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn text_ends_before_a_stop_text() {
        assert_eq!(content(&[b"one tw", b"o th", b"ree"], &["two"]), "one ");
        assert_eq!(content(&[b"one tw", b"elve"], &["two"]), "one twelve");
        assert_eq!(content(&[b"one tw"], &["two"]), "one tw");
        assert_eq!(content(&[b"abcd"], &["cd", "bc"]), "a");
    }

    #[test]
    fn calls_become_parts_and_bad_ones_are_shown() {
        let text = "So.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n<｜DSML｜invoke>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
        let (parts, answer) = answer(&[text.as_bytes()], &[]);
        assert_eq!(parts[..2], [Part::Content("So.".into()), Part::Call(0, "f".into(), "{}".into())]);
        assert!(matches!(&parts[2], Part::Content(text) if text.contains("the call has no name")), "{parts:?}");
        assert_eq!(answer.finish_reason(Finish::Eos), "tool_calls");
        assert_eq!(answer.finish_reason(Finish::Length), "length");
    }
}

//! JSON text within a byte budget.

use crate::scalar::{write_date, write_money};
use crate::store::CallFailure;
use std::io::Write;

/// JSON text that is being written. Single pieces may pass the budget by their own size; [`Out::check`] then refuses.
pub(crate) struct Out {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Out {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Out { bytes: Vec::with_capacity(256), bytes_max }
    }

    /// Bytes left in the budget.
    pub(crate) fn left(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes.len())
    }

    /// # Errors
    /// `OutputTooLarge` once the budget is passed.
    pub(crate) fn check(&self) -> Result<(), CallFailure> {
        if self.bytes.len() > self.bytes_max { Err(CallFailure::OutputTooLarge) } else { Ok(()) }
    }

    pub(crate) fn finish(self) -> Result<String, CallFailure> {
        self.check()?;
        String::from_utf8(self.bytes).map_err(|_| CallFailure::Internal("written JSON is not UTF-8"))
    }

    pub(crate) fn raw(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
    }

    /// A comma, except before the first item.
    pub(crate) fn separate(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.bytes.push(b',');
        }
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.number(&value);
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.number(&value);
    }

    /// Shortest text that reads back as the same number; NaN and infinities are null.
    pub(crate) fn f64(&mut self, value: f64) {
        self.number(&value);
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.number(&value);
    }

    fn number<T: serde::Serialize>(&mut self, value: &T) {
        // Writing a number to a vector does not fail.
        let _ = serde_json::to_writer(&mut self.bytes, value);
    }

    pub(crate) fn string(&mut self, value: &str) {
        let _ = serde_json::to_writer(&mut self.bytes, value);
    }

    pub(crate) fn char(&mut self, value: char) {
        self.string(value.encode_utf8(&mut [0; 4]));
    }

    pub(crate) fn money(&mut self, cents: i64) {
        self.bytes.push(b'"');
        write_money(&mut self.bytes, cents);
        self.bytes.push(b'"');
    }

    pub(crate) fn date(&mut self, day: i32) -> Result<(), CallFailure> {
        self.bytes.push(b'"');
        if !write_date(&mut self.bytes, day) {
            return Err(CallFailure::InvalidReply);
        }
        self.bytes.push(b'"');
        self.check()
    }

    /// A JSON value's text.
    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) {
        let _ = serde_json::to_writer(&mut self.bytes, value);
    }
}

impl Write for Out {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

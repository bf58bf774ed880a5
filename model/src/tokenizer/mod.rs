//! Text to token ids and back.
//!
//! A [`Tokenizer`] is either the small vocabulary of the embedded example models ([`embedded`]) or any Hugging Face
//! `tokenizer.json` ([`hugging_face`]), which [`train`] can also make. Both know the bytes of every id ([`Vocabulary`]):
//! a model samples ids one at a time, and an id may end in the middle of a character.

pub mod embedded;
pub mod hugging_face;
pub mod train;

use std::path::Path;
use std::sync::Arc;

pub use embedded::{BOS, EOS, Embedded, VOCABULARY};
pub use hugging_face::HuggingFace;

use crate::{Config, Error, Result};

/// The bytes every id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// None of an unused id.
    tokens: Vec<Vec<u8>>,
}

impl Vocabulary {
    /// From the bytes of all ids; unused ids have none.
    pub fn new(tokens: Vec<Vec<u8>>) -> Self {
        Self { tokens }
    }

    /// Number of ids, unused ones up to the last used one included.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no id.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The bytes of an id, or none if the id is unused.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.tokens.get(id as usize).map(Vec::as_slice).filter(|bytes| !bytes.is_empty())
    }

    /// The bytes of all ids; unused ids have none.
    pub fn decode(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().filter_map(|&id| self.bytes(id)).flatten().copied().collect()
    }
}

/// Splits text into ids and joins ids to bytes.
#[derive(Debug)]
pub enum Tokenizer {
    Embedded(Embedded),
    HuggingFace(Box<HuggingFace>),
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::Embedded(Embedded::new())
    }
}

impl Tokenizer {
    /// The tokenizer of a checkpoint: its `tokenizer.json`, or without one the embedded vocabulary if the model's has its
    /// size.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the file cannot be used, has more ids than the model, or is missing though the vocabulary
    /// is not the embedded one.
    pub fn load(folder: &Path, config: &Config) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if path.is_file() {
            let found = HuggingFace::load(&path)?;
            let (ids, rows) = (found.vocabulary().len(), config.vocab_size);
            if ids as i64 > rows {
                let reason = format!("it has {ids} ids, the model's vocabulary only {rows}");
                return Err(Error::Tokenizer { path, reason });
            }
            return Ok(Self::HuggingFace(Box::new(found)));
        }
        if config.vocab_size == VOCABULARY as i64 {
            return Ok(Self::default());
        }
        let reason = format!("it is missing, and a vocabulary of {} is not the embedded one", config.vocab_size);
        Err(Error::Tokenizer { path, reason })
    }

    /// What the ids stand for.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        match self {
            Self::Embedded(embedded) => embedded.vocabulary(),
            Self::HuggingFace(file) => file.vocabulary(),
        }
    }

    /// Split a prompt; special tokens are recognised.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self {
            Self::Embedded(embedded) => embedded.encode(text),
            Self::HuggingFace(file) => file.encode(text),
        }
    }

    /// Split foreign text, in which special tokens are text like any other.
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        match self {
            Self::Embedded(embedded) => embedded.encode_plain(text),
            Self::HuggingFace(file) => file.encode_plain(text),
        }
    }

    /// Split `text`, keeping `known` where it is a prefix: what a model sampled stays exactly as it was sampled, though
    /// splitting might choose other tokens for the same bytes. If `known` is no prefix, it is ignored.
    pub fn encode_after(&self, known: &[u32], text: &str) -> Vec<u32> {
        let mut rest = text.as_bytes();
        for &id in known {
            match self.vocabulary().bytes(id).and_then(|bytes| rest.strip_prefix(bytes)) {
                Some(shorter) => rest = shorter,
                None => return self.encode(text),
            }
        }
        // A token may end inside a character; then what follows is no text of its own.
        let Ok(rest) = std::str::from_utf8(rest) else { return self.encode(text) };
        let mut ids = known.to_vec();
        ids.extend(self.encode(rest));
        ids
    }

    /// The bytes of all ids; unused ids have none.
    pub fn decode(&self, ids: &[u32]) -> Vec<u8> {
        self.vocabulary().decode(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_tokens_stay_as_they_were_sampled() {
        let tokenizer = Tokenizer::default();
        let known = [BOS, u32::from(b't'), u32::from(b'h')];
        assert_eq!(
            tokenizer.encode_after(&known, "<｜begin▁of▁sentence｜>the"),
            [&known[..], &[u32::from(b'e')]].concat()
        );
        assert_eq!(tokenizer.encode_after(&[u32::from(b'x')], "the"), tokenizer.encode("the"));
        assert_eq!(tokenizer.encode_after(&[VOCABULARY as u32], "the"), tokenizer.encode("the"));
        assert_eq!(tokenizer.encode_after(&[0xc3], "é"), tokenizer.encode("é"), "half a character");
    }

    #[test]
    fn a_folder_without_a_file_has_the_embedded_vocabulary_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::tiny();
        assert_eq!(Tokenizer::load(folder.path(), &config).unwrap().encode("a"), [97]);
        config.vocab_size = 600;
        let error = Tokenizer::load(folder.path(), &config).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        assert!(matches!(Tokenizer::load(folder.path(), &config).unwrap_err(), Error::Tokenizer { .. }));
    }
}

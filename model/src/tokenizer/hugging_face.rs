//! A Hugging Face `tokenizer.json`, read by the `tokenizers` crate.

use std::path::Path;
use std::sync::Arc;

use tokenizers::{DecoderWrapper, PreTokenizerWrapper};

use super::Vocabulary;
use crate::{Error, Result};

/// Stands for a space in vocabularies made from SentencePiece.
const METASPACE: char = '▁';

/// A tokenizer from a file.
#[derive(Debug)]
pub struct HuggingFace {
    inner: tokenizers::Tokenizer,
    /// The same, but special tokens are not recognised.
    plain: tokenizers::Tokenizer,
    vocabulary: Arc<Vocabulary>,
}

impl HuggingFace {
    /// Read a file.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn load(path: &Path) -> Result<Self> {
        let bad = |reason: String| Error::Tokenizer { path: path.to_owned(), reason };
        let inner = tokenizers::Tokenizer::from_file(path).map_err(|error| bad(error.to_string()))?;
        Self::new(inner).map_err(bad)
    }

    /// From a tokenizer of the crate. Truncation and padding are switched off: a prompt is never cut silently.
    pub(super) fn new(mut inner: tokenizers::Tokenizer) -> std::result::Result<Self, String> {
        inner.with_truncation(None).map_err(|error| error.to_string())?;
        inner.with_padding(None);
        let mut plain = inner.clone();
        plain.set_encode_special_tokens(true);
        let vocabulary = Arc::new(Vocabulary::new(tokens(&inner)?));
        Ok(Self { inner, plain, vocabulary })
    }

    /// Write the file.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let saved = self.inner.save(path, true);
        saved.map_err(|error| Error::Tokenizer { path: path.to_owned(), reason: error.to_string() })
    }

    /// What the ids stand for.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> tokenizers::Tokenizer {
        self.inner.clone()
    }

    /// The id of a whole token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Split a prompt; special tokens are recognised and none is added.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        encode(&self.inner, text)
    }

    /// Split foreign text, in which special tokens are text like any other.
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        encode(&self.plain, text)
    }
}

fn encode(tokenizer: &tokenizers::Tokenizer, text: &str) -> Vec<u32> {
    // Fails only for models that lack an unknown token, for text they cannot spell; that text then has no ids.
    tokenizer.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
}

/// How a vocabulary spells bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Every byte is a printable character (GPT-2).
    Bytes,
    /// Text with a mark for spaces, single bytes as `<0x0A>` (SentencePiece).
    Metaspace,
    /// Text as it is.
    Plain,
}

fn spelling(tokenizer: &tokenizers::Tokenizer) -> Spelling {
    fn of(decoder: &DecoderWrapper) -> Option<Spelling> {
        match decoder {
            DecoderWrapper::ByteLevel(_) => Some(Spelling::Bytes),
            DecoderWrapper::Metaspace(_) | DecoderWrapper::ByteFallback(_) => Some(Spelling::Metaspace),
            DecoderWrapper::Sequence(parts) => parts.get_decoders().iter().find_map(of),
            _ => None,
        }
    }
    let by_split = || match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::ByteLevel(_)) => Some(Spelling::Bytes),
        Some(PreTokenizerWrapper::Metaspace(_)) => Some(Spelling::Metaspace),
        _ => None,
    };
    tokenizer.get_decoder().and_then(of).or_else(by_split).unwrap_or(Spelling::Plain)
}

/// The bytes of every id.
fn tokens(tokenizer: &tokenizers::Tokenizer) -> std::result::Result<Vec<Vec<u8>>, String> {
    /// Far beyond any vocabulary, and small enough to list.
    const IDS_MAX: u32 = 1 << 22;
    let spelling = spelling(tokenizer);
    let added = tokenizer.get_added_tokens_decoder();
    let bytes = |(text, id): (String, u32)| {
        (id, if added.contains_key(&id) { text.into_bytes() } else { spell(&text, spelling) })
    };
    let mut all: Vec<(u32, Vec<u8>)> = tokenizer.get_vocab(true).into_iter().map(bytes).collect();
    all.sort_unstable();
    if let Some((id, _)) = all.last().filter(|(id, _)| *id >= IDS_MAX) {
        return Err(format!("a token has the id {id}, beyond {IDS_MAX}"));
    }
    let mut tokens = vec![Vec::new(); all.last().map_or(0, |(id, _)| *id as usize + 1)];
    for (id, bytes) in all {
        tokens[id as usize] = bytes;
    }
    Ok(tokens)
}

fn spell(text: &str, spelling: Spelling) -> Vec<u8> {
    match spelling {
        Spelling::Plain => text.as_bytes().to_vec(),
        Spelling::Bytes => text.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| text.as_bytes().to_vec()),
        Spelling::Metaspace => {
            let hex = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => vec![byte],
                None => text.replace(METASPACE, " ").into_bytes(),
            }
        }
    }
}

/// The byte a character of GPT-2's alphabet stands for: printable ones for themselves, the others, in their order, for
/// the characters from 256 on.
fn byte_of(character: char) -> Option<u8> {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(character) {
        code @ 0..256 => Some(code as u8).filter(|&byte| itself(byte)),
        code => (0..=255u8).filter(|&byte| !itself(byte)).nth((code - 256) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_bytes_is_gpt_2s() {
        let characters: Vec<char> = (0..324).filter_map(char::from_u32).collect();
        let mut bytes: Vec<u8> = characters.iter().filter_map(|&character| byte_of(character)).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>(), "every byte once");
        assert_eq!(
            (byte_of('Ġ'), byte_of('Ċ'), byte_of('a'), byte_of(' ')),
            (Some(b' '), Some(b'\n'), Some(b'a'), None)
        );
        assert_eq!(byte_of('字'), None);
    }

    #[test]
    fn pieces_of_sentences_are_spelled_with_spaces_and_bytes() {
        let check = |text, expected: &[u8]| assert_eq!(spell(text, Spelling::Metaspace), expected, "{text}");
        check("▁the", b" the");
        check("<0xE2>", &[0xe2]);
        check("<0xZZ>", b"<0xZZ>");
        assert_eq!(spell("▁the", Spelling::Plain), "▁the".as_bytes());
    }
}

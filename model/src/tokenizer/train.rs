//! Byte-level BPE vocabularies from text.

use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, models::TrainerWrapper};

use super::HuggingFace;
use crate::{Error, Result, dsml};

/// Ids of the message format's own tokens, in this order from 0 on: 0 and 1 begin and end a sentence, as in the published
/// model's configuration.
pub const SPECIAL: [&str; 7] =
    [dsml::BOS, dsml::EOS, dsml::USER, dsml::ASSISTANT, dsml::THINK_START, dsml::THINK_END, dsml::TOKEN];

/// Learn a byte-level BPE vocabulary of `size` ids: the special tokens, the 256 bytes, and the merges that occur most
/// often. Any text can be spelled, decoding is exact, and the same texts give the same file.
///
/// # Errors
/// [`Error::Tokenizer`] if `size` leaves no room for the bytes or training fails; `path`, where it is to be saved, only
/// names the tokenizer in errors.
pub fn train(texts: &[String], size: usize, path: &Path) -> Result<HuggingFace> {
    let bad = |reason: String| Error::Tokenizer { path: path.to_owned(), reason };
    let least = SPECIAL.len() + 256;
    if size < least {
        return Err(bad(format!("a vocabulary of {size} is too small: {least} ids are fixed")));
    }
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    let bytes = ByteLevel::new(false, true, true);
    tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(SPECIAL.iter().map(|token| AddedToken::from(*token, true)).collect())
        .build()
        .into();
    tokenizer.train(&mut trainer, texts.iter()).map_err(|error| bad(error.to_string()))?;
    HuggingFace::new(tokenizer).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::tokenizer::Tokenizer;
    use proptest::prelude::*;

    fn texts() -> Vec<String> {
        let words =
            ["the loan of the book", "a member may not borrow", "get_member(member_id)", "naïve café\n\n  indented"];
        (0..40).map(|i| format!("{} {}", words[i % 4], words[i / 4 % 4])).collect()
    }

    fn trained() -> HuggingFace {
        train(&texts(), 300, Path::new("tokenizer.json")).unwrap()
    }

    #[test]
    fn training_is_repeatable_and_the_file_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let mut bytes = Vec::new();
        for _ in 0..2 {
            trained().save(&path).unwrap();
            bytes.push(std::fs::read(&path).unwrap());
        }
        assert_eq!(bytes[0], bytes[1]);
        let mut config = Config::tiny();
        config.vocab_size = 300;
        let loaded = Tokenizer::load(folder.path(), &config).unwrap();
        assert_eq!(loaded.encode("the loan of a café"), trained().encode("the loan of a café"));
        config.vocab_size = 280;
        assert!(Tokenizer::load(folder.path(), &config).unwrap_err().to_string().contains("only 280"));
    }

    #[test]
    fn words_are_merged_and_special_tokens_have_fixed_ids() {
        let trained = trained();
        assert_eq!(trained.vocabulary().len(), 300);
        assert!(trained.encode("the loan of the book").len() < 8, "{:?}", trained.encode("the loan of the book"));
        assert_eq!(trained.encode("<｜begin▁of▁sentence｜>"), [0]);
        assert_eq!(trained.encode("<｜end▁of▁sentence｜>"), [1]);
        assert_eq!(trained.id(dsml::TOKEN), Some(6));
        let plain = trained.encode_plain("<｜User｜>");
        assert!(plain.iter().all(|&id| id as usize >= SPECIAL.len()), "{plain:?}");
        let error = train(&texts(), 100, Path::new("x.json")).unwrap_err();
        assert!(error.to_string().contains("too small"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Decoding what was encoded gives back the text, plain or not, also in pieces after known tokens.
        #[test]
        fn encoding_loses_nothing(text in any::<String>(), special in prop::sample::select(&SPECIAL[..])) {
            let tokenizer = Tokenizer::HuggingFace(Box::new(trained_once()));
            let text = format!("the {text}{special} loan");
            let ids = tokenizer.encode(&text);
            prop_assert_eq!(tokenizer.decode(&ids), text.as_bytes());
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode_plain(&text)), text.as_bytes());
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode_after(&ids[..ids.len() / 2], &text)), text.as_bytes());
        }
    }

    fn trained_once() -> HuggingFace {
        static ONCE: std::sync::OnceLock<tokenizers::Tokenizer> = std::sync::OnceLock::new();
        HuggingFace::new(ONCE.get_or_init(|| trained().inner()).clone()).unwrap()
    }
}

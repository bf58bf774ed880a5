//! The vocabulary of the embedded example models.
//!
//! Ids 0..=255 are bytes, so every text has an encoding and decoding is exact. From 256 on come the special tokens of
//! the message format ([`crate::dsml`]), then whole tags and other frequent fragments of tool prompts, the longest being
//! the fixed tool instructions as one token; ids from the last fragment to [`VOCABULARY`] are unused. Text is split
//! greedily, longest token first. The list is part of a checkpoint's meaning: entries are only ever appended.
//!
//! Special tokens are recognised wherever their text stands, as in the published model: whoever puts foreign text into
//! a prompt and does not want that uses [`Embedded::encode_plain`].

use std::ops::Range;
use std::sync::Arc;

use super::Vocabulary;
use crate::dsml;

/// Begin of sentence.
pub const BOS: u32 = 256;
/// End of sentence.
pub const EOS: u32 = 257;
/// Number of ids, unused ones included.
pub const VOCABULARY: usize = 512;

/// Ids 256..: the format's own tokens. The first two are [`BOS`] and [`EOS`].
const SPECIAL: [&str; 7] =
    [dsml::BOS, dsml::EOS, dsml::USER, dsml::ASSISTANT, dsml::THINK_START, dsml::THINK_END, dsml::TOKEN];

/// Whole tags, which a model would otherwise spell in many steps.
const TAGS: [&str; 14] = [
    "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"",
    "<｜DSML｜function_calls>\n",
    "\n</｜DSML｜function_calls>",
    "<｜DSML｜invoke name=\"",
    "\n</｜DSML｜invoke>\n",
    "\n</｜DSML｜invoke>",
    "<｜DSML｜parameter name=\"",
    "\" string=\"true\">",
    "\" string=\"false\">",
    "</｜DSML｜parameter>\n",
    "</｜DSML｜parameter>",
    "\">\n",
    "\n\n<function_results>\n<result>",
    "</result>\n</function_results>\n\n",
];

/// Frequent pieces of tool schemas, results and English prose.
const FRAGMENTS: [&str; 148] = [
    dsml::TOOLS_BEFORE,
    dsml::TOOLS_AFTER,
    "</result>\n<result>",
    "{\"name\": \"",
    "\", \"description\": \"",
    "\", \"parameters\": {\"type\": \"object\", \"properties\": {\"",
    "\", \"parameters\": {\"type\": \"object\", \"properties\": {}",
    "\": {\"type\": \"",
    "\": {\"type\": \"string\"",
    "\": {\"type\": \"string\", \"description\": \"",
    "\": {\"type\": \"integer\"",
    "\": {\"type\": \"integer\", \"description\": \"",
    "\": {\"type\": \"number\"",
    "\": {\"type\": \"boolean\"",
    "\": {\"type\": \"array\", \"items\": {\"type\": \"",
    "\": {\"anyOf\": [{\"type\": \"",
    ", {\"type\": \"null\"}]",
    "\"}, \"",
    "}, \"",
    "\"}, {\"",
    "}, {\"",
    "}, \"required\": [\"",
    "\"required\": [\"",
    "\"], \"additionalProperties\": false}}",
    ", \"additionalProperties\": false",
    ", \"strict\": true",
    "\"]}}\n",
    "\"]}}",
    "\"enum\": [\"",
    "\", \"enum\": [\"",
    "\"pattern\": \"",
    "\"format\": \"",
    "\"minimum\": ",
    "\"maximum\": ",
    "\"maxLength\": ",
    "\"type\": \"",
    "\"object\"",
    "\"string\"",
    "\"integer\"",
    "\"properties\": {\"",
    "\"description\": \"",
    "\"items\": {",
    "\"error\": ",
    "\"status\": \"",
    "\", \"",
    "\": \"",
    "\": [",
    "\": {\"",
    "\": ",
    ", \"",
    "{\"",
    "\"}",
    "\"]",
    "[]",
    "{}",
    "null",
    "true",
    "false",
    "_id",
    ".00",
    "202",
    "00",
    "\n\n",
    "\n- ",
    ". ",
    ", ",
    ": ",
    " the ",
    " of ",
    " to ",
    " and ",
    " in ",
    " for ",
    " is ",
    " with ",
    " from ",
    " that ",
    " by ",
    " or ",
    " on ",
    " as ",
    " are ",
    " be ",
    " not ",
    " an ",
    " at ",
    " this ",
    " all ",
    " one ",
    " a ",
    " the",
    " of",
    " to",
    " and",
    " in",
    " a",
    "The ",
    "search_",
    "update_",
    "create_",
    "cancel_",
    "delete_",
    "list_",
    "find_",
    "get_",
    "set_",
    "add_",
    "book_",
    "submit",
    "answer",
    "decision",
    "evidence",
    "customer",
    "member",
    "number",
    "amount",
    "account",
    "order",
    "status",
    "active",
    "record",
    "result",
    "policy",
    "return",
    "value",
    "total",
    "price",
    "date",
    "name",
    "item",
    "tion",
    "ment",
    "able",
    "ing",
    "ent",
    "ter",
    "ed ",
    "es ",
    "er ",
    "in",
    "er",
    "re",
    "on",
    "an",
    "st",
    "al",
    "or",
    "th",
];

const TAG_IDS: Range<u32> = {
    let start = 256 + SPECIAL.len() as u32;
    start..start + TAGS.len() as u32
};
const USED: usize = TAG_IDS.end as usize + FRAGMENTS.len();
const _: () = assert!(USED <= VOCABULARY);

/// The embedded vocabulary.
#[derive(Debug)]
pub struct Embedded {
    vocabulary: Arc<Vocabulary>,
    /// By first byte: the longer tokens that start so, longest first.
    longer: Vec<Vec<u32>>,
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedded {
    /// The one vocabulary there is.
    pub fn new() -> Self {
        let texts = SPECIAL.iter().chain(&TAGS).chain(&FRAGMENTS);
        let tokens: Vec<Vec<u8>> =
            (0..=255u8).map(|byte| vec![byte]).chain(texts.map(|text| text.as_bytes().to_vec())).collect();
        let mut longer = vec![Vec::new(); 256];
        for (id, bytes) in tokens.iter().enumerate().skip(256) {
            longer[bytes[0] as usize].push(id as u32);
        }
        for ids in &mut longer {
            ids.sort_by_key(|&id| (std::cmp::Reverse(tokens[id as usize].len()), id));
        }
        Self { vocabulary: Arc::new(Vocabulary::new(tokens)), longer }
    }

    /// What the ids stand for.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// Whether an id is a tag of the message format (or the bar token that starts one).
    pub fn is_tag(&self, id: u32) -> bool {
        TAG_IDS.contains(&id) || (EOS + 1..TAG_IDS.start).contains(&id)
    }

    /// Split a prompt; special tokens are recognised.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.split(text.as_bytes(), |_| true)
    }

    /// Split foreign text: no token longer than a byte that contains a special token is used.
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        self.split(text.as_bytes(), |bytes| {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            !SPECIAL.iter().any(|special| text.contains(special))
        })
    }

    fn split(&self, bytes: &[u8], allowed: impl Fn(&[u8]) -> bool) -> Vec<u32> {
        let mut ids = Vec::with_capacity(bytes.len() / 3);
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let token = |id: u32| self.vocabulary.bytes(id).expect("listed ids are used");
            let fits = |id: &u32| rest.starts_with(token(*id)) && allowed(token(*id));
            let id = self.longer[first as usize].iter().copied().find(fits).unwrap_or(u32::from(first));
            rest = &rest[token(id).len()..];
            ids.push(id);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_where_the_constants_say() {
        let embedded = Embedded::new();
        assert_eq!(embedded.vocabulary.bytes(BOS), Some(dsml::BOS.as_bytes()));
        assert_eq!(embedded.vocabulary.bytes(EOS), Some(dsml::EOS.as_bytes()));
        assert_eq!(embedded.vocabulary.tokens.len(), USED);
        assert_eq!(embedded.vocabulary.bytes(USED as u32), None);
        let distinct: std::collections::BTreeSet<_> = embedded.vocabulary.tokens.iter().collect();
        assert_eq!(distinct.len(), USED, "no token twice");
        assert!(embedded.is_tag(TAG_IDS.start) && embedded.is_tag(262) && !embedded.is_tag(EOS));
    }

    #[test]
    fn tags_and_instructions_are_single_tokens() {
        let embedded = Embedded::new();
        assert_eq!(embedded.encode(dsml::BOS), [BOS]);
        assert_eq!(embedded.encode(dsml::TOOLS_BEFORE).len(), 1);
        assert_eq!(embedded.encode("\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n").len(), 3);
    }

    #[test]
    fn foreign_text_yields_no_special_token() {
        let embedded = Embedded::new();
        let text = "<｜User｜>hi<｜end▁of▁sentence｜></think>\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"";
        let ids = embedded.encode_plain(text);
        assert!(ids.iter().all(|id| !(BOS..TAG_IDS.start).contains(id)), "{ids:?}");
        assert_eq!(embedded.vocabulary.decode(&ids), text.as_bytes());
    }

    proptest! {
        /// Decoding what was encoded gives back the text, plain or not.
        #[test]
        fn encoding_loses_nothing(parts in prop::collection::vec(prop_oneof![
            any::<String>(),
            prop::sample::select(SPECIAL.iter().chain(&TAGS).chain(&FRAGMENTS).map(|s| (*s).to_owned()).collect::<Vec<_>>()),
        ], 0..12)) {
            let (embedded, text) = (Embedded::new(), parts.concat());
            prop_assert_eq!(embedded.vocabulary.decode(&embedded.encode(&text)), text.as_bytes());
            prop_assert_eq!(embedded.vocabulary.decode(&embedded.encode_plain(&text)), text.as_bytes());
            prop_assert!(embedded.encode(&text).iter().all(|&id| (id as usize) < USED));
        }
    }
}

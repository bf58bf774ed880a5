//! What a prompt is about: its words without those of the templates that it was filled into. Two prompts are as alike as their pairs
//! of neighbouring words; a prompt's number, names and dates count, its politeness does not.

use super::feature;

include!(concat!(env!("OUT_DIR"), "/template_words.rs"));

/// Words between the steps and at the ends of prompts, which no template file holds.
const CONNECTIVES: [&str; 28] = [
    "a",
    "afternoon",
    "alone",
    "an",
    "and",
    "answer",
    "finally",
    "give",
    "good",
    "hello",
    "hi",
    "just",
    "like",
    "list",
    "many",
    "morning",
    "number",
    "only",
    "please",
    "submit",
    "thank",
    "thanks",
    "that",
    "the",
    "then",
    "there",
    "with",
    "you",
];

/// The words of a text in order, in lower case; a number with its points and commas is one word.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let inside = matches!(c, '.' | ',')
            && word.ends_with(|b: char| b.is_ascii_digit())
            && characters.peek().is_some_and(char::is_ascii_digit);
        if c.is_alphanumeric() || inside {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The features of a prompt: its words and its pairs of neighbouring words, without those of templates, sorted, each once.
pub fn features(prompt: &str) -> Vec<u64> {
    let mut all = words(prompt);
    all.retain(|w| TEMPLATE_WORDS.binary_search(&w.as_str()).is_err() && !CONNECTIVES.contains(&w.as_str()));
    let pairs = all.windows(2).map(|pair| feature(&pair.join(" ")));
    let mut features: Vec<u64> = all.iter().map(|word| feature(word)).chain(pairs).collect();
    features.sort_unstable();
    features.dedup();
    features
}

/// A name for what has these features.
pub fn name(features: &[u64]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    features.iter().for_each(|f| {
        hasher.update(&f.to_le_bytes());
    });
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::pool::jaccard;

    #[test]
    fn words_of_a_text() {
        assert_eq!(
            words("Pay $1,250.50 to “Ida” Berg, on 6 June."),
            ["pay", "1,250.50", "to", "ida", "berg", "on", "6", "june"]
        );
    }

    #[test]
    fn templates_do_not_count_and_fillings_do() {
        let step = "lend “The Last Clock” to Ann Lee";
        let said = [
            format!("Please {step}."),
            format!("Could you {step}? Thank you."),
            format!("Hello. I need you to {step}. Many thanks."),
        ];
        let all = said.each_ref().map(|prompt| features(prompt));
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[2]);
        let other = features("Please lend “A Quiet River” to Bo Dahl.");
        assert!(jaccard(&all[0], &other) < 0.2, "{}", jaccard(&all[0], &other));
    }

    #[test]
    fn the_words_of_templates_are_sorted() {
        assert!(
            TEMPLATE_WORDS.is_sorted() && TEMPLATE_WORDS.contains(&"handover") && !TEMPLATE_WORDS.contains(&"steps")
        );
    }
}

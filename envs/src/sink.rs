//! Where finished episodes go.

use crate::episode::Episode;
use crate::error::SinkError;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A store of episodes. Calls come from one writer task, in completion order.
#[async_trait]
pub trait EpisodeSink: Send + Sync {
    /// What is stored already of this policy: it is not run again.
    async fn stored(&self, policy: &str) -> Result<Samples, SinkError>;
    /// Stores a batch of episodes, all or nothing.
    async fn put(&self, episodes: Vec<Episode>) -> Result<(), SinkError>;
}

/// Sample numbers of one policy's episodes, by task: a bit each, so that a million take a few hundred kilobytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// By task, 64 sample numbers a word.
    words: BTreeMap<String, BTreeMap<u32, u64>>,
    count: u64,
}

impl Samples {
    /// Adds a sample of a task. Whether it is new.
    pub fn insert(&mut self, task_id: &str, sample: u32) -> bool {
        if !self.words.contains_key(task_id) {
            self.words.insert(task_id.to_owned(), BTreeMap::new());
        }
        let words = self.words.get_mut(task_id).expect("inserted above");
        let word = words.entry(sample / 64).or_default();
        let new = *word & (1 << (sample % 64)) == 0;
        *word |= 1 << (sample % 64);
        self.count += u64::from(new);
        new
    }

    /// Whether a sample of a task is among them.
    pub fn contains(&self, task_id: &str, sample: u32) -> bool {
        let word = self.words.get(task_id).and_then(|words| words.get(&(sample / 64)));
        word.is_some_and(|word| word & (1 << (sample % 64)) != 0)
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_there_once() {
        let mut samples = Samples::default();
        assert!(samples.is_empty());
        for sample in [0, 63, 64, u32::MAX] {
            assert!(samples.insert("a", sample) && !samples.insert("a", sample));
            assert!(samples.contains("a", sample) && !samples.contains("b", sample));
        }
        assert!(samples.insert("b", 63) && !samples.contains("b", 0) && !samples.contains("a", 62));
        assert_eq!(samples.len(), 5);
    }
}

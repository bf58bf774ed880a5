//! Who has a place in the cache: admission, prefixes, eviction, preemption.

use super::Generator;
use super::generator::{Conversation, Running};
use crate::cache::PAGE;

impl Generator {
    /// Start waiting requests, in order, while there is a place in the batch and room for their prompts beside what the
    /// running ones are about to take.
    pub(super) fn admit(&mut self) {
        while self.running.len() < self.options.batch_max {
            let Some(job) = self.waiting.front() else { break };
            let known: Vec<u32> = job.known().collect();
            if self.prefix_is_coming(&known) {
                break;
            }
            let conversation = job.request.conversation;
            let needed = (known.len() + 1).div_ceil(PAGE) + 1;
            let promised: usize = self
                .running
                .iter()
                .filter(|running| !running.done)
                // A page to grow into: who is admitted is not to be preempted at once.
                .map(|running| self.cache.pages_needed(&running.conversation.sequence, running.pending() + PAGE))
                .sum();
            if !self.free_pages(needed + promised, Some(conversation)) {
                break;
            }
            let job = self.waiting.pop_front().expect("looked at above");
            self.start(job);
        }
    }

    /// Whether a running request is about to read a prefix of `known` that no cache holds yet: waiting for it a few steps
    /// saves reading it twice.
    fn prefix_is_coming(&self, known: &[u32]) -> bool {
        let usable = &known[..known.len() - 1];
        let cached = |tokens: &[u32]| tokens.iter().zip(usable).take_while(|(a, b)| a == b).count();
        let idle = self.conversations.values();
        let all = idle.chain(self.running.iter().map(|running| &running.conversation));
        let held = all.map(|conversation| cached(&conversation.tokens)).max().unwrap_or(0);
        let reading = self.running.iter().filter(|running| !running.done && running.pending() > 1);
        let common = |running: &Running| running.job.known().zip(usable).take_while(|(a, b)| a == *b).count();
        reading.map(common).max().unwrap_or(0) >= held + PAGE
    }

    /// Make room for `count` more positions in every running request, if necessary by preempting the youngest. Always
    /// succeeds: [`Generator::submit`] refuses what does not fit alone.
    pub(super) fn make_room_for(&mut self, count: impl Fn(&Running) -> usize) {
        loop {
            let needed = self
                .running
                .iter()
                .filter(|running| !running.done && count(running) > 0)
                .map(|running| self.cache.pages_needed(&running.conversation.sequence, count(running)))
                .sum();
            if self.free_pages(needed, None) {
                return;
            }
            let youngest = self.running.iter().rposition(|running| !running.done).expect("a request needs pages");
            let Running { job, conversation, .. } = self.running.remove(youngest);
            self.cache.release(conversation.sequence);
            self.counters.preempted += 1;
            // Older than all that wait: preempted ones come back from the youngest on.
            self.waiting.push_front(job);
        }
    }

    /// Evict idle conversations, released ones first, until `needed` pages are free; whether that succeeded. `keep` is
    /// evicted last, for its prefix is about to be used.
    fn free_pages(&mut self, needed: usize, keep: Option<u64>) -> bool {
        loop {
            if self.cache.tokens_free() / PAGE >= needed {
                return true;
            }
            let oldest =
                self.conversations.iter().min_by_key(|(id, found)| (Some(**id) == keep, !found.released, found.used));
            let Some((&id, _)) = oldest else { return false };
            self.evict(id);
        }
    }

    fn evict(&mut self, id: u64) {
        if let Some(conversation) = self.conversations.remove(&id) {
            self.cache.release(conversation.sequence);
        }
    }

    pub(super) fn forget_surplus(&mut self) {
        while self.conversations.len() > self.options.conversations_max {
            let oldest = self.conversations.iter().min_by_key(|(_, found)| (!found.released, found.used));
            let id = *oldest.expect("there are more than the limit").0;
            self.evict(id);
        }
    }

    /// The longest cached prefix of `known`, less its last token: the conversation's own, or a fork of another's.
    pub(super) fn prefix(&mut self, id: u64, known: &[u32]) -> Conversation {
        let usable = &known[..known.len() - 1];
        let common = |tokens: &[u32]| tokens.iter().zip(usable).take_while(|(a, b)| a == b).count();
        let own = self.conversations.remove(&id);
        let own_length = own.as_ref().map_or(0, |own| common(&own.tokens));
        let others = self.conversations.values().chain(self.running.iter().map(|running| &running.conversation));
        let donor = others.map(|other| (common(&other.tokens), other)).max_by_key(|(length, _)| *length);
        let (length, mut conversation) = match (own, donor) {
            (own, Some((length, other))) if length > own_length => {
                let fork = Conversation {
                    tokens: other.tokens.clone(),
                    sequence: self.cache.fork(&other.sequence),
                    ..Default::default()
                };
                if let Some(own) = own {
                    self.cache.release(own.sequence);
                }
                (length, fork)
            }
            (own, _) => (own_length, own.unwrap_or_default()),
        };
        self.cache.truncate(&mut conversation.sequence, length);
        conversation.tokens.truncate(length);
        conversation.released = false;
        conversation
    }
}

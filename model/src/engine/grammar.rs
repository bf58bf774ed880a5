//! What a completion may say: a context-free grammar over bytes, and a matcher that follows it token by token.
//!
//! The matcher keeps every way the bytes so far can be read (a stack of what is still to come for each) and forgets those
//! a byte contradicts. Rules must not begin with themselves. [`crate::dsml::grammar`] makes the grammar of calls.

/// A rule, by its place in [`Grammar`].
pub type Rule = u32;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// These bytes.
    Bytes(Vec<u8>),
    /// One byte of a set, bit `b % 64` of word `b / 64`.
    Class([u64; 4]),
    /// One after the other.
    Sequence(Vec<Rule>),
    /// One of these.
    Choice(Vec<Rule>),
    /// Any number of times, none included. What is repeated must not be empty.
    Repeat(Rule),
    /// Any bytes, none included, in which none of these texts occurs.
    Without(Vec<Vec<u8>>),
}

/// A grammar. The rule that was added last is the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grammar {
    nodes: Vec<Node>,
}

impl Grammar {
    /// Add a rule.
    pub fn add(&mut self, node: Node) -> Rule {
        self.nodes.push(node);
        self.nodes.len() as Rule - 1
    }

    /// A rule for fixed text.
    pub fn text(&mut self, text: &str) -> Rule {
        self.add(Node::Bytes(text.as_bytes().to_vec()))
    }

    /// A rule for a sequence.
    pub fn sequence(&mut self, rules: impl Into<Vec<Rule>>) -> Rule {
        self.add(Node::Sequence(rules.into()))
    }

    /// A rule for a choice.
    pub fn choice(&mut self, rules: impl Into<Vec<Rule>>) -> Rule {
        self.add(Node::Choice(rules.into()))
    }

    /// A rule for what may be left out.
    pub fn optional(&mut self, rule: Rule) -> Rule {
        let nothing = self.sequence([]);
        self.choice([rule, nothing])
    }

    /// A rule for one byte of a set.
    pub fn class(&mut self, contains: impl Fn(u8) -> bool) -> Rule {
        let mut words = [0u64; 4];
        for byte in (0..=255u8).filter(|&byte| contains(byte)) {
            words[byte as usize / 64] |= 1 << (byte % 64);
        }
        self.add(Node::Class(words))
    }

    /// Put something else in the place of a rule: how a rule comes to contain itself.
    pub fn replace(&mut self, rule: Rule, node: Node) {
        self.nodes[rule as usize] = node;
    }

    /// At the beginning.
    pub fn start(&self) -> Matcher {
        let whole = self.nodes.len() as Rule - 1;
        let mut matcher = Matcher { threads: Vec::new() };
        self.open(vec![Frame { rule: whole, at: 0 }], &mut matcher.threads);
        matcher
    }

    /// Follow one more token; false, and the matcher is not to be used again, if the grammar does not allow it.
    pub fn push(&self, matcher: &mut Matcher, bytes: &[u8]) -> bool {
        for &byte in bytes {
            let mut next = Vec::new();
            for thread in &matcher.threads {
                self.step(thread, byte, &mut next);
            }
            next.sort_unstable();
            next.dedup();
            matcher.threads = next;
            if matcher.threads.is_empty() {
                return false;
            }
        }
        true
    }

    /// Whether a token may come next.
    pub fn allows(&self, matcher: &Matcher, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.push(&mut matcher.clone(), bytes)
    }

    /// Take a byte where the top of the stack reads one.
    fn step(&self, thread: &[Frame], byte: u8, next: &mut Vec<Vec<Frame>>) {
        let Some((top, below)) = thread.split_last() else { return };
        let mut rest = below.to_vec();
        match &self.nodes[top.rule as usize] {
            Node::Bytes(bytes) => {
                if bytes[top.at as usize] != byte {
                    return;
                }
                if (top.at as usize) + 1 < bytes.len() {
                    rest.push(Frame { at: top.at + 1, ..*top });
                }
            }
            Node::Class(words) => {
                if words[byte as usize / 64] >> (byte % 64) & 1 == 0 {
                    return;
                }
            }
            Node::Without(texts) => match without(texts, top.at, byte) {
                None => return,
                Some(at) => rest.push(Frame { at, ..*top }),
            },
            Node::Sequence(_) | Node::Choice(_) | Node::Repeat(_) => unreachable!("opened before"),
        }
        self.open(rest, next);
    }

    /// Replace rules on top of the stack by their parts until one reads a byte.
    fn open(&self, mut thread: Vec<Frame>, opened: &mut Vec<Vec<Frame>>) {
        let Some(top) = thread.last().copied() else {
            opened.push(thread);
            return;
        };
        match &self.nodes[top.rule as usize] {
            Node::Bytes(bytes) if bytes.is_empty() => {
                thread.pop();
                self.open(thread, opened);
            }
            Node::Bytes(_) | Node::Class(_) => opened.push(thread),
            Node::Without(_) => {
                opened.push(thread.clone());
                thread.pop();
                self.open(thread, opened);
            }
            Node::Sequence(rules) => {
                thread.pop();
                thread.extend(rules.iter().rev().map(|&rule| Frame { rule, at: 0 }));
                self.open(thread, opened);
            }
            Node::Choice(rules) => {
                thread.pop();
                for &rule in rules {
                    let mut thread = thread.clone();
                    thread.push(Frame { rule, at: 0 });
                    self.open(thread, opened);
                }
            }
            Node::Repeat(rule) => {
                let mut again = thread.clone();
                again.push(Frame { rule: *rule, at: 0 });
                self.open(again, opened);
                thread.pop();
                self.open(thread, opened);
            }
        }
    }
}

/// After `at` (text and how much of it the bytes so far end with) one more byte: the new place, none if a text is whole.
fn without(texts: &[Vec<u8>], at: u32, byte: u8) -> Option<u32> {
    // A place is the longest end of what was read that begins a text: text number times 2^16 plus its length.
    let (text, length) = ((at >> 16) as usize, (at & 0xffff) as usize);
    let mut recent = texts[text][..length].to_vec();
    recent.push(byte);
    let mut best = 0;
    for (number, text) in texts.iter().enumerate() {
        for length in 1..=text.len().min(recent.len()) {
            if recent.ends_with(&text[..length]) {
                if length == text.len() {
                    return None;
                }
                if length > (best & 0xffff) {
                    best = number << 16 | length;
                }
            }
        }
    }
    Some(best as u32)
}

/// One thing still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    rule: Rule,
    /// How far into it.
    at: u32,
}

/// Where a completion stands in a grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// Ways to read what was said; each a stack, what comes next on top.
    threads: Vec<Vec<Frame>>,
}

impl Matcher {
    /// Whether the completion may end here.
    pub fn may_end(&self) -> bool {
        self.threads.iter().any(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grammar: &Grammar, text: &str, expected: Option<bool>) {
        // Byte by byte and as one token: the same.
        let mut matcher = grammar.start();
        let one_by_one = text.bytes().all(|byte| grammar.push(&mut matcher, &[byte])).then(|| matcher.may_end());
        assert_eq!(one_by_one, expected, "{text:?}");
        let mut matcher = grammar.start();
        assert_eq!(grammar.push(&mut matcher, text.as_bytes()).then(|| matcher.may_end()), expected, "{text:?}");
    }

    #[test]
    fn choices_repetitions_and_rules_within_themselves() {
        let mut grammar = Grammar::default();
        let digit = grammar.class(|byte| byte.is_ascii_digit());
        let list = grammar.sequence([]);
        let item = grammar.choice([digit, list]);
        let (open, close, comma) = (grammar.text("["), grammar.text("]"), grammar.text(","));
        let more = grammar.sequence([comma, item]);
        let others = grammar.add(Node::Repeat(more));
        let items = grammar.sequence([item, others]);
        let items = grammar.optional(items);
        grammar.replace(list, Node::Sequence(vec![open, items, close]));
        grammar.sequence([list]);
        check(&grammar, "[1,[],[2,[3]]]", Some(true));
        check(&grammar, "[1,[]", Some(false));
        check(&grammar, "[1,,", None);
        check(&grammar, "[]]", None);
        check(&grammar, "12", None);
    }

    #[test]
    fn free_text_ends_where_a_forbidden_text_would_be_whole() {
        let mut grammar = Grammar::default();
        let free = grammar.add(Node::Without(vec![b"aab".to_vec(), b"stop".to_vec()]));
        let tag = grammar.text("<aab>");
        let tag = grammar.optional(tag);
        grammar.sequence([free, tag]);
        check(&grammar, "aaac stostosto", Some(true));
        check(&grammar, "xaaab", None);
        check(&grammar, "non-stop", None);
        check(&grammar, "text <aa", Some(true));
        check(&grammar, "text <aab", Some(false));
        check(&grammar, "text <aab>", Some(true));
        check(&grammar, "text <aab> ", None);
    }
}

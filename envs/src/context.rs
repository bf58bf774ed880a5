//! What a policy still sees of a long conversation.
//!
//! The log of an episode keeps every message; a policy is shown a view of it. Two rules make the view, both as DeepSeek-V3.2 has them
//! (technical report, sections 3.2.1 and 4.4): thinking is shown until the next user message and then dropped; and once more than
//! 80 % of the context window is used, old tool history is dropped or summed up. The world stays as the dropped calls left it, and a
//! note that stands in their place says so.

use crate::message::Message;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Bytes a token, until the policy has said how many tokens a prompt took.
const BYTES_PER_TOKEN: u64 = 4;
/// Bytes of one result in a digest.
const DIGEST_RESULT_BYTES: usize = 240;
/// Calls in a digest, the last ones.
const DIGEST_CALLS_MAX: usize = 40;
/// How the host begins its word on a message that could not be read.
const COMPLAINT: &str = "Your last message could not be read: ";
const COMPLAINT_END: &str = ". Write it again in the required form.";
/// What a model is asked for when history is to be summed up.
pub const SUMMARY_REQUEST: &str = "The conversation is about to outgrow your context window. Write down what you need to go on: what was asked, what you \
     found out (with identifiers), what you changed already, and what is left to do. Answer with this summary alone; call no tool.";

/// What is done with old tool history once the window fills up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nothing: the episode goes on until the window is full.
    #[default]
    None,
    /// The policy sums it up; the summary takes its place.
    Summary,
    /// The first three quarters of the rounds (a message with calls, and its results) are dropped.
    #[serde(rename = "discard-75")]
    Discard75,
    /// All rounds are dropped.
    DiscardAll,
}

impl Strategy {
    /// All strategies in a fixed order.
    pub const ALL: [Strategy; 4] = [Strategy::None, Strategy::Summary, Strategy::Discard75, Strategy::DiscardAll];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::None => "none",
            Strategy::Summary => "summary",
            Strategy::Discard75 => "discard-75",
            Strategy::DiscardAll => "discard-all",
        }
    }

    /// The strategy of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Strategy::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// When and how the view is made smaller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContextPlan {
    /// Tokens of the context window; none: it never fills up.
    pub window: Option<u64>,
    /// What is done.
    pub strategy: Strategy,
    /// Percent of the window after which it is done. Default 80.
    pub percent: u64,
}

impl Default for ContextPlan {
    fn default() -> Self {
        ContextPlan { window: None, strategy: Strategy::None, percent: 80 }
    }
}

impl ContextPlan {
    /// Whether so many tokens are too many.
    pub fn is_due(&self, tokens: u64) -> bool {
        let limit = |window: u64| window.saturating_mul(self.percent) / 100;
        self.strategy != Strategy::None && self.window.is_some_and(|window| tokens > limit(window))
    }
}

/// One time that the view was made smaller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Messages in the log when it happened.
    pub at: usize,
    /// Rounds before this message of the log are no longer shown.
    pub before: usize,
    /// The policy's summary of them, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl Cut {
    /// What stands in the place of the rounds.
    fn note(&self) -> String {
        match &self.summary {
            Some(summary) => format!(
                "(Earlier steps were summed up to save room; what they changed stays changed. The summary:\n{summary})"
            ),
            None => "(Earlier tool calls and their results were dropped to save room. What they changed stays changed: look before you \
                     change something again.)"
                .to_owned(),
        }
    }
}

/// The next cut of a log under a strategy, without its summary; none when there is nothing to drop. `last` is the cut before.
pub fn cut(strategy: Strategy, messages: &[Message], last: Option<&Cut>) -> Option<Cut> {
    let first = last.map_or(0, |cut| cut.before);
    let starts: Vec<usize> = (first..messages.len()).filter(|i| is_round(messages, *i)).collect();
    let kept_from = match strategy {
        Strategy::None => return None,
        Strategy::Summary | Strategy::DiscardAll => starts.len(),
        Strategy::Discard75 => (starts.len() * 3).div_ceil(4),
    };
    if starts.is_empty() {
        return None;
    }
    let before = starts.get(kept_from).copied().unwrap_or(messages.len());
    Some(Cut { at: messages.len(), before, summary: None })
}

fn is_round(messages: &[Message], index: usize) -> bool {
    matches!(&messages[index], Message::Assistant { calls, .. } if !calls.is_empty())
}

/// What a policy sees of a log: old rounds cut off as the last cut says, thinking before the last user message dropped.
pub fn view<'a>(messages: &'a [Message], cut: Option<&Cut>) -> Cow<'a, [Message]> {
    let last_user = messages.iter().rposition(|m| matches!(m, Message::User { .. })).unwrap_or(0);
    let stale = |m: &Message| matches!(m, Message::Assistant { reasoning, .. } if !reasoning.is_empty());
    let Some(cut) = cut else {
        if !messages[..last_user].iter().any(stale) {
            return Cow::Borrowed(messages);
        }
        return messages.iter().enumerate().map(|(i, m)| shown(m, i > last_user)).collect();
    };
    let mut seen: Vec<Message> = Vec::new();
    for message in &messages[..cut.before.min(messages.len())] {
        match message {
            Message::System { .. } => seen.push(message.clone()),
            Message::User { content } if !content.starts_with(COMPLAINT) => say(&mut seen, content),
            _ => {}
        }
    }
    // The note joins the user's last message: some models' templates refuse two in a row.
    say(&mut seen, &cut.note());
    for (index, message) in messages.iter().enumerate().skip(cut.before) {
        match message {
            Message::User { content } => say(&mut seen, content),
            other => seen.push(shown(other, index > last_user)),
        }
    }
    Cow::Owned(seen)
}

fn shown(message: &Message, thinking: bool) -> Message {
    match message {
        Message::Assistant { content, calls, .. } if !thinking => {
            Message::Assistant { content: content.clone(), reasoning: String::new(), calls: calls.clone() }
        }
        other => other.clone(),
    }
}

fn say(seen: &mut Vec<Message>, text: &str) {
    match seen.last_mut() {
        Some(Message::User { content }) => {
            content.push_str("\n\n");
            content.push_str(text);
        }
        _ => seen.push(Message::User { content: text.to_owned() }),
    }
}

/// The host's word on a message that could not be read.
pub fn complain(wrong: &str) -> String {
    format!("{COMPLAINT}{wrong}{COMPLAINT_END}")
}

/// What was wrong, out of [`complain`]; none for any other text.
pub fn complaint(content: &str) -> Option<String> {
    Some(content.strip_prefix(COMPLAINT)?.strip_suffix(COMPLAINT_END)?.to_owned())
}

/// Bytes of messages.
pub fn bytes(messages: &[Message]) -> u64 {
    messages.iter().map(|m| m.bytes() as u64).sum()
}

/// Tokens that a prompt of `bytes` will take, judged by the last prompt: its usage, and the bytes it had.
pub fn tokens(bytes: u64, last: Option<(&Usage, u64)>) -> u64 {
    match last {
        Some((usage, then)) if usage.prompt > 0 && then > 0 => {
            // Everything counts with the measured weight, so that tools and templates, which are in the prompt but not in the bytes,
            // are not forgotten.
            if bytes >= then {
                usage.prompt + (bytes - then).saturating_mul(usage.prompt) / then
            } else {
                bytes.saturating_mul(usage.prompt) / then
            }
        }
        _ => bytes / BYTES_PER_TOKEN,
    }
}

/// A summary that needs no model: the calls so far and the beginning of each result.
pub fn digest(messages: &[Message]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for message in messages {
        match message {
            Message::Assistant { calls, .. } => {
                lines.extend(calls.iter().map(|c| format!("{}: {} {}", c.id, c.name, c.arguments)));
            }
            Message::Tool { call_id, content, .. } => {
                let mut end = content.len().min(DIGEST_RESULT_BYTES);
                while !content.is_char_boundary(end) {
                    end -= 1;
                }
                let more = if end < content.len() { "..." } else { "" };
                lines.push(format!("{call_id} gave {}{more}", &content[..end]));
            }
            Message::System { .. } | Message::User { .. } => {}
        }
    }
    lines.split_off(lines.len().saturating_sub(2 * DIGEST_CALLS_MAX)).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageCall;

    fn user(text: &str) -> Message {
        Message::User { content: text.into() }
    }

    /// `rounds` rounds after an opening, each with a thought.
    fn log(rounds: usize) -> Vec<Message> {
        let mut messages = vec![Message::System { content: "S".into() }, user("do it")];
        for n in 0..rounds {
            let call =
                MessageCall { id: format!("call_{n}"), name: "look".into(), arguments: format!("{{\"n\":{n}}}") };
            messages.push(Message::Assistant {
                content: String::new(),
                reasoning: format!("thought {n}"),
                calls: vec![call],
            });
            messages.push(Message::Tool {
                call_id: format!("call_{n}"),
                name: "look".into(),
                content: format!("result {n}"),
            });
        }
        messages
    }

    fn thoughts(view: &[Message]) -> Vec<String> {
        let of = |m: &Message| match m {
            Message::Assistant { reasoning, .. } => Some(reasoning.clone()),
            _ => None,
        };
        view.iter().filter_map(of).collect()
    }

    #[test]
    fn thinking_lives_until_the_next_user_message() {
        let mut messages = log(2);
        assert!(matches!(view(&messages, None), Cow::Borrowed(_)));
        messages.push(user("and this"));
        assert_eq!(thoughts(&view(&messages, None)), ["", ""]);
        messages.extend(log(1).split_off(2));
        assert_eq!(thoughts(&view(&messages, None)), ["", "", "thought 0"]);
        let calls = view(&messages, None).iter().filter(|m| matches!(m, Message::Tool { .. })).count();
        assert_eq!(calls, 3, "calls and results stay");
    }

    #[test]
    fn each_strategy_drops_what_it_says() {
        let messages = log(8);
        let rounds = |strategy| {
            let cut = cut(strategy, &messages, None).expect("a cut");
            let view = view(&messages, Some(&cut)).into_owned();
            assert!(matches!(&view[1], Message::User { content } if content.starts_with("do it\n\n(Earlier")));
            (view.len(), thoughts(&view))
        };
        assert_eq!(rounds(Strategy::DiscardAll), (2, vec![]));
        assert_eq!(rounds(Strategy::Discard75), (6, vec!["thought 6".to_owned(), "thought 7".to_owned()]));
        assert_eq!(cut(Strategy::None, &messages, None), None);
        assert_eq!(cut(Strategy::DiscardAll, &messages[..2], None), None, "nothing to drop");
        let mut summed = cut(Strategy::Summary, &messages, None).expect("a cut");
        summed.summary = Some("eight looks".into());
        let view = view(&messages, Some(&summed));
        assert!(matches!(&view[1], Message::User { content } if content.contains("eight looks")));
    }

    #[test]
    fn a_second_cut_goes_on_from_the_first() {
        let mut messages = log(4);
        let first = cut(Strategy::Discard75, &messages, None).expect("a cut");
        assert_eq!(first.before, 8);
        assert_eq!(cut(Strategy::DiscardAll, &messages[..8], Some(&first)), None);
        messages.extend([user(&format!("{COMPLAINT}x")), user("one more thing")]);
        messages.extend(log(3).split_off(2));
        let second = cut(Strategy::Discard75, &messages, Some(&first)).expect("a cut");
        let view = view(&messages, Some(&second)).into_owned();
        assert_eq!(thoughts(&view), ["thought 2"]);
        let Message::User { content } = &view[1] else { panic!("{view:?}") };
        assert!(
            content.starts_with("do it\n\none more thing\n\n(Earlier") && !content.contains(COMPLAINT),
            "{content}"
        );
    }

    #[test]
    fn tokens_follow_what_the_last_prompt_took() {
        assert_eq!(tokens(4000, None), 1000);
        let usage = Usage { prompt: 500, ..Usage::default() };
        assert_eq!(tokens(2000, Some((&usage, 1000))), 1000);
        assert_eq!(tokens(500, Some((&usage, 1000))), 250);
        let plan = ContextPlan { window: Some(1000), strategy: Strategy::Summary, ..ContextPlan::default() };
        assert!(!plan.is_due(800) && plan.is_due(801));
        assert!(!ContextPlan { strategy: Strategy::None, ..plan }.is_due(u64::MAX));
    }

    #[test]
    fn a_digest_names_calls_and_results() {
        let text = digest(&log(2));
        assert_eq!(text, "call_0: look {\"n\":0}\ncall_0 gave result 0\ncall_1: look {\"n\":1}\ncall_1 gave result 1");
        assert_eq!(digest(&log(500)).lines().count(), 2 * DIGEST_CALLS_MAX);
    }
}

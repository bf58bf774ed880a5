//! The tokens of an episode of the embedded model as one sequence.

use terrarium_envs::episode::TokenTrace;

/// One sequence of tokens with a loss mask.
#[derive(Debug, Default, PartialEq)]
pub struct TokenLine {
    /// Tokens.
    pub ids: Vec<u32>,
    /// 1 for tokens that the model sampled, else 0.
    pub mask: Vec<u8>,
    /// Log-probability of sampled tokens, 0 elsewhere.
    pub logprobs: Vec<f32>,
}

/// The tokens that a turn adds to the line: first those it was given beyond what was there, then those it sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenPart<'a> {
    /// New tokens of the prompt.
    pub given: &'a [u32],
    /// Sampled tokens.
    pub sampled: &'a [u32],
    /// Their log-probabilities.
    pub logprobs: &'a [f32],
}

/// What each turn adds. None when a prompt does not begin with all that came before it (the context was cut, or the template writes
/// earlier turns differently), when there are no traces, or when a log-probability is missing or not finite.
pub fn parts(traces: &[TokenTrace]) -> Option<Vec<TokenPart<'_>>> {
    let mut parts: Vec<TokenPart> = Vec::with_capacity(traces.len());
    let mut before: Option<&TokenTrace> = None;
    for trace in traces {
        if trace.logprobs.len() != trace.token_ids.len() || trace.logprobs.iter().any(|p| !p.is_finite()) {
            return None;
        }
        let given = match before {
            None => trace.prompt_ids.as_slice(),
            Some(before) => trace
                .prompt_ids
                .strip_prefix(before.prompt_ids.as_slice())?
                .strip_prefix(before.token_ids.as_slice())?,
        };
        parts.push(TokenPart { given, sampled: &trace.token_ids, logprobs: &trace.logprobs });
        before = Some(trace);
    }
    (!parts.is_empty()).then_some(parts)
}

/// All parts one after another; none as for [`parts`].
pub fn line(traces: &[TokenTrace]) -> Option<TokenLine> {
    let mut line = TokenLine::default();
    for part in parts(traces)? {
        line.ids.extend(part.given);
        line.mask.resize(line.ids.len(), 0);
        line.logprobs.resize(line.ids.len(), 0.0);
        line.ids.extend(part.sampled);
        line.mask.resize(line.ids.len(), 1);
        line.logprobs.extend(part.logprobs);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(prompt: &[u32], sampled: &[u32]) -> TokenTrace {
        let logprobs = sampled.iter().map(|id| -(*id as f32)).collect();
        TokenTrace { prompt_ids: prompt.to_vec(), token_ids: sampled.to_vec(), logprobs, ..TokenTrace::default() }
    }

    #[test]
    fn turns_become_one_line() {
        let traces = [trace(&[1, 2], &[3]), trace(&[1, 2, 3, 4, 5], &[6, 7])];
        let line = line(&traces).unwrap();
        assert_eq!(
            (line.ids.as_slice(), line.mask.as_slice()),
            ([1, 2, 3, 4, 5, 6, 7].as_slice(), [0, 0, 1, 0, 0, 1, 1].as_slice())
        );
        assert_eq!(line.logprobs, [0.0, 0.0, -3.0, 0.0, 0.0, -6.0, -7.0]);
    }

    #[test]
    fn what_is_no_one_line_is_refused() {
        assert_eq!(line(&[]), None);
        assert_eq!(line(&[trace(&[1, 2], &[3]), trace(&[1, 9, 3, 4], &[5])]), None, "another prompt");
        assert_eq!(line(&[trace(&[1, 2], &[3]), trace(&[1, 2, 4], &[5])]), None, "sampled tokens are gone");
        let mut missing = trace(&[1], &[2, 3]);
        missing.logprobs.pop();
        assert_eq!(line(&[missing]), None);
    }
}

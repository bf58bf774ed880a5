//! One token for every request of a pass.

use tch::{Device, Kind};

use super::generator::Running;
use super::grammar::{Grammar, Matcher};
use super::sampler::sample;
use super::{Drawn, Finish, Likeliest};
use crate::tokenizer::Vocabulary;
use crate::{Model, Output, Result};

/// Draw one token for every request from a pass of one position each, and note which requests end with it.
pub(super) fn draw(
    model: &Model,
    batch: Vec<&mut Running>,
    output: Output,
    drawn: &mut Vec<Drawn>,
    vocabulary: Option<&Vocabulary>,
) -> Result<()> {
    let config = model.config();
    let size = config.vocab_size as usize;
    let scores = tch::no_grad(|| model.logits(&output.hidden)).to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    let mut logits = vec![0f32; batch.len() * size];
    let count = logits.len();
    scores.f_copy_data(&mut logits, count)?;
    let record_experts = batch.iter().any(|running| running.job.request.record.experts);
    let experts = if record_experts { Some(experts_by_row(&output)?) } else { None };
    for (row, running) in batch.into_iter().enumerate() {
        let logits = &mut logits[row * size..][..size];
        let job = &mut running.job;
        if let (Some(grammar), Some(matcher), Some(vocabulary)) = (&job.request.grammar, &job.matcher, vocabulary) {
            let end = config.eos_token_id as usize;
            if !mask(logits, end, grammar, matcher, vocabulary) {
                // No token can go on: the vocabulary cannot spell what must come.
                job.completion.finish = Finish::Stop;
                running.done = true;
                continue;
            }
        }
        let logits = &*logits;
        let (sampling, record) = (job.request.sampling, job.request.record);
        let sampled = sample(logits, &sampling, &mut job.stream);
        if let (Some(grammar), Some(matcher), Some(vocabulary)) = (&job.request.grammar, &mut job.matcher, vocabulary) {
            // The end token has no text of its own in a grammar.
            if i64::from(sampled.id) != config.eos_token_id {
                grammar.push(matcher, vocabulary.bytes(sampled.id).unwrap_or_default());
            }
        }
        let completion = &mut job.completion;
        completion.token_ids.push(sampled.id);
        completion.logprobs.push(sampled.logprob);
        completion.kept.push(sampled.kept.len() as u32);
        if record.kept_ids {
            completion.kept_ids.extend(sampled.kept);
        }
        if let (true, Some(experts)) = (record.experts, &experts) {
            completion.experts.extend_from_slice(&experts[row]);
        }
        let likeliest = record.likeliest.map(|count| likeliest(logits, sampled.id, count));
        completion.likeliest.extend(likeliest.clone());
        let count = completion.token_ids.len();
        let full = job.request.prompt.len() + count >= config.max_position_embeddings as usize;
        let finish = if i64::from(sampled.id) == config.eos_token_id {
            Some(Finish::Eos)
        } else if vocabulary.is_some_and(|vocabulary| stopped(vocabulary, &completion.token_ids, &job.request.stop)) {
            Some(Finish::Stop)
        } else if full {
            Some(Finish::Context)
        } else {
            (count >= sampling.max_tokens).then_some(Finish::Length)
        };
        if let Some(finish) = finish {
            completion.finish = finish;
            running.done = true;
        }
        drawn.push(Drawn { ticket: job.ticket, id: sampled.id, logprob: sampled.logprob, likeliest });
    }
    Ok(())
}

/// Make tokens that a grammar does not allow impossible; whether any is left.
fn mask(logits: &mut [f32], end: usize, grammar: &Grammar, matcher: &Matcher, vocabulary: &Vocabulary) -> bool {
    // Most tokens fail at their first byte, which is tried once for all of them.
    let first: Vec<bool> = (0..=255u8).map(|byte| grammar.allows(matcher, &[byte])).collect();
    let mut any = false;
    for (id, logit) in logits.iter_mut().enumerate() {
        let allowed = match vocabulary.bytes(id as u32) {
            _ if id == end => matcher.may_end(),
            None => false,
            Some(bytes) => first[bytes[0] as usize] && (bytes.len() == 1 || grammar.allows(matcher, bytes)),
        };
        if !allowed {
            *logit = f32::NEG_INFINITY;
        }
        any |= allowed && logit.is_finite();
    }
    any
}

/// Whether the last token's bytes complete a stop text.
fn stopped(vocabulary: &Vocabulary, ids: &[u32], stop: &[String]) -> bool {
    let Some(longest) = stop.iter().map(String::len).max() else { return false };
    let last = vocabulary.bytes(ids[ids.len() - 1]).map_or(0, <[u8]>::len);
    // The last token's bytes, and before them as many as a stop text can have.
    let mut tail: Vec<u8> = Vec::new();
    for &id in ids.iter().rev() {
        if tail.len() >= last + longest {
            break;
        }
        tail = [vocabulary.bytes(id).unwrap_or_default(), &tail].concat();
    }
    let tail = &tail[tail.len().saturating_sub(last + longest - 1)..];
    stop.iter().any(|stop| tail.windows(stop.len()).any(|window| window == stop.as_bytes()))
}

/// The model's own log-probabilities of the drawn token and of the `count` likeliest.
fn likeliest(logits: &[f32], drawn: u32, count: usize) -> Likeliest {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - top).exp()).sum();
    let logprob = |id: u32| (f64::from(logits[id as usize] - top) - sum.ln()) as f32;
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let count = count.min(ids.len());
    if count > 0 && count < ids.len() {
        ids.select_nth_unstable_by(count - 1, order);
    }
    ids.truncate(count);
    ids.sort_unstable_by(order);
    Likeliest { drawn: logprob(drawn), best: ids.into_iter().map(|id| (id, logprob(id))).collect() }
}

/// Routed experts of each row, first mixture layer first.
fn experts_by_row(output: &Output) -> Result<Vec<Vec<u16>>> {
    let mut rows: Vec<Vec<u16>> = vec![Vec::new(); output.hidden.size()[0] as usize];
    for layer in &output.trace.experts {
        for (row, ids) in rows.iter_mut().zip(Vec::<Vec<i64>>::try_from(layer)?) {
            row.extend(ids.into_iter().map(|id| id as u16));
        }
    }
    Ok(rows)
}

impl Output {
    /// Only the last position of every row. Routing is kept only of a single row or single positions, which is what
    /// passes of the generator are.
    pub(super) fn last(self) -> Self {
        let length = self.hidden.size()[1];
        if length == 1 {
            return self;
        }
        let mut trace = self.trace;
        trace.experts = trace.experts.iter().map(|experts| experts.narrow(0, length - 1, 1)).collect();
        Self { hidden: self.hidden.narrow(1, length - 1, 1), trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_are_ordered_and_their_probabilities_are_the_models() {
        let found = likeliest(&[0.0, 1.0, 1.0, -2.0], 3, 3);
        let sum = (1.0f32 + 2.0 * 1f32.exp() + (-2f32).exp()).ln();
        assert_eq!(found.best.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 0]);
        assert!((found.best[0].1 - (1.0 - sum)).abs() < 1e-6 && (found.drawn - (-2.0 - sum)).abs() < 1e-6);
        assert!(likeliest(&[0.0, 1.0], 0, 0).best.is_empty());
        assert_eq!(likeliest(&[0.0, 1.0], 0, 5).best.len(), 2);
    }
}

//! Continuous batching over a paged cache.

use std::collections::{BTreeMap, VecDeque};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::sampler::sample;
use super::{Completion, Finish, Request};
use crate::cache::{Cache, PAGE, Sequence};
use crate::{Error, Model, Output, Result};

/// Limits of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Requests that run side by side.
    pub batch_max: usize,
    /// Positions the cache may hold over all conversations.
    pub cache_tokens_max: usize,
    /// Prompt tokens taken in one pass.
    pub prefill_tokens: usize,
    /// Conversations remembered, finished ones included (their prefixes serve new ones).
    pub conversations_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_max: 32, cache_tokens_max: 1 << 17, prefill_tokens: 512, conversations_max: 256 }
    }
}

/// Identifies a submitted request.
type Ticket = u64;

/// A model with a cache, running many requests side by side. Not shared between threads, but may move to another.
#[derive(Debug)]
pub struct Generator {
    model: Model,
    options: Options,
    cache: Cache,
    conversations: BTreeMap<u64, Conversation>,
    waiting: VecDeque<(Ticket, Request)>,
    running: Vec<Running>,
    next_ticket: Ticket,
    clock: u64,
}

/// What is cached of one conversation.
#[derive(Debug, Default)]
struct Conversation {
    /// One token for every cached position.
    tokens: Vec<u32>,
    sequence: Sequence,
    /// When it last ran, for eviction.
    used: u64,
    /// The caller has no more turns for it: the first to be evicted.
    released: bool,
}

/// A request in the batch.
#[derive(Debug)]
struct Running {
    ticket: Ticket,
    request: Request,
    conversation: Conversation,
    stream: ChaCha8Rng,
    completion: Completion,
    done: bool,
}

impl Generator {
    /// A generator with an empty cache.
    pub fn new(model: Model, options: Options) -> Self {
        let cache = model.cache(options.cache_tokens_max);
        Self {
            model,
            options,
            cache,
            conversations: BTreeMap::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            next_ticket: 0,
            clock: 0,
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model alone; the cache is given up. Training steps weights, after which cached rows would be stale.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Queue a request; [`Generator::step`] returns its completion under the number given here.
    ///
    /// # Errors
    /// [`Error::Request`]: empty prompt, settings out of range, a conversation that already has a request, or a prompt
    /// that cannot fit the cache; [`Error::Tokens`]: an id outside the vocabulary.
    pub fn submit(&mut self, request: Request) -> Result<u64> {
        self.check(&request)?;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push_back((ticket, request));
        Ok(ticket)
    }

    fn check(&self, request: &Request) -> Result<()> {
        let bad = |reason: &str| Err(Error::Request(reason.to_owned()));
        let sampling = &request.sampling;
        if request.prompt.is_empty() {
            return bad("the prompt is empty");
        }
        if !(sampling.temperature.is_finite() && sampling.temperature >= 0.0) {
            return bad("temperature must be finite and not negative");
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return bad("top_p must lie in (0, 1]");
        }
        let config = self.model.config();
        if let Some(position) = request.prompt.iter().position(|&id| i64::from(id) >= config.vocab_size) {
            let (id, vocabulary) = (i64::from(request.prompt[position]), config.vocab_size);
            return Err(crate::TokensError::OutsideVocabulary { row: 0, position, id, vocabulary }.into());
        }
        let busy =
            self.waiting.iter().map(|(_, other)| other).chain(self.running.iter().map(|running| &running.request));
        if busy.into_iter().any(|other| other.conversation == request.conversation) {
            return bad("the conversation already has a request");
        }
        // One page more than the tokens need: a shared last page is copied before it is written.
        if self.pages_at_most(request) > self.options.cache_tokens_max.div_ceil(PAGE) {
            return bad("prompt and max_tokens exceed the cache");
        }
        Ok(())
    }

    /// Forget that a conversation will go on. Its prefix may still serve others until its room is needed.
    pub fn release(&mut self, conversation: u64) {
        if let Some(found) = self.conversations.get_mut(&conversation) {
            found.released = true;
        }
    }

    /// Whether nothing is waiting or running.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Admit what fits, take one token further in every running request, and return what finished, in the order of
    /// submission.
    ///
    /// # Errors
    /// [`Error::Torch`] and [`Error::Cache`] are our own failures: the generator should be dropped.
    pub fn step(&mut self) -> Result<Vec<(u64, Completion)>> {
        // Requests admitted now draw their first token from the prompt's pass; the others take a step together.
        let before = self.running.len();
        self.advance(before)?;
        self.admit()?;
        let (done, running) = std::mem::take(&mut self.running).into_iter().partition(|running: &Running| running.done);
        self.running = running;
        let mut finished = Vec::new();
        for running in done {
            self.conversations.insert(running.request.conversation, running.conversation);
            finished.push((running.ticket, running.completion));
        }
        finished.sort_by_key(|(ticket, _)| *ticket);
        self.forget_surplus();
        Ok(finished)
    }

    /// Run all of `requests` and return their completions in the same order.
    ///
    /// # Errors
    /// As [`Generator::submit`] (nothing is run then) and [`Generator::step`].
    pub fn generate(&mut self, requests: Vec<Request>) -> Result<Vec<Completion>> {
        let queued = self.waiting.len();
        let mut tickets = Vec::with_capacity(requests.len());
        for request in requests {
            match self.submit(request) {
                Ok(ticket) => tickets.push(ticket),
                Err(error) => {
                    self.waiting.truncate(queued);
                    return Err(error);
                }
            }
        }
        let mut found = BTreeMap::new();
        while found.len() < tickets.len() {
            let finished = self.step()?;
            found.extend(finished.into_iter().filter(|(ticket, _)| tickets.contains(ticket)));
        }
        Ok(found.into_values().collect())
    }

    /// Feed the last token of the first `count` running requests and draw the next one for each.
    fn advance(&mut self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let batch = &mut self.running[..count];
        let last: Vec<i64> = batch.iter().map(|running| i64::from(running.last_token())).collect();
        let tokens = Tensor::from_slice(&last).view([-1, 1]).to_device(self.model.device());
        let mut sequences: Vec<&mut Sequence> =
            batch.iter_mut().map(|running| &mut running.conversation.sequence).collect();
        let output = self.model.extend(&tokens, &mut self.cache, &mut sequences)?;
        for running in batch.iter_mut() {
            let token = running.last_token();
            running.conversation.tokens.push(token);
        }
        draw(&self.model, batch, &output)
    }

    /// Start waiting requests while there is room in the batch and in the cache.
    fn admit(&mut self) -> Result<()> {
        while self.running.len() < self.options.batch_max {
            let Some((_, request)) = self.waiting.front() else { break };
            let needed = self.pages_at_most(request);
            let conversation = request.conversation;
            if !self.make_room(needed, conversation) {
                break;
            }
            let (ticket, request) = self.waiting.pop_front().expect("looked at above");
            let running = self.start(ticket, request)?;
            self.running.push(running);
        }
        Ok(())
    }

    /// Pages a request can come to hold.
    fn pages_at_most(&self, request: &Request) -> usize {
        let context = self.model.config().max_position_embeddings as usize;
        (request.prompt.len() + request.sampling.max_tokens).min(context).div_ceil(PAGE) + 1
    }

    /// Evict idle conversations, released ones first, until `needed` pages are free beside what running requests may
    /// still take. Whether that succeeded. `keep` is evicted last, for its prefix is about to be used.
    fn make_room(&mut self, needed: usize, keep: u64) -> bool {
        let promised: usize = self
            .running
            .iter()
            .map(|running| {
                self.pages_at_most(&running.request).saturating_sub(running.conversation.sequence.len() / PAGE)
            })
            .sum();
        loop {
            if self.cache.tokens_free() / PAGE >= needed + promised {
                return true;
            }
            let oldest =
                self.conversations.iter().min_by_key(|(id, found)| (**id == keep, !found.released, found.used));
            let Some((&id, _)) = oldest else { return false };
            self.evict(id);
        }
    }

    fn evict(&mut self, id: u64) {
        if let Some(conversation) = self.conversations.remove(&id) {
            self.cache.release(conversation.sequence);
        }
    }

    fn forget_surplus(&mut self) {
        while self.conversations.len() > self.options.conversations_max {
            let oldest = self.conversations.iter().min_by_key(|(_, found)| (!found.released, found.used));
            let id = *oldest.expect("there are more than the limit").0;
            self.evict(id);
        }
    }

    /// Run the part of the prompt that no cache holds, and draw the first token.
    fn start(&mut self, ticket: Ticket, request: Request) -> Result<Running> {
        self.clock += 1;
        let mut conversation = self.prefix(&request);
        conversation.used = self.clock;
        let mut stream = ChaCha8Rng::seed_from_u64(request.sampling.seed);
        stream.set_stream(request.sampling.stream);
        let completion = Completion {
            token_ids: Vec::new(),
            logprobs: Vec::new(),
            kept: Vec::new(),
            kept_ids: Vec::new(),
            experts: Vec::new(),
            finish: Finish::Length,
            reused_tokens: conversation.tokens.len(),
        };
        let mut running = Running { ticket, request, conversation, stream, completion, done: false };
        let context = self.model.config().max_position_embeddings as usize;
        if running.request.prompt.len() >= context {
            running.completion.finish = Finish::Context;
            running.done = true;
        } else if running.request.sampling.max_tokens == 0 {
            running.done = true;
        }
        if running.done {
            return Ok(running);
        }
        let mut output = None;
        let rest = running.request.prompt[running.conversation.tokens.len()..].to_vec();
        for chunk in rest.chunks(self.options.prefill_tokens.max(1)) {
            let ids: Vec<i64> = chunk.iter().map(|&id| i64::from(id)).collect();
            let tokens = Tensor::from_slice(&ids).view([1, -1]).to_device(self.model.device());
            output = Some(self.model.extend(&tokens, &mut self.cache, &mut [&mut running.conversation.sequence])?);
            running.conversation.tokens.extend_from_slice(chunk);
        }
        let output = output.expect("at least the last prompt token is run");
        draw(&self.model, std::slice::from_mut(&mut running), &output.last())?;
        Ok(running)
    }

    /// The longest cached prefix of a prompt, less its last token: the conversation's own, or a fork of another's.
    fn prefix(&mut self, request: &Request) -> Conversation {
        let usable = &request.prompt[..request.prompt.len() - 1];
        let common = |tokens: &[u32]| tokens.iter().zip(usable).take_while(|(a, b)| a == b).count();
        let own = self.conversations.remove(&request.conversation);
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

impl Running {
    fn last_token(&self) -> u32 {
        *self.completion.token_ids.last().expect("a running request has drawn a token")
    }
}

impl Output {
    /// Only the last position of a single row.
    fn last(self) -> Self {
        let length = self.hidden.size()[1];
        let mut trace = self.trace;
        trace.experts = trace.experts.iter().map(|experts| experts.narrow(0, length - 1, 1)).collect();
        Self { hidden: self.hidden.narrow(1, length - 1, 1), trace }
    }
}

/// Draw one token for every request from a pass of one position each.
fn draw(model: &Model, batch: &mut [Running], output: &Output) -> Result<()> {
    let config = model.config();
    let vocabulary = config.vocab_size as usize;
    let scores = tch::no_grad(|| model.logits(&output.hidden)).to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    let mut logits = vec![0f32; batch.len() * vocabulary];
    let count = logits.len();
    scores.f_copy_data(&mut logits, count)?;
    let experts =
        if batch.iter().any(|running| running.request.record.experts) { Some(experts_by_row(output)?) } else { None };
    for (row, running) in batch.iter_mut().enumerate() {
        let sampling = running.request.sampling;
        let sampled = sample(&logits[row * vocabulary..][..vocabulary], &sampling, &mut running.stream);
        let completion = &mut running.completion;
        completion.token_ids.push(sampled.id);
        completion.logprobs.push(sampled.logprob);
        completion.kept.push(sampled.kept.len() as u32);
        if running.request.record.kept_ids {
            completion.kept_ids.extend(sampled.kept);
        }
        if let (true, Some(experts)) = (running.request.record.experts, &experts) {
            completion.experts.extend_from_slice(&experts[row]);
        }
        let drawn = completion.token_ids.len();
        let full = running.request.prompt.len() + drawn >= config.max_position_embeddings as usize;
        let finish = if i64::from(sampled.id) == config.eos_token_id {
            Some(Finish::Eos)
        } else if full {
            Some(Finish::Context)
        } else {
            (drawn >= sampling.max_tokens).then_some(Finish::Length)
        };
        if let Some(finish) = finish {
            completion.finish = finish;
            running.done = true;
        }
    }
    Ok(())
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

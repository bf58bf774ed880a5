//! Continuous batching over a paged cache.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::draw::draw;
use super::grammar::Matcher;
use super::{Completion, Counters, Drawn, Finish, Request};
use crate::cache::{Cache, Format, PAGE, Sequence};
use crate::tokenizer::Vocabulary;
use crate::{Error, Model, Result};

/// Limits of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Requests that run side by side.
    pub batch_max: usize,
    /// Positions the cache may hold over all conversations.
    pub cache_tokens_max: usize,
    /// Prompt tokens read in one step, over all requests.
    pub prefill_tokens: usize,
    /// Conversations remembered, finished ones included (their prefixes serve new ones).
    pub conversations_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_max: 32, cache_tokens_max: 1 << 17, prefill_tokens: 512, conversations_max: 256 }
    }
}

/// A model with a cache, running many requests side by side. Not shared between threads, but may move to another.
#[derive(Debug)]
pub struct Generator {
    pub(super) model: Model,
    pub(super) options: Options,
    pub(super) vocabulary: Option<Arc<Vocabulary>>,
    pub(super) cache: Cache,
    pub(super) conversations: BTreeMap<u64, Conversation>,
    pub(super) waiting: VecDeque<Job>,
    pub(super) running: Vec<Running>,
    pub(super) counters: Counters,
    drawn: Vec<Drawn>,
    next_ticket: u64,
    clock: u64,
}

/// What is cached of one conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// One token for every cached position.
    pub tokens: Vec<u32>,
    pub sequence: Sequence,
    /// When it last ran, for eviction.
    pub used: u64,
    /// The caller has no more turns for it: the first to be evicted.
    pub released: bool,
}

/// A request and what has been drawn for it.
#[derive(Debug)]
pub(super) struct Job {
    pub ticket: u64,
    pub request: Request,
    pub stream: ChaCha8Rng,
    pub completion: Completion,
    /// Where the completion stands in the request's grammar.
    pub matcher: Option<Matcher>,
}

/// A job with a place in the batch and in the cache.
#[derive(Debug)]
pub(super) struct Running {
    pub job: Job,
    pub conversation: Conversation,
    pub done: bool,
}

impl Generator {
    /// A generator with an empty cache of exact rows and indexer keys.
    pub fn new(model: Model, options: Options) -> Self {
        Self::with_format(model, options, Format::default()).expect("every model can have exact rows and keys")
    }

    /// A generator with an empty cache.
    ///
    /// # Errors
    /// [`Error::Cache`] if the model cannot have a cache of that format.
    pub fn with_format(model: Model, options: Options, format: impl Into<Format>) -> Result<Self> {
        let cache = model.cache_with(options.cache_tokens_max, format)?;
        Ok(Self {
            model,
            options,
            vocabulary: None,
            cache,
            conversations: BTreeMap::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            counters: Counters::default(),
            drawn: Vec::new(),
            next_ticket: 0,
            clock: 0,
        })
    }

    /// The same generator, knowing what text its tokens stand for: needed for stop texts.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: Arc<Vocabulary>) -> Self {
        self.vocabulary = Some(vocabulary);
        self
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model alone; the cache is given up. Training steps weights, after which cached rows would be stale.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Queue a request; [`Generator::step`] returns its completion under the number given here.
    ///
    /// # Errors
    /// [`Error::Request`]: empty prompt, settings out of range, a conversation that already has a request, stop texts
    /// without a vocabulary, or a prompt that cannot fit the cache; [`Error::Tokens`]: an id outside the vocabulary.
    pub fn submit(&mut self, request: Request) -> Result<u64> {
        self.check(&request)?;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let mut stream = ChaCha8Rng::seed_from_u64(request.sampling.seed);
        stream.set_stream(request.sampling.stream);
        let matcher = request.grammar.as_ref().map(|grammar| grammar.start());
        self.waiting.push_back(Job { ticket, request, stream, completion: Completion::empty(), matcher });
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
        if !(0.0..=1.0).contains(&sampling.min_p) {
            return bad("min_p must lie in [0, 1]");
        }
        if request.stop.iter().any(String::is_empty) {
            return bad("a stop text is empty");
        }
        if (!request.stop.is_empty() || request.grammar.is_some()) && self.vocabulary.is_none() {
            return bad("stop texts and grammars need a generator that knows its vocabulary");
        }
        let config = self.model.config();
        if let Some(position) = request.prompt.iter().position(|&id| i64::from(id) >= config.vocab_size) {
            let (id, vocabulary) = (i64::from(request.prompt[position]), config.vocab_size);
            return Err(crate::TokensError::OutsideVocabulary { row: 0, position, id, vocabulary }.into());
        }
        let jobs = self.waiting.iter().chain(self.running.iter().map(|running| &running.job));
        if jobs.into_iter().any(|other| other.request.conversation == request.conversation) {
            return bad("the conversation already has a request");
        }
        // One page more than the tokens need: a shared last page is copied before it is written.
        let context = config.max_position_embeddings as usize;
        let pages = (request.prompt.len() + sampling.max_tokens).min(context).div_ceil(PAGE) + 1;
        if pages > self.options.cache_tokens_max.div_ceil(PAGE) {
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

    /// End a request early: it is answered by the next [`Generator::step`] with what has been drawn, as
    /// [`Finish::Cancelled`].
    pub fn cancel(&mut self, ticket: u64) {
        for job in self.waiting.iter_mut().chain(self.running.iter_mut().map(|running| &mut running.job)) {
            if job.ticket == ticket {
                job.completion.finish = Finish::Cancelled;
            }
        }
    }

    /// Whether nothing is waiting or running.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Tokens drawn since the last call, in the order they were drawn.
    pub fn take_drawn(&mut self) -> Vec<Drawn> {
        std::mem::take(&mut self.drawn)
    }

    /// Admit what fits, take one token further in every request whose prompt has been read, read on in the others, and
    /// return what finished, in the order of submission.
    ///
    /// # Errors
    /// [`Error::Torch`] and [`Error::Cache`] are our own failures: the generator should be dropped.
    pub fn step(&mut self) -> Result<Vec<(u64, Completion)>> {
        self.drawn.clear();
        let mut finished = self.drop_cancelled();
        self.admit();
        self.decode()?;
        self.prefill()?;
        let (done, running) = std::mem::take(&mut self.running).into_iter().partition(|running: &Running| running.done);
        self.running = running;
        for Running { job, conversation, .. } in done {
            self.conversations.insert(job.request.conversation, conversation);
            finished.push((job.ticket, job.completion));
        }
        finished.sort_by_key(|(ticket, _)| *ticket);
        self.forget_surplus();
        Ok(finished)
    }

    fn drop_cancelled(&mut self) -> Vec<(u64, Completion)> {
        for running in &mut self.running {
            running.done |= running.job.completion.finish == Finish::Cancelled;
        }
        let (gone, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|job: &Job| job.completion.finish == Finish::Cancelled);
        self.waiting = kept;
        let gone: VecDeque<Job> = gone;
        gone.into_iter().map(|job| (job.ticket, job.completion)).collect()
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

    /// Take one token further in every request that has a single token left to run.
    fn decode(&mut self) -> Result<()> {
        self.make_room_for(|running| usize::from(running.pending() == 1));
        let ready = |running: &&mut Running| !running.done && running.pending() == 1;
        let batch: Vec<&mut Running> = self.running.iter_mut().filter(ready).collect();
        run(&self.model, &mut self.cache, batch, 1, &mut self.drawn, &mut self.counters, self.vocabulary.as_deref())
    }

    /// Read up to `prefill_tokens` of the prompts that are not yet in the cache, the oldest request first.
    fn prefill(&mut self) -> Result<()> {
        let mut budget = self.options.prefill_tokens.max(1);
        // Preemption removes the youngest, which stand behind, so that an index stays valid.
        let mut index = 0;
        while index < self.running.len() && budget > 0 {
            let running = &self.running[index];
            // A single pending token is the next step's to decode.
            if running.done || running.pending() == 1 {
                index += 1;
                continue;
            }
            let (ticket, count) = (running.job.ticket, running.pending().min(budget));
            self.make_room_for(|running| if running.job.ticket == ticket { count } else { 0 });
            // If only requests that are done hold the pages, it gave way itself.
            let Some(running) = self.running.get_mut(index).filter(|running| running.job.ticket == ticket) else {
                continue;
            };
            let (drawn, counters) = (&mut self.drawn, &mut self.counters);
            run(&self.model, &mut self.cache, vec![running], count, drawn, counters, self.vocabulary.as_deref())?;
            budget -= count;
            index += 1;
        }
        Ok(())
    }

    /// Give a job its place in the batch, with the longest prefix any cache holds.
    pub(super) fn start(&mut self, job: Job) {
        self.clock += 1;
        let known: Vec<u32> = job.known().collect();
        let mut conversation = self.prefix(job.request.conversation, &known);
        conversation.used = self.clock;
        let mut running = Running { job, conversation, done: false };
        let (request, completion) = (&running.job.request, &mut running.job.completion);
        if completion.token_ids.is_empty() {
            completion.reused_tokens = running.conversation.tokens.len();
            self.counters.reused += completion.reused_tokens as u64;
        }
        if request.prompt.len() >= self.model.config().max_position_embeddings as usize {
            completion.finish = Finish::Context;
            running.done = true;
        } else if request.sampling.max_tokens == 0 {
            running.done = true;
        }
        self.running.push(running);
    }
}

/// Run the next `count` pending tokens of every request of `batch` in one pass, and draw a token where none are left.
fn run(
    model: &Model,
    cache: &mut Cache,
    mut batch: Vec<&mut Running>,
    count: usize,
    drawn: &mut Vec<Drawn>,
    counters: &mut Counters,
    vocabulary: Option<&Vocabulary>,
) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let ids: Vec<Vec<u32>> = batch.iter().map(|running| running.next_tokens(count)).collect();
    let flat: Vec<i64> = ids.iter().flatten().map(|&id| i64::from(id)).collect();
    let tokens = Tensor::from_slice(&flat).view([batch.len() as i64, -1]).to_device(model.place().device);
    let mut sequences: Vec<&mut Sequence> =
        batch.iter_mut().map(|running| &mut running.conversation.sequence).collect();
    let output = model.extend(&tokens, cache, &mut sequences)?;
    for (running, ids) in batch.iter_mut().zip(ids) {
        running.conversation.tokens.extend(ids);
    }
    counters.prefilled += flat.len() as u64;
    // All rows of a batch have the same number of tokens left: none, or the single row is a prompt that goes on.
    if batch[0].pending() == 0 {
        counters.drawn += batch.len() as u64;
        draw(model, batch, output.last(), drawn, vocabulary)?;
    }
    Ok(())
}

impl Job {
    /// Prompt and drawn tokens.
    pub fn known(&self) -> impl Iterator<Item = u32> {
        self.request.prompt.iter().chain(&self.completion.token_ids).copied()
    }
}

impl Running {
    /// Known tokens that are not in the cache. At least one while a token is to be drawn.
    pub fn pending(&self) -> usize {
        self.job.request.prompt.len() + self.job.completion.token_ids.len() - self.conversation.tokens.len()
    }

    fn next_tokens(&self, count: usize) -> Vec<u32> {
        self.job.known().skip(self.conversation.tokens.len()).take(count).collect()
    }
}

impl Completion {
    fn empty() -> Self {
        Self {
            token_ids: Vec::new(),
            logprobs: Vec::new(),
            kept: Vec::new(),
            kept_ids: Vec::new(),
            experts: Vec::new(),
            likeliest: Vec::new(),
            finish: Finish::Length,
            reused_tokens: 0,
        }
    }
}

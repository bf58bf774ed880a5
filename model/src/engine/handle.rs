//! A generator on its own thread.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Completion, Generator, Request};
use crate::{Error, Result};

/// Called once, on the engine's thread, with the completion or why there is none.
type Reply = Box<dyn FnOnce(Result<Completion>) + Send>;

enum Message {
    Generate(Request, Reply),
    Release(u64),
}

/// Sends requests to an engine thread. Cloning is cheap; the thread ends when the last handle is gone and its work done.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    sender: Sender<Message>,
}

impl EngineHandle {
    /// Move a generator to a thread of its own.
    ///
    /// # Errors
    /// [`Error::Request`] if the system gives no thread.
    pub fn spawn(generator: Generator) -> Result<Self> {
        let (sender, receiver) = channel();
        let run = move || serve(generator, &receiver);
        std::thread::Builder::new()
            .name("dsa-engine".into())
            .spawn(run)
            .map_err(|error| Error::Request(format!("no thread for the engine: {error}")))?;
        Ok(Self { sender })
    }

    /// Ask for a completion and return at once; `reply` is called on the engine's thread and must not block. If the
    /// engine dies, `reply` is dropped uncalled.
    ///
    /// # Errors
    /// [`Error::EngineEnded`].
    pub fn submit(&self, request: Request, reply: impl FnOnce(Result<Completion>) + Send + 'static) -> Result<()> {
        self.sender.send(Message::Generate(request, Box::new(reply))).map_err(|_| Error::EngineEnded)
    }

    /// Ask for a completion and wait for it. For blocking threads; other requests run meanwhile.
    ///
    /// # Errors
    /// As [`Generator::submit`] and [`Generator::step`]; [`Error::EngineEnded`].
    pub fn generate(&self, request: Request) -> Result<Completion> {
        let (sender, receiver) = channel();
        // A send fails only if this call was abandoned, which it is not.
        self.submit(request, move |result| drop(sender.send(result)))?;
        receiver.recv().map_err(|_| Error::EngineEnded)?
    }

    /// Tell the engine that a conversation has ended.
    pub fn release(&self, conversation: u64) {
        // An engine that has ended has nothing to release.
        drop(self.sender.send(Message::Release(conversation)));
    }
}

/// The engine's thread: take messages as they come, step while there is work.
fn serve(mut generator: Generator, receiver: &Receiver<Message>) {
    let mut replies: BTreeMap<u64, Reply> = BTreeMap::new();
    loop {
        let message = if generator.is_idle() {
            match receiver.recv() {
                Ok(message) => Some(message),
                Err(_) => return,
            }
        } else {
            receiver.try_recv().ok()
        };
        match message {
            Some(Message::Generate(request, reply)) => match generator.submit(request) {
                Ok(ticket) => drop(replies.insert(ticket, reply)),
                Err(error) => reply(Err(error)),
            },
            Some(Message::Release(conversation)) => generator.release(conversation),
            None => match generator.step() {
                Ok(finished) => {
                    for (ticket, completion) in finished {
                        if let Some(reply) = replies.remove(&ticket) {
                            reply(Ok(completion));
                        }
                    }
                }
                // The generator's state is unknown: end, which drops every waiting reply.
                Err(error) => {
                    if let Some((_, reply)) = replies.pop_first() {
                        reply(Err(error));
                    }
                    return;
                }
            },
        }
    }
}

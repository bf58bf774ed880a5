//! A generator on its own thread.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Completion, Drawn, Generator, Request};
use crate::{Error, Result};

/// What a caller that streams is told.
#[derive(Debug)]
pub enum Event {
    /// One more token.
    Drawn(Drawn),
    /// The last event: the completion, or why there is none.
    Finished(Result<Completion>),
}

/// Called on the engine's thread with each event of a request. To break is to cancel the request.
type Listener = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

enum Message {
    Generate(Request, Listener),
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
        let mut reply = Some(reply);
        self.stream(request, move |event| {
            if let Event::Finished(result) = event
                && let Some(reply) = reply.take()
            {
                reply(result);
            }
            ControlFlow::Continue(())
        })
    }

    /// Ask for a completion token by token and return at once; `listener` is called on the engine's thread and must not
    /// block. If it breaks, the request is cancelled and the last event follows soon.
    ///
    /// # Errors
    /// [`Error::EngineEnded`].
    pub fn stream(
        &self,
        request: Request,
        listener: impl FnMut(Event) -> ControlFlow<()> + Send + 'static,
    ) -> Result<()> {
        self.sender.send(Message::Generate(request, Box::new(listener))).map_err(|_| Error::EngineEnded)
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
    let mut listeners: BTreeMap<u64, Listener> = BTreeMap::new();
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
            Some(Message::Generate(request, mut listener)) => match generator.submit(request) {
                Ok(ticket) => drop(listeners.insert(ticket, listener)),
                Err(error) => {
                    let _ = listener(Event::Finished(Err(error)));
                }
            },
            Some(Message::Release(conversation)) => generator.release(conversation),
            None => match generator.step() {
                Ok(finished) => {
                    for drawn in generator.take_drawn() {
                        let ticket = drawn.ticket;
                        let listener = listeners.get_mut(&ticket);
                        if listener.is_some_and(|listener| listener(Event::Drawn(drawn)).is_break()) {
                            generator.cancel(ticket);
                        }
                    }
                    for (ticket, completion) in finished {
                        if let Some(mut listener) = listeners.remove(&ticket) {
                            // The request is over; a wish to cancel it comes too late.
                            let _ = listener(Event::Finished(Ok(completion)));
                        }
                    }
                }
                // The generator's state is unknown: end, which drops every waiting listener.
                Err(error) => {
                    if let Some((_, mut listener)) = listeners.pop_first() {
                        let _ = listener(Event::Finished(Err(error)));
                    }
                    return;
                }
            },
        }
    }
}

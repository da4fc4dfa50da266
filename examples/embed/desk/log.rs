//! What happened in a run, for those who listen now and those who come later.

use std::sync::{Arc, Mutex, PoisonError};

use eks_core::engine::{ApplyError, Event};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Every event of a run, as JSON.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Value>,
    listeners: Vec<UnboundedSender<Value>>,
    over: bool,
}

impl Log {
    /// An observer's work: quick, and never waiting.
    pub(crate) fn tell(&self, event: &Event) {
        // Events have a JSON form by their documentation; one that had none would be no reason to fail a run.
        if let Ok(event) = serde_json::to_value(event) {
            self.add(event);
        }
    }

    /// The last event; those who listen hear no more.
    pub(crate) fn end(&self, result: Result<(), ApplyError>) {
        self.add(match result {
            Ok(()) => json!({"event": "end", "done": true}),
            Err(error) => json!({"event": "end", "done": false, "error": error.to_string()}),
        });
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.over = true;
        inner.listeners.clear();
    }

    fn add(&self, event: Value) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.listeners.retain(|listener| listener.send(event.clone()).is_ok());
        inner.events.push(event);
    }

    /// All events so far, then those to come.
    pub(crate) fn listen(&self) -> UnboundedReceiver<Value> {
        let (sender, receiver) = unbounded_channel();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = inner.events.iter().all(|event| sender.send(event.clone()).is_ok());
        if heard && !inner.over {
            inner.listeners.push(sender);
        }
        receiver
    }
}

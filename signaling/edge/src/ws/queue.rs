//! Owns the queue of what one page is sent: what the service tells it and the replies to its requests, in one order.
//! Never waits for the socket.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use chappe_signaling_service::{PageLink, PageMessage, SharedEvent};
use tokio::sync::{Notify, mpsc};

use crate::ws::message::ServerMessage;

/// Where messages are handed in.
#[derive(Debug, Clone)]
pub struct PageQueue {
    messages: mpsc::Sender<Queued>,
    stop: Arc<Notify>,
}

/// A message on its way to the page. What many are told is rendered where it is written, and once.
#[derive(Debug)]
pub enum Queued {
    Reply(Utf8Bytes),
    Message(PageMessage),
}

pub fn page_queue(messages_max: usize) -> (PageQueue, mpsc::Receiver<Queued>) {
    let (messages, outgoing) = mpsc::channel(messages_max);
    (PageQueue { messages, stop: Arc::new(Notify::new()) }, outgoing)
}

impl PageQueue {
    /// Waits while the queue is full: a page that does not read is not read from either.
    pub async fn reply(&self, text: Utf8Bytes) {
        let _ = self.messages.send(Queued::Reply(text)).await;
    }

    /// Told when the connection has to end.
    pub fn stopped(&self) -> Arc<Notify> {
        Arc::clone(&self.stop)
    }
}

impl PageLink for PageQueue {
    fn push(&self, message: PageMessage) -> bool {
        self.messages.try_send(Queued::Message(message)).is_ok()
    }

    fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Queued {
    pub fn into_text(self) -> Utf8Bytes {
        match self {
            Queued::Reply(text) => text,
            Queued::Message(PageMessage::Welcome(welcome)) => ServerMessage::from(&*welcome).to_text(),
            Queued::Message(PageMessage::Rendered(text)) => text.into(),
            Queued::Message(PageMessage::Event(shared)) => shared_text(&shared),
        }
    }
}

fn shared_text(shared: &SharedEvent) -> Utf8Bytes {
    let text = shared.text.get_or_init(|| Bytes::from(ServerMessage::from(&shared.event).to_text()));
    Utf8Bytes::try_from(text.clone()).unwrap_or_else(|_| ServerMessage::from(&shared.event).to_text())
}

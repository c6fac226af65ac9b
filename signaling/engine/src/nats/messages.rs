//! Owns requests, publishing and subscribing over NATS' own messages. Never keeps a message for servers that are not
//! there.

use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::{Client, Request, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection::Connection;
use crate::PAYLOAD_BYTES_MAX;
use crate::drops::Queue;
use crate::engine::{Incoming, Reply, WAITING_MAX};
use crate::error::EngineError;
use crate::key::{NodeName, Subject};
use crate::mailbox::{Mailbox, mailbox};

#[derive(Debug)]
pub(super) struct Messages {
    connection: Connection,
    prefix: String,
}

impl Messages {
    pub(super) fn new(connection: Connection, prefix: String) -> Messages {
        Messages { connection, prefix }
    }

    pub(super) async fn request(
        &self,
        node: &NodeName,
        payload: Bytes,
        within: Duration,
    ) -> Result<Bytes, EngineError> {
        let client = self.connection.client();
        // An inbox of its own: it is forgotten with the request, whether a reply comes or not.
        let request = Request::new().payload(payload).inbox(client.new_inbox()).timeout(None);
        match timeout(within, client.send_request(self.node_subject(node), request)).await {
            Ok(Ok(reply)) if reply.status == Some(StatusCode::NO_RESPONDERS) => Err(EngineError::NobodyThere),
            Ok(Ok(reply)) => Ok(reply.payload),
            Ok(Err(error)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => EngineError::NobodyThere,
                RequestErrorKind::TimedOut => EngineError::Timeout,
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                    EngineError::Unavailable(error.to_string())
                }
            }),
            Err(_elapsed) => Err(EngineError::Timeout),
        }
    }

    pub(super) async fn receive_requests(&self, node: &NodeName) -> Result<mpsc::Receiver<Incoming>, EngineError> {
        let client = self.connection.client().clone();
        // In a group, of which one gets each request.
        let subscribed = client.queue_subscribe(self.node_subject(node), SERVERS_GROUP.to_owned());
        let messages = self.subscribed(subscribed).await?;
        let (requests, receiver) = mailbox(Queue::Requests, self.connection.drops(), WAITING_MAX);
        tokio::spawn(hand_over(messages, requests, move |message| {
            let (client, asker) = (client.clone(), message.reply?);
            let reply = Reply::new(move |payload| send_reply(client, asker, payload));
            Some(Incoming { payload: message.payload, reply })
        }));
        Ok(receiver)
    }

    pub(super) async fn publish(&self, subject: &Subject, payload: Bytes) -> Result<(), EngineError> {
        let sent = self.connection.client().publish(self.message_subject(subject), payload);
        match timeout(SEND_TIMEOUT, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(match error.kind() {
                PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject | PublishErrorKind::Send => {
                    EngineError::Unavailable(error.to_string())
                }
            }),
            Err(_elapsed) => Err(EngineError::Unavailable("the connection takes nothing more".to_owned())),
        }
    }

    pub(super) async fn subscribe(&self, subject: &Subject) -> Result<mpsc::Receiver<Bytes>, EngineError> {
        let subscribed = self.connection.client().subscribe(self.message_subject(subject));
        let messages = self.subscribed(subscribed).await?;
        let (payloads, receiver) = mailbox(Queue::Subscription, self.connection.drops(), WAITING_MAX);
        tokio::spawn(hand_over(messages, payloads, |message| Some(message.payload)));
        Ok(receiver)
    }

    /// Waits for a subscription to be in force, if there are servers; if not, it will be when they are back.
    async fn subscribed(
        &self,
        subscribed: impl Future<Output = Result<Subscriber, async_nats::SubscribeError>>,
    ) -> Result<Subscriber, EngineError> {
        let messages = match timeout(SUBSCRIBE_TIMEOUT, subscribed).await {
            Ok(Ok(messages)) => messages,
            Ok(Err(error)) => return Err(EngineError::Unavailable(error.to_string())),
            Err(_elapsed) => return Err(EngineError::Unavailable("the connection takes nothing more".to_owned())),
        };
        if self.connection.check_up().is_ok() {
            // The server handles what comes over one connection in order: when it says that nobody listens to a
            // subject nobody can know, it has the subscription.
            let client = self.connection.client();
            let request = Request::new().inbox(client.new_inbox()).timeout(None);
            let _ = timeout(SUBSCRIBE_TIMEOUT, client.send_request(client.new_inbox(), request)).await;
        }
        Ok(messages)
    }

    fn node_subject(&self, node: &NodeName) -> String {
        format!("{}.node.{}", self.prefix, node.to_token())
    }

    fn message_subject(&self, subject: &Subject) -> String {
        format!("{}.message.{}", self.prefix, subject.to_tokens())
    }
}

const SERVERS_GROUP: &str = "node";
/// Messages go to a queue in this process, which is full only when the connection has stalled.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Passes on what comes until the receiver has gone; dropping the subscription then tells the servers.
async fn hand_over<T: Send + 'static>(
    mut messages: Subscriber,
    receiver: Mailbox<T>,
    read: impl Fn(async_nats::Message) -> Option<T>,
) {
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = receiver.closed() => return,
        };
        let Some(message) = message else { return };
        if let Some(message) = read(message) {
            receiver.push(message);
        }
    }
}

fn send_reply(client: Client, asker: async_nats::Subject, payload: Bytes) {
    if payload.len() > PAYLOAD_BYTES_MAX.min(client.max_payload()) {
        tracing::warn!(bytes = payload.len(), "a reply is too large to be sent");
        return;
    }
    tokio::spawn(async move {
        // The asker has a time limit of its own.
        let _ = timeout(SEND_TIMEOUT, client.publish(asker, payload)).await;
    });
}

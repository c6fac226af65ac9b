//! Owns who serves and who subscribes within one process. Never keeps a receiver that is gone for long.

use std::collections::HashMap;

use bytes::Bytes;

use crate::engine::Incoming;
use crate::key::{NodeName, Subject};
use crate::mailbox::Mailbox;

#[derive(Debug, Default)]
pub(crate) struct Messages {
    subscribers: HashMap<Subject, Vec<Mailbox<Bytes>>>,
    servers: HashMap<NodeName, Vec<Mailbox<Incoming>>>,
    /// Turns in which the servers of one name are asked.
    turn: usize,
    added_since_sweep: usize,
}

impl Messages {
    pub(crate) fn subscribe(&mut self, subject: &Subject, mailbox: Mailbox<Bytes>) {
        self.sweep_now_and_then();
        self.subscribers.entry(subject.clone()).or_default().push(mailbox);
    }

    pub(crate) fn receive_requests(&mut self, node: NodeName, mailbox: Mailbox<Incoming>) {
        self.sweep_now_and_then();
        self.servers.entry(node).or_default().push(mailbox);
    }

    pub(crate) fn publish(&self, subject: &Subject, payload: &Bytes) {
        for mailbox in self.subscribers.get(subject).into_iter().flatten() {
            mailbox.push(payload.clone());
        }
    }

    /// Hands `incoming` to one who serves `node`; false when there is none.
    pub(crate) fn ask(&mut self, node: &NodeName, incoming: Incoming) -> bool {
        let Some(servers) = self.servers.get_mut(node) else { return false };
        servers.retain(|mailbox| !mailbox.is_closed());
        if servers.is_empty() {
            return false;
        }
        self.turn = self.turn.wrapping_add(1);
        servers[self.turn % servers.len()].push(incoming)
    }

    /// Each time as many have come as there are, so that it costs each of them a constant.
    fn sweep_now_and_then(&mut self) {
        self.added_since_sweep += 1;
        if self.added_since_sweep < SWEEP_AFTER_MIN.max(self.subscribers.len() + self.servers.len()) {
            return;
        }
        self.added_since_sweep = 0;
        self.subscribers.retain(|_, mailboxes| {
            mailboxes.retain(|mailbox| !mailbox.is_closed());
            !mailboxes.is_empty()
        });
        self.servers.retain(|_, mailboxes| {
            mailboxes.retain(|mailbox| !mailbox.is_closed());
            !mailboxes.is_empty()
        });
    }
}

const SWEEP_AFTER_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drops::Queue;
    use crate::mailbox::mailbox;
    use std::sync::Arc;

    #[tokio::test]
    async fn receivers_that_are_gone_are_forgotten() {
        let mut messages = Messages::default();
        for number in 0..10 * SWEEP_AFTER_MIN {
            let (sender, receiver) = mailbox(Queue::Subscription, &Arc::default(), 1);
            messages.subscribe(&Subject::parse(&format!("s/{number}")).unwrap(), sender);
            drop(receiver);
        }
        assert!(messages.subscribers.len() <= 2 * SWEEP_AFTER_MIN);
    }
}

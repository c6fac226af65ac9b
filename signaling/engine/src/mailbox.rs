//! Owns the queue between who sends and one receiver: bounded, and when it is full the oldest goes. Never makes the
//! sender wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::drops::{self, Drops};

/// The sending end. Its last clone's drop ends the receiver after what is queued.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Arc<Queue<T>>,
    receiver: mpsc::Sender<T>,
}

/// Makes a mailbox in which `waiting_max` messages wait at most. What it drops is counted under `what`.
pub(crate) fn mailbox<T: Send + 'static>(
    what: drops::Queue,
    drops: &Arc<Drops>,
    waiting_max: usize,
) -> (Mailbox<T>, mpsc::Receiver<T>) {
    // What the task below has taken out of the queue waits in the channel: one message.
    let (sender, receiver) = mpsc::channel(1);
    let (drops, state, pushed) = (Arc::clone(drops), Mutex::new(State::default()), Notify::new());
    let queue = Arc::new(Queue { what, drops, waiting_max, state, pushed });
    tokio::spawn(hand_over(Arc::clone(&queue), sender.clone()));
    (Mailbox { queue, receiver: sender }, receiver)
}

impl<T> Mailbox<T> {
    /// Queues `message`, in place of the oldest when the queue is full; false when the receiver is gone.
    pub(crate) fn push(&self, message: T) -> bool {
        if self.receiver.is_closed() {
            return false;
        }
        self.queue.push(message);
        true
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.receiver.is_closed()
    }

    /// Ends when the receiver is gone.
    pub(crate) async fn closed(&self) {
        self.receiver.closed().await;
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.pushed.notify_one();
    }
}

#[derive(Debug)]
struct Queue<T> {
    what: drops::Queue,
    drops: Arc<Drops>,
    waiting_max: usize,
    state: Mutex<State<T>>,
    pushed: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Dropped since the queue was last empty.
    dropped: u64,
    ended: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        State { waiting: VecDeque::new(), dropped: 0, ended: false }
    }
}

impl<T> Queue<T> {
    fn push(&self, message: T) {
        let mut state = self.lock();
        if state.waiting.len() >= self.waiting_max {
            state.waiting.pop_front();
            state.dropped += 1;
            self.drops.add(self.what);
            if state.dropped == 1 {
                let (queue, waiting) = (self.what.as_text(), self.waiting_max);
                tracing::warn!(queue, waiting, "a queue is full: its oldest go");
            }
        }
        state.waiting.push_back(message);
        drop(state);
        self.pushed.notify_one();
    }

    /// The next message; None when there will be none.
    async fn next(&self) -> Option<T> {
        loop {
            let pushed = self.pushed.notified();
            {
                let mut state = self.lock();
                if let Some(message) = state.waiting.pop_front() {
                    return Some(message);
                }
                if state.dropped > 0 {
                    let (queue, dropped) = (self.what.as_text(), state.dropped);
                    tracing::warn!(queue, dropped, "a queue that was full is empty again");
                    state.dropped = 0;
                }
                if state.ended {
                    return None;
                }
            }
            pushed.await;
        }
    }

    /// A holder that panicked has left the queue whole: each change of it is one step.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hand_over<T>(queue: Arc<Queue<T>>, receiver: mpsc::Sender<T>) {
    loop {
        // A place first, so that what waits is in the queue, where the oldest can still be dropped.
        let Ok(place) = receiver.reserve().await else { return };
        let next = tokio::select! {
            next = queue.next() => next,
            () = receiver.closed() => return,
        };
        match next {
            Some(message) => place.send(message),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drops::Queue::{Requests, Subscription};

    #[tokio::test]
    async fn what_is_pushed_comes_out_in_order() {
        let (mailbox, mut receiver) = mailbox(Requests, &Arc::default(), 8);
        for number in 0..8 {
            assert!(mailbox.push(number));
        }
        drop(mailbox);
        for number in 0..8 {
            assert_eq!(receiver.recv().await, Some(number));
        }
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn the_oldest_go_when_nobody_takes_them_and_are_counted() {
        let drops = Arc::default();
        let (mailbox, mut receiver) = mailbox(Subscription, &drops, 4);
        // The task that hands over has not run yet: this test has the only thread.
        for number in 0..100 {
            assert!(mailbox.push(number));
        }
        for number in 96..100 {
            assert_eq!(receiver.recv().await, Some(number));
        }
        assert_eq!(drops.total(), 96);
    }

    #[tokio::test]
    async fn a_mailbox_knows_that_its_receiver_is_gone() {
        let (mailbox, receiver) = mailbox(Requests, &Arc::default(), 4);
        assert!(!mailbox.is_closed());
        drop(receiver);
        mailbox.closed().await;
        assert!(mailbox.is_closed() && !mailbox.push(1));
    }
}

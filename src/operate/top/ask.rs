//! Owns the thread that asks a node, so that a slow answer never holds up a key.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::Failure;
use crate::operate::admin::Admin;
use crate::operate::entries::{Node, Worker};

/// What a view shows beside the workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Topic {
    /// Nothing.
    #[default]
    Workers,
    Rooms,
    Streams,
    Sessions,
    Session(String),
}

pub struct Answer {
    pub topic: Topic,
    pub result: Result<Snapshot, Failure>,
    pub at: Instant,
}

pub struct Snapshot {
    pub workers: Vec<Worker>,
    /// A list, or one session; null for [`Topic::Workers`].
    pub body: Value,
}

pub struct Asking {
    topics: Sender<Topic>,
    answers: Receiver<Answer>,
}

impl Asking {
    /// Asks at once, each `interval`, and whenever there is another topic. Ends with what it returns.
    pub fn begin(admin: Admin, interval: Duration) -> Asking {
        let (topics, wanted) = channel::<Topic>();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut topic = Topic::default();
            loop {
                let asked = Instant::now();
                let answer = Answer { topic: topic.clone(), result: ask(&admin, &topic), at: Instant::now() };
                if sender.send(answer).is_err() {
                    return;
                }
                match wanted.recv_timeout(interval.saturating_sub(asked.elapsed())) {
                    // Who presses keys fast wants the last one.
                    Ok(next) => topic = wanted.try_iter().last().unwrap_or(next),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Asking { topics, answers }
    }

    pub fn ask(&self, topic: Topic) {
        // The thread ends with this value only.
        let _ = self.topics.send(topic);
    }

    pub fn newest(&self) -> Option<Answer> {
        self.answers.try_iter().last()
    }
}

/// Name of the node that is asked: the only one that tells a process id of its own.
pub fn node(admin: &Admin) -> Result<String, Failure> {
    let nodes: Vec<Node> = admin.get("/api/v1/nodes")?;
    Ok(nodes.into_iter().find(|node| node.pid.is_some()).map(|node| node.node).unwrap_or_default())
}

fn ask(admin: &Admin, topic: &Topic) -> Result<Snapshot, Failure> {
    let body = match topic {
        Topic::Workers => Value::Null,
        Topic::Rooms => admin.get("/api/v1/rooms")?,
        Topic::Streams => admin.get("/api/v1/streams")?,
        Topic::Sessions => admin.get("/api/v1/sessions")?,
        Topic::Session(id) => admin.get(&format!("/api/v1/sessions/{id}"))?,
    };
    Ok(Snapshot { workers: admin.get("/api/v1/workers")?, body })
}

//! Owns the thread that asks a node, so that a slow answer never holds up a key.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::Failure;
use crate::operate::admin::Admin;
use crate::operate::entries::{Node, Worker};

/// What a view shows beside the workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Question {
    /// Nothing.
    #[default]
    Workers,
    Rooms,
    Streams,
    Sessions,
    Session(String),
}

pub struct Answer {
    pub question: Question,
    pub result: Result<Snapshot, Failure>,
    pub at: Instant,
}

pub struct Snapshot {
    pub workers: Vec<Worker>,
    /// A list, or one session; null for [`Question::Workers`].
    pub body: Value,
}

pub struct Asking {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
}

impl Asking {
    /// Asks at once, each `interval`, and whenever there is another question. Ends with what it returns.
    pub fn begin(admin: Admin, interval: Duration) -> Asking {
        let (questions, wanted) = channel::<Question>();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut question = Question::default();
            loop {
                let asked = Instant::now();
                let answer = Answer { question: question.clone(), result: ask(&admin, &question), at: Instant::now() };
                if sender.send(answer).is_err() {
                    return;
                }
                match wanted.recv_timeout(interval.saturating_sub(asked.elapsed())) {
                    // Who presses keys fast wants the last one.
                    Ok(next) => question = wanted.try_iter().last().unwrap_or(next),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Asking { questions, answers }
    }

    pub fn ask(&self, question: Question) {
        // The thread ends with this value only.
        let _ = self.questions.send(question);
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

fn ask(admin: &Admin, question: &Question) -> Result<Snapshot, Failure> {
    let body = match question {
        Question::Workers => Value::Null,
        Question::Rooms => admin.get("/api/v1/rooms")?,
        Question::Streams => admin.get("/api/v1/streams")?,
        Question::Sessions => admin.get("/api/v1/sessions")?,
        Question::Session(id) => admin.get(&format!("/api/v1/sessions/{id}"))?,
    };
    Ok(Snapshot { workers: admin.get("/api/v1/workers")?, body })
}

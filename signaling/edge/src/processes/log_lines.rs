//! Owns reading the log of a node line by line, of this one from its supervisor, of another one through the cluster.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chappe_cluster::NodeName;
use chappe_signaling_service::{LogBatch, NodeReply, NodeRequest, ProcessOrder, ProcessOutcome, Service};

use super::log_readers::next_line;
use crate::supervisor::Replies;

#[derive(Debug)]
pub struct LogLines(LinesFrom);

#[derive(Debug)]
enum LinesFrom {
    ThisNode { replies: Replies, follow: bool },
    AnotherNode { service: Arc<Service>, node: NodeName, reader: u64, read: VecDeque<String>, ended: bool },
}

impl LogLines {
    pub fn of_this_node(replies: Replies, follow: bool) -> LogLines {
        LogLines(LinesFrom::ThisNode { replies, follow })
    }

    pub fn of_another_node(service: Arc<Service>, node: NodeName, reader: u64) -> LogLines {
        LogLines(LinesFrom::AnotherNode { service, node, reader, read: VecDeque::new(), ended: false })
    }

    /// None at the end, which for who does not follow is that of the first answer.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        match &mut self.0 {
            LinesFrom::ThisNode { replies, follow } => next_line(replies, *follow).await,
            LinesFrom::AnotherNode { service, node, reader, read, ended } => loop {
                if let Some(line) = read.pop_front() {
                    return Ok(Some(line));
                }
                if *ended {
                    return Ok(None);
                }
                let batch = read_batch(service, node, *reader).await?;
                *ended = batch.ended;
                read.extend(batch.lines);
            },
        }
    }
}

async fn read_batch(service: &Service, node: &NodeName, reader: u64) -> io::Result<LogBatch> {
    let request = NodeRequest::Operate { order: ProcessOrder::ReadLog { reader } };
    match service.cluster.ask(node, &request, READ_WITHIN).await {
        Ok(NodeReply::Operated { outcome: ProcessOutcome::LogRead(batch) }) => Ok(batch),
        _ => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// It answers after a second also when nothing was logged.
const READ_WITHIN: Duration = Duration::from_secs(5);

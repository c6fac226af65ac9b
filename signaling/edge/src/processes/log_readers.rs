//! Owns the readers of this node's log that other nodes have open for their operators. Each pulls from the supervisor
//! only what it is asked for, and ends when nobody asks for a while.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chappe_signaling_service::LogBatch;
use chappe_supervisor_api::SupervisorReply;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::supervisor::Replies;

#[derive(Debug, Default)]
pub struct LogReaders(Mutex<BTreeMap<u64, mpsc::Sender<Ask>>>);

type Ask = oneshot::Sender<LogBatch>;

impl LogReaders {
    /// None where there are too many.
    pub fn open(self: &Arc<Self>, replies: Replies, follow: bool) -> Option<u64> {
        let (ask, asks) = mpsc::channel(1);
        let reader = rand::random();
        {
            let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() >= READERS_MAX {
                return None;
            }
            readers.insert(reader, ask);
        }
        let readers = Arc::clone(self);
        tokio::spawn(async move {
            answer_reads(replies, follow, asks).await;
            readers.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&reader);
        });
        Some(reader)
    }

    /// None where there is no such reader any more.
    pub async fn read(&self, reader: u64) -> Option<LogBatch> {
        let asks = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&reader)?.clone();
        let (ask, answer) = oneshot::channel();
        asks.send(ask).await.ok()?;
        answer.await.ok()
    }
}

async fn answer_reads(mut replies: Replies, follow: bool, mut asks: mpsc::Receiver<Ask>) {
    while let Ok(Some(ask)) = timeout(UNREAD_FOR, asks.recv()).await {
        let batch = gather(&mut replies, follow).await;
        let ended = batch.ended;
        if ask.send(batch).is_err() || ended {
            return;
        }
    }
}

/// What there is, or what comes within a moment.
async fn gather(replies: &mut Replies, follow: bool) -> LogBatch {
    let mut batch = LogBatch::default();
    let (mut bytes, mut patience) = (0, FIRST_LINE_WITHIN);
    while bytes < BATCH_BYTES {
        match timeout(patience, next_line(replies, follow)).await {
            Ok(Ok(Some(line))) => {
                bytes += line.len();
                batch.lines.push(line);
                patience = NEXT_LINE_WITHIN;
            }
            Ok(Ok(None) | Err(_)) => {
                batch.ended = true;
                break;
            }
            Err(_) => break,
        }
    }
    batch
}

/// With its source before it. None at the end of the first answer for who does not follow, and at that of the supervisor.
pub async fn next_line(replies: &mut Replies, follow: bool) -> io::Result<Option<String>> {
    loop {
        return match replies.next().await? {
            Some(SupervisorReply::Log(source, line)) => Ok(Some(format!("{source} {line}\n"))),
            Some(SupervisorReply::Ok) if follow => continue,
            _ => Ok(None),
        };
    }
}

/// The supervisor talks to 32 of our programs at a time.
const READERS_MAX: usize = 8;
/// Of a reader whose node or operator is gone.
const UNREAD_FOR: Duration = Duration::from_secs(15);
const FIRST_LINE_WITHIN: Duration = Duration::from_secs(1);
const NEXT_LINE_WITHIN: Duration = Duration::from_millis(20);
/// With one line more, and with what JSON adds, it is far from what a message of the cluster may have.
const BATCH_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Supervisor;
    use chappe_supervisor_api::SupervisorRequest;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{UnixListener, UnixStream};

    /// What a supervisor is asked for the log with, and its end of the connection.
    async fn opened(name: &str) -> (Replies, UnixStream) {
        let path = std::env::temp_dir().join(format!("chappe-readers-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let request = SupervisorRequest::Log { of: None, lines: 1, follow: true };
        let supervisor = Supervisor::at(Some(path.clone()));
        let (replies, accepted) = tokio::join!(supervisor.begin(&request), listener.accept());
        let (mut socket, _) = accepted.unwrap();
        let _ = socket.read(&mut [0; 100]).await.unwrap();
        let _ = std::fs::remove_file(&path);
        (replies.unwrap(), socket)
    }

    #[tokio::test]
    async fn a_line_that_comes_in_two_parts_is_read_whole_with_a_later_batch() {
        let readers = Arc::new(LogReaders::default());
        let (replies, mut supervisor) = opened("parts").await;
        let reader = readers.open(replies, true).unwrap();
        supervisor.write_all(b"log signaling one\nok\nlog worker-0 tw").await.unwrap();
        let first = readers.read(reader).await.unwrap();
        assert_eq!((first.lines, first.ended), (vec!["signaling one\n".to_owned()], false));
        supervisor.write_all(b"o\n").await.unwrap();
        assert_eq!(readers.read(reader).await.unwrap().lines, ["worker-0 two\n"]);
        drop(supervisor);
        assert!(readers.read(reader).await.unwrap().ended);
        assert_eq!(readers.read(reader).await, None);
    }

    #[tokio::test]
    async fn a_reader_that_nobody_reads_gives_its_place_back() {
        let readers = Arc::new(LogReaders::default());
        let mut supervisors = Vec::new();
        for number in 0..READERS_MAX {
            let (replies, supervisor) = opened(&format!("unread-{number}")).await;
            assert!(readers.open(replies, true).is_some());
            supervisors.push(supervisor);
        }
        let (one_more, _supervisor) = opened("one-more").await;
        assert_eq!(readers.open(one_more, true), None);
        tokio::time::pause();
        tokio::time::sleep(UNREAD_FOR + NEXT_LINE_WITHIN).await;
        tokio::time::resume();
        let (later, _supervisor) = opened("later").await;
        assert!(readers.open(later, true).is_some());
    }
}

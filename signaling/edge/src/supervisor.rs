//! Asks the supervisor of this node over its command channel: what processes there are, for more or fewer of them, for
//! their log. Never decides who may.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chappe_supervisor_api::{REPLY_BYTES_MAX, SupervisorReply, SupervisorRequest};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The way to it; none for a process that was started by hand or by a test.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    socket: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error("this process was started without a supervisor")]
    Absent,
    #[error("the supervisor does not answer: {0}")]
    Silent(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
}

/// What it answers, line by line.
#[derive(Debug)]
pub struct Replies {
    socket: BufReader<UnixStream>,
    /// Of a line that was not read to its end.
    begun: Vec<u8>,
}

impl Supervisor {
    pub fn at(socket: Option<PathBuf>) -> Supervisor {
        Supervisor { socket }
    }

    /// Where the sockets of its workers are.
    pub fn directory(&self) -> Option<&Path> {
        self.socket.as_ref()?.parent()
    }

    /// All lines of the answer but the last, which says that it is complete.
    pub async fn ask(&self, request: &SupervisorRequest) -> Result<Vec<SupervisorReply>, SupervisorError> {
        let answer = async {
            let mut replies = self.begin(request).await?;
            let mut lines = Vec::new();
            loop {
                match replies.next().await? {
                    Some(SupervisorReply::Ok) => return Ok(lines),
                    Some(SupervisorReply::Error(why)) => return Err(SupervisorError::Refused(why)),
                    Some(line) => lines.push(line),
                    None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                }
            }
        };
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }

    /// The same for what goes on: lines come as long as they are read.
    pub async fn begin(&self, request: &SupervisorRequest) -> Result<Replies, SupervisorError> {
        let socket = self.socket.as_ref().ok_or(SupervisorError::Absent)?;
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        Ok(Replies { socket: BufReader::new(stream), begun: Vec::new() })
    }
}

impl Replies {
    /// None at the end. Who stops waiting half way through a line gets all of it with the next call.
    pub async fn next(&mut self) -> io::Result<Option<SupervisorReply>> {
        let left = REPLY_BYTES_MAX.saturating_sub(self.begun.len());
        let most = u64::try_from(left).unwrap_or(u64::MAX);
        (&mut self.socket).take(most).read_until(b'\n', &mut self.begun).await?;
        let mut line = std::mem::take(&mut self.begun);
        if line.is_empty() {
            return Ok(None);
        }
        let bad = |_| io::Error::from(io::ErrorKind::InvalidData);
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::InvalidData.into());
        }
        String::from_utf8(line).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?.parse().map(Some).map_err(bad)
    }
}

/// It answers between two turns of its loop.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_supervisor_api::{ProcessName, ProcessStatus};
    use tokio::net::UnixListener;

    /// Answers one request with `reply`; the request it got.
    async fn asked(
        name: &str,
        request: SupervisorRequest,
        reply: &'static [u8],
    ) -> (Result<Vec<SupervisorReply>, SupervisorError>, String) {
        let path = std::env::temp_dir().join(format!("chappe-supervisor-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let answering = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut got = vec![0; 1024];
            let count = socket.read(&mut got).await.unwrap();
            socket.write_all(reply).await.unwrap();
            String::from_utf8_lossy(&got[..count]).into_owned()
        });
        let answer = Supervisor::at(Some(path.clone())).ask(&request).await;
        let _ = std::fs::remove_file(&path);
        (answer, answering.await.unwrap())
    }

    #[tokio::test]
    async fn a_question_is_a_line_and_its_answer_ends_with_ok() {
        let reply = b"process worker-0 up 11 5 2 7000\nok\n";
        let (answer, request) = asked("lines", SupervisorRequest::Processes { follow: false }, reply).await;
        assert_eq!(request, "processes once\n");
        let lines = answer.unwrap();
        let expected: ProcessStatus = "worker-0 up 11 5 2 7000".parse().unwrap();
        assert_eq!(lines, [SupervisorReply::Process(expected)]);
        assert_eq!(expected.name, ProcessName::Worker(0));
    }

    #[tokio::test]
    async fn a_refusal_and_an_answer_cut_short_are_told_apart() {
        let (refused, _) = asked("refused", SupervisorRequest::Add, b"error port 7002 is in use\n").await;
        assert!(matches!(refused, Err(SupervisorError::Refused(why)) if why == "port 7002 is in use"));
        let (cut, _) = asked("cut", SupervisorRequest::Add, b"added 2\n").await;
        assert!(matches!(cut, Err(SupervisorError::Silent(_))));
        let absent = Supervisor::default().ask(&SupervisorRequest::Add).await;
        assert!(matches!(absent, Err(SupervisorError::Absent)));
    }
}

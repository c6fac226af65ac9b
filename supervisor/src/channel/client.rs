//! One connection of the command channel: lines that came, bytes that wait to be written, what it follows.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use chappe_supervisor_api::{LogSource, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, SupervisorReply, SupervisorRequest};
use rustix::event::epoll::EventFlags;

use crate::log_ring::LogRing;

#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
    /// Of a line that has not ended yet.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    follows: Follows,
    /// The other side says nothing more, or cannot be served any longer.
    is_over: bool,
    /// What it waits for, and what epoll was told of that.
    waits_for: EventFlags,
    watched: EventFlags,
}

#[derive(Debug)]
enum Follows {
    Nothing,
    Processes,
    Log(LogTail),
}

/// A reader of the ring. It pulls, so that a slow one holds up nobody and loses what the ring loses.
#[derive(Debug)]
struct LogTail {
    of: Option<LogSource>,
    /// Number of the next line to look at.
    next: u64,
    /// Where the answer ends; none once it is given and lines are passed on as they come.
    end: Option<u64>,
    follow: bool,
}

impl Client {
    pub fn new(socket: UnixStream) -> Client {
        Client {
            socket,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            follows: Follows::Nothing,
            is_over: false,
            waits_for: EventFlags::IN,
            watched: EventFlags::IN,
        }
    }

    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Requests that are complete. What is not understood is answered here.
    pub fn read(&mut self) -> Vec<SupervisorRequest> {
        let mut bytes = [0; 4096];
        for _ in 0..READS_MAX {
            match self.socket.read(&mut bytes) {
                Ok(0) => self.is_over = true,
                Ok(count) => {
                    self.incoming.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => self.is_over = true,
            }
            break;
        }
        let mut requests = Vec::new();
        while let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.incoming.drain(..=end).collect();
            match String::from_utf8_lossy(&line).trim_end_matches('\n').parse::<SupervisorRequest>() {
                Ok(request) => requests.push(request),
                Err(error) => self.push(&SupervisorReply::Error(cut(&error.to_string()).to_owned())),
            }
        }
        if self.incoming.len() > REQUEST_BYTES_MAX {
            self.is_over = true;
        }
        requests
    }

    /// A client that does not read its replies is cut off.
    pub fn push(&mut self, reply: &SupervisorReply) {
        if self.outgoing.len() > WAITING_BYTES_MAX {
            self.is_over = true;
            return;
        }
        self.outgoing.extend_from_slice(reply.to_string().as_bytes());
        self.outgoing.push(b'\n');
    }

    pub fn follow_processes(&mut self) {
        self.follows = Follows::Processes;
    }

    pub fn follows_processes(&self) -> bool {
        matches!(self.follows, Follows::Processes)
    }

    pub fn send_log(&mut self, of: Option<LogSource>, lines: usize, follow: bool, log: &LogRing) {
        let next = log.start_of_last(lines, |source| of.is_none_or(|of| of == source));
        self.follows = Follows::Log(LogTail { of, next, end: Some(log.end()), follow });
    }

    /// Writes as much as goes out now; false when the connection is over.
    pub fn flush(&mut self, log: &LogRing) -> bool {
        for _ in 0..WRITES_MAX {
            self.pull(log);
            if self.outgoing.is_empty() {
                self.waits_for = EventFlags::IN;
                return !self.is_over;
            }
            match self.socket.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        self.waits_for = EventFlags::IN | EventFlags::OUT;
        !self.is_over
    }

    /// What epoll has to be told, if it is something else than before.
    pub fn changed_interest(&mut self) -> Option<EventFlags> {
        let changed = self.watched != self.waits_for;
        self.watched = self.waits_for;
        changed.then_some(self.watched)
    }

    /// Takes lines from the ring while few bytes wait.
    fn pull(&mut self, log: &LogRing) {
        let Follows::Log(tail) = &mut self.follows else { return };
        let mut replies = Vec::new();
        let mut bytes = self.outgoing.len();
        while bytes < PULL_BYTES && tail.end.is_none_or(|end| tail.next < end) {
            let Some((number, line)) = log.at(tail.next) else { break };
            tail.next = number + 1;
            if tail.of.is_none_or(|of| of == line.source) {
                let text = String::from_utf8_lossy(&line.text);
                bytes += text.len();
                replies.push(SupervisorReply::Log(line.source, cut(&text).to_owned()));
            }
        }
        let is_answered = tail.end.is_some_and(|end| tail.next >= end);
        if is_answered {
            tail.end = None;
            replies.push(SupervisorReply::Ok);
            if !tail.follow {
                self.follows = Follows::Nothing;
            }
        }
        replies.iter().for_each(|reply| self.push(reply));
    }
}

/// As much of a line as a reply may have.
fn cut(text: &str) -> &str {
    let boundary = (0..=LOG_TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    text.get(..boundary.unwrap_or_default().min(text.len())).unwrap_or(text)
}

const READS_MAX: usize = 4;
const WRITES_MAX: usize = 16;
/// All processes of a full node are some 20 kB.
const WAITING_BYTES_MAX: usize = 256 << 10;
const PULL_BYTES: usize = 64 << 10;
const LOG_TEXT_BYTES_MAX: usize = REPLY_BYTES_MAX - 64;

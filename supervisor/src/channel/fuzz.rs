//! Owns the way of what a program writes to the command channel up to its replies, for the fuzz target. Carries out no
//! request.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use chappe_supervisor_api::{LogSource, REPLY_BYTES_MAX, SupervisorReply, SupervisorRequest};

use super::client::Client;
use crate::lines::{LINE_BYTES_MAX, LineSplitter};
use crate::log_ring::LogRing;

/// Requests, which are also taken for lines of a child's log, and for replies as signaling reads them.
pub fn requests(bytes: &[u8]) {
    String::from_utf8_lossy(bytes).split('\n').for_each(check_reply);
    let Ok((near, mut far)) = UnixStream::pair() else { return };
    if near.set_nonblocking(true).and_then(|()| far.set_nonblocking(true)).is_err() {
        return;
    }
    let (mut client, mut log, mut lines) = (Client::new(near), LogRing::default(), LineSplitter::default());
    let mut replies = Vec::new();
    for piece in bytes.chunks(PIECE_BYTES) {
        lines.push(piece, |line| {
            assert!(line.len() <= LINE_BYTES_MAX, "a line of {} bytes", line.len());
            log.push(LogSource::Supervisor, line);
        });
        far.write_all(piece).expect("the client has read what came before");
        for request in client.read() {
            assert_eq!(request.to_string().parse(), Ok(request.clone()));
            answer(&mut client, &request, &log);
        }
        let stays = client.flush(&log);
        // It fails where nothing more is there.
        let _ = far.read_to_end(&mut replies);
        if !stays {
            break;
        }
    }
    // The last one may be cut off.
    let Some(end) = replies.iter().rposition(|byte| *byte == b'\n') else { return };
    for line in replies[..end].split(|byte| *byte == b'\n') {
        let line = str::from_utf8(line).expect("replies are text");
        assert!(line.len() < REPLY_BYTES_MAX, "a reply of {} bytes", line.len());
        assert!(line.parse::<SupervisorReply>().is_ok(), "signaling does not understand {line:?}");
    }
}

fn answer(client: &mut Client, request: &SupervisorRequest, log: &LogRing) {
    match request {
        SupervisorRequest::Processes { follow } => {
            if *follow {
                client.follow_processes();
            }
            client.push(&SupervisorReply::Ok);
        }
        SupervisorRequest::Log { of, lines, follow } => client.send_log(*of, *lines, *follow, log),
        _ => client.push(&SupervisorReply::Ok),
    }
}

fn check_reply(line: &str) {
    if let Ok(reply) = line.parse::<SupervisorReply>() {
        assert_eq!(reply.to_string().parse(), Ok(reply));
    }
}

/// What a read may give.
const PIECE_BYTES: usize = 100;

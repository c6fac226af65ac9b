//! Owns what one door is asked, and what counts as its answer: a connection, a message of STUN or TURN, or a page, over
//! UDP, TCP or TLS as clients come. Silence is no answer.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::handshake::shake_hands;
use super::heard::{Complaint, Heard};
use super::patient::{Conversation, Patient};
use super::stun::{self, StunRequest};

/// An address, and whom a client expects there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub at: SocketAddr,
    /// Name or address, as a URL has it.
    pub host: String,
    pub question: Question,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// A binding request of STUN over UDP, which a worker answers.
    Binding,
    /// Whether a connection over TCP is taken.
    Connection,
    /// An allocation of TURN. Whoever has no credentials is told that they are wanted.
    Allocation(Via),
    /// `/healthz` of a public listener.
    Page(Via),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Udp,
    Tcp,
    Tls,
}

impl Door {
    pub fn ask(&self) -> Heard {
        let heard = match self.question {
            Question::Binding => ask_over_udp(self.at, &StunRequest::binding()),
            Question::Allocation(Via::Udp) => ask_over_udp(self.at, &StunRequest::allocation()),
            Question::Connection => self.connect().map(|_| Heard::Answer(None)),
            Question::Allocation(via) => {
                self.converse(via, |stream| stun::ask_over_stream(stream, &StunRequest::allocation()))
            }
            Question::Page(via) => self.converse(via, |stream| self.ask_for_page(stream)),
        };
        heard.unwrap_or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Heard::Silence,
            ErrorKind::UnexpectedEof => Heard::Refusal("it hangs up".to_owned()),
            _ => Heard::Refusal(error.to_string()),
        })
    }

    fn connect(&self) -> io::Result<Patient> {
        Patient::connect(self.at, TRY_FOR * TRIES)
    }

    fn converse(&self, via: Via, ask: impl Fn(&mut dyn Conversation) -> io::Result<Heard>) -> io::Result<Heard> {
        let mut stream = self.connect()?;
        if via != Via::Tls {
            return ask(&mut stream);
        }
        match shake_hands(stream, &self.host)? {
            Err(complaint) => Ok(Heard::Distrust(complaint)),
            Ok((mut stream, complaint)) => Ok(match ask(&mut stream)? {
                Heard::Answer(None) => Heard::Answer(complaint),
                other => other,
            }),
        }
    }

    fn ask_for_page(&self, stream: &mut dyn Conversation) -> io::Result<Heard> {
        let authority = format!("{}:{}", self.host, self.at.port());
        let head = format!("GET {PAGE} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: chappe-doctor\r\n");
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
        stream.flush()?;
        Ok(match read_status(stream)? {
            Some(200) => Heard::Answer(None),
            Some(403) => Heard::Answer(Some(Complaint::new("it refuses who comes under this name", OPEN_REMEDY))),
            Some(status) => Heard::Refusal(format!("it answers {status} to {PAGE}")),
            None => Heard::Refusal("it does not speak HTTP".to_owned()),
        })
    }
}

/// From the first line of an answer; None: it is none of HTTP/1. `ureq`, which makes its connections itself, can't be
/// given the one whose certificate was judged here.
fn read_status(stream: impl Read) -> io::Result<Option<u16>> {
    let mut line = Vec::new();
    if BufReader::new(stream).take(STATUS_LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut answer = httparse::Response::new(&mut []);
    // Without the lines that follow it is a part of an answer, of which the status is known.
    Ok(answer.parse(&line).ok().and(answer.code))
}

fn ask_over_udp(at: SocketAddr, request: &StunRequest) -> io::Result<Heard> {
    let any: IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(TRY_FOR))?;
    for _ in 0..TRIES {
        socket.send(&request.bytes)?;
        let mut answer = [0; 512];
        match socket.recv(&mut answer) {
            Ok(length) => {
                if let Some(heard) = request.answered(answer.get(..length).unwrap_or_default()) {
                    return Ok(heard);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Heard::Silence)
}

const PAGE: &str = "/healthz";
/// What `--auth open` says to all but the names of this machine.
const OPEN_REMEDY: &str = "with --auth open a node serves its own machine only: take --auth public or jwt for others";
const STATUS_LINE_BYTES_MAX: u64 = 256;
/// A datagram may get lost.
const TRIES: u32 = 4;
const TRY_FOR: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_the_first_line_of_an_answer() {
        let status = |answer: &str| read_status(answer.as_bytes());
        assert_eq!(status("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nok").unwrap(), Some(200));
        assert_eq!(status("HTTP/1.0 403\r\n").unwrap(), Some(403));
        let long = "HTTP/1.1 200 ".to_owned() + &"a".repeat(1_000);
        for other in ["220 mail.example.org ESMTP ready\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20", "\r\n", "\0\n"] {
            assert_eq!(status(other).unwrap(), None, "{other}");
        }
        assert_eq!(status(&long).unwrap(), Some(200), "a reason of any length");
        assert_eq!(status("").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}

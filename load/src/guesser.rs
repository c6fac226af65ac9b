//! Owns a client that shows one wrong token after the other over many connections, and counts what it is told. It names
//! itself as a proxy on this machine would (`X-Forwarded-For`), so that it is one address to the server.

use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

pub struct Guesser {
    epoll: OwnedFd,
    address: SocketAddr,
    connections: Vec<TcpStream>,
    /// Those that wait for no answer.
    idle: Vec<usize>,
    request: String,
    guesses: Guesses,
}

/// What became of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guesses {
    pub sent: u64,
    /// 401: looked at.
    pub judged: u64,
    /// 429 and 503: too many.
    pub turned_away: u64,
    /// Anything else.
    pub let_in: u64,
    took: Duration,
}

impl Guesser {
    /// `good`: a token whose signature is guessed, which takes longest to see.
    pub fn start(address: SocketAddr, connections: usize, good: &str) -> Result<Guesser> {
        let mut guesser = Guesser {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            address,
            connections: Vec::with_capacity(connections),
            idle: Vec::with_capacity(connections),
            request: request(address, good),
            guesses: Guesses::default(),
        };
        for number in 0..connections {
            let stream = guesser.connect(number)?;
            guesser.connections.push(stream);
            guesser.idle.push(number);
        }
        Ok(guesser)
    }

    /// At this rate, as far as there are connections that wait for nothing, until `ended`.
    pub fn guess(mut self, per_second: u32, ended: &AtomicBool) -> Result<Guesses> {
        let began = Instant::now();
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while !ended.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
            while self.guesses.sent < due {
                let Some(number) = self.idle.pop() else { break };
                if self.connections[number].write_all(self.request.as_bytes()).is_err() {
                    self.connections[number] = self.connect(number)?;
                    self.idle.insert(0, number);
                    continue;
                }
                self.guesses.sent += 1;
            }
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PAUSE))?;
            for event in &events {
                self.hear(usize::try_from(event.data.u64())?)?;
            }
        }
        self.guesses.took = began.elapsed();
        Ok(self.guesses)
    }

    fn connect(&self, number: usize) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address).context("a connection of the guesser")?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(stream)
    }

    /// An answer is short and comes at once.
    fn hear(&mut self, number: usize) -> Result<()> {
        let mut answer = [0; 2048];
        match self.connections[number].read(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) | Err(_) => self.connections[number] = self.connect(number)?,
            Ok(_) => match answer.get(9..12) {
                Some(b"401") => self.guesses.judged += 1,
                Some(b"429" | b"503") => self.guesses.turned_away += 1,
                _ => self.guesses.let_in += 1,
            },
        }
        self.idle.push(number);
        Ok(())
    }
}

fn request(server: SocketAddr, good: &str) -> String {
    let signed = good.rsplit_once('.').map_or(good, |(signed, _)| signed);
    let head = format!("GET /api/rooms HTTP/1.1\r\nhost: {server}\r\nx-forwarded-for: {ADDRESS}\r\n");
    format!("{head}authorization: Bearer {signed}.{WRONG_SIGNATURE}\r\n\r\n")
}

impl fmt::Display for Guesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Guesses { sent, judged, turned_away, let_in, took } = self;
        let rate = *sent as f64 / took.as_secs_f64();
        write!(
            f,
            "{rate:.0}/s for {:.1} s: {judged} judged, {turned_away} turned away, {let_in} let in",
            took.as_secs_f64()
        )
    }
}

/// Of documentation (RFC 5737).
const ADDRESS: &str = "192.0.2.66";
/// 32 bytes of zeros.
const WRONG_SIGNATURE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const EVENTS_MAX: usize = 1_024;
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

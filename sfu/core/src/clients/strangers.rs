//! Owns the answers to those who ask without naming a session whether the port is open. Never sends more bytes than it
//! was asked with, and a hundred times a second at most, so that nobody is flooded by way of us.

use std::time::{Duration, Instant};

use crate::allowance::Allowance;
use crate::egress::Egress;
use crate::net::Route;
use crate::wire::stun::{Class, Message, StunWriter};

pub(crate) struct Strangers {
    /// Of answers to all of them together.
    allowance: Allowance,
    answer: Vec<u8>,
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers { allowance: Allowance::new(ANSWER_INTERVAL, ANSWERS_AT_ONCE), answer: Vec::new() }
    }
}

impl Strangers {
    /// A binding request that names no session is refused with 400 (RFC 8489 section 9.1.3).
    pub fn handle_stun(&mut self, now: Instant, route: Route, bytes: &[u8], egress: &mut Egress) {
        // Over TCP it is told by the connection.
        if matches!(route, Route::Tcp { .. }) || !self.allowance.is_left(now) {
            return;
        }
        let Ok(message) = Message::parse(bytes) else { return };
        if message.class != Class::Request || message.username.is_some() {
            return;
        }
        StunWriter::new(&mut self.answer, Class::Error, message.transaction).error(400).finish();
        let answer = &self.answer;
        if answer.len() > bytes.len() || !self.allowance.take(now) {
            return;
        }
        egress.control().push(route, answer.len(), |datagram| {
            datagram.copy_from_slice(answer);
            Some(answer.len())
        });
    }
}

/// Who gets no answer asks again.
const ANSWER_INTERVAL: Duration = Duration::from_millis(10);
/// Twice as many as a node has addresses, which are all asked at once.
const ANSWERS_AT_ONCE: u32 = 16;

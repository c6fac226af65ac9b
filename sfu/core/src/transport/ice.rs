//! Owns the ICE-lite agent of one session (RFC 8445 section 2.5): credentials, the paths a peer has proven,
//! which of them is used, and when the peer was last heard. Sends no checks and never touches DTLS or SRTP.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::net::Route;
use crate::stats::DropReason;
use crate::wire::stun::{Class, IceRole, Message, StunWriter};

/// RFC 8445 section 5.3. The password is a secret and never shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// What a check led to, beside its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The check proved nothing; the answer, if any, is an error.
    Refused(DropReason),
    /// The peer owns its address; nothing changed.
    Valid,
    /// From now on this path is used.
    Selected(Route),
}

pub struct IceAgent {
    current: Side,
    /// Before an ICE restart: answers until a path of the current credentials is nominated
    /// (RFC 8445 section 9).
    previous: Option<Side>,
    /// Valid pairs, at most [`PAIRS_MAX`]: the addresses from which a check was authentic.
    pairs: Vec<Pair>,
    selected: Option<Route>,
    /// When the peer last proved to be there.
    heard: Option<Instant>,
}

struct Side {
    local: IceCredentials,
    remote: IceCredentials,
}

struct Pair {
    route: Route,
    /// PRIORITY of the check; 0 from clients that leave it out (FFmpeg 8).
    priority: u32,
    /// Last check with USE-CANDIDATE.
    nominated: Option<Instant>,
    /// Last check.
    checked: Instant,
    /// Proven with the credentials of after the restart.
    current: bool,
}

impl IceAgent {
    pub fn new(local: IceCredentials, remote: IceCredentials) -> IceAgent {
        IceAgent { current: Side { local, remote }, previous: None, pairs: Vec::new(), selected: None, heard: None }
    }

    /// Answers one message into `answer`, which stays empty where nothing is to be said.
    pub fn handle_check(&mut self, now: Instant, route: Route, message: &[u8], answer: &mut Vec<u8>) -> Checked {
        answer.clear();
        let Ok(message) = Message::parse(message) else { return Checked::Refused(DropReason::StunMalformed) };
        // We send no requests, so nobody owes us an answer; an indication wants none and proves nothing new.
        if message.class != Class::Request {
            return Checked::Refused(DropReason::StunMalformed);
        }
        let Some(username) = message.username.filter(|_| message.has_integrity()) else {
            refuse(&message, 400, answer);
            return Checked::Refused(DropReason::StunMalformed);
        };
        let Some((side, is_current)) = self.side_of(username) else {
            refuse(&message, 401, answer);
            return Checked::Refused(DropReason::StunUnknownUser);
        };
        let pwd = side.local.pwd.as_str();
        if !message.is_authentic(pwd) {
            refuse(&message, 401, answer);
            return Checked::Refused(DropReason::StunIntegrity);
        }
        if !message.unknown.is_empty() {
            let writer = StunWriter::new(answer, Class::Error, message.transaction).error(420);
            writer.unknown_attributes(&message.unknown).integrity(pwd).finish();
            return Checked::Refused(DropReason::StunMalformed);
        }
        // A lite agent is always controlled (RFC 8445 section 6.1.1), so a peer that says the same of itself
        // has to change whatever the tie-breakers say.
        if matches!(message.role, Some(IceRole::Controlled(_))) {
            StunWriter::new(answer, Class::Error, message.transaction).error(487).integrity(pwd).finish();
            return Checked::Refused(DropReason::StunMalformed);
        }
        StunWriter::new(answer, Class::Success, message.transaction)
            .xor_mapped_address(route.remote())
            .integrity(pwd)
            .finish();
        self.heard = Some(now);
        self.learn(now, route, &message, is_current)
    }

    /// Something authentic came from the peer, DTLS or SRTP.
    pub fn note_heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// DTLS came from `route`: whether a check has proven it. Some clients (libdatachannel, FFmpeg) start
    /// DTLS before they nominate: the first proven path they use is taken until they do.
    pub fn handle_data(&mut self, route: Route) -> bool {
        let is_valid = self.pairs.iter().any(|pair| pair.route == route);
        if is_valid && self.selected.is_none() {
            self.selected = Some(route);
        }
        is_valid
    }

    /// New credentials on both sides. The old ones go on answering until a new path is nominated; returns
    /// the ufrag that answers no more, if there is one already.
    pub fn restart(&mut self, local: IceCredentials, remote: IceCredentials) -> Option<String> {
        let replaced = std::mem::replace(&mut self.current, Side { local, remote });
        if self.previous.is_some() && !self.pairs.iter().any(|pair| pair.current) {
            // A second restart before the first led anywhere: the path in use is still that of `previous`.
            return Some(replaced.local.ufrag);
        }
        for pair in &mut self.pairs {
            pair.current = false;
        }
        self.previous.replace(replaced).map(|side| side.local.ufrag)
    }

    /// The ufrag that answers no more, once a path of the current credentials carries the session.
    pub fn retire_previous(&mut self) -> Option<String> {
        let selected = self.pairs.iter().find(|pair| Some(pair.route) == self.selected)?;
        if !selected.current || selected.nominated.is_none() {
            return None;
        }
        let previous = self.previous.take()?;
        self.pairs.retain(|pair| pair.current);
        Some(previous.local.ufrag)
    }

    /// The path is gone (a TCP connection closed); the next best that was proven takes over.
    pub fn forget(&mut self, route: Route) {
        self.pairs.retain(|pair| pair.route != route);
        if self.selected == Some(route) {
            let best = self.pairs.iter().max_by_key(|pair| (pair.current, pair.nominated, pair.priority));
            self.selected = best.map(|pair| pair.route);
        }
    }

    pub fn selected(&self) -> Option<Route> {
        self.selected
    }

    pub fn is_valid(&self, route: Route) -> bool {
        self.pairs.iter().any(|pair| pair.route == route)
    }

    /// When the last authentic check came from there.
    pub fn checked(&self, route: Route) -> Option<Instant> {
        self.pairs.iter().find(|pair| pair.route == route).map(|pair| pair.checked)
    }

    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    pub fn local_ufrag(&self) -> &str {
        &self.current.local.ufrag
    }

    /// USERNAME is our ufrag and the peer's, of the same side of a restart. The boolean is "current".
    fn side_of(&self, (local, remote): (&str, &str)) -> Option<(&Side, bool)> {
        let fits = |side: &&Side| side.local.ufrag == local && side.remote.ufrag == remote;
        let current = Some(&self.current).filter(fits).map(|side| (side, true));
        current.or_else(|| self.previous.as_ref().filter(fits).map(|side| (side, false)))
    }

    fn learn(&mut self, now: Instant, route: Route, message: &Message<'_>, is_current: bool) -> Checked {
        let nominated = message.use_candidate.then_some(now);
        let priority = message.priority.unwrap_or(0);
        match self.pairs.iter_mut().find(|pair| pair.route == route) {
            Some(pair) => {
                pair.checked = now;
                pair.priority = priority;
                pair.nominated = nominated.or(pair.nominated);
                pair.current |= is_current;
            }
            None => {
                self.make_room();
                self.pairs.push(Pair { route, priority, nominated, checked: now, current: is_current });
            }
        }
        if message.use_candidate && self.selected != Some(route) && self.wins(now, priority, is_current) {
            self.selected = Some(route);
            return Checked::Selected(route);
        }
        Checked::Valid
    }

    /// Whether a pair nominated right now replaces the selected one. An aggressive peer nominates every pair
    /// and means the one of highest priority; one that nominates with care means the last. They differ in
    /// whether the old pair was nominated a moment ago, too.
    fn wins(&self, now: Instant, priority: u32, is_current: bool) -> bool {
        let Some(selected) = self.pairs.iter().find(|pair| Some(pair.route) == self.selected) else { return true };
        let Some(nominated) = selected.nominated else { return true };
        match (is_current, selected.current) {
            (true, false) => true,
            (false, true) => false,
            _ => priority >= selected.priority || now.saturating_duration_since(nominated) > NOMINATION_HOLD,
        }
    }

    /// Forgets the pair that was checked longest ago, never the selected one.
    fn make_room(&mut self) {
        if self.pairs.len() < PAIRS_MAX {
            return;
        }
        let candidates = self.pairs.iter().enumerate().filter(|(_, pair)| Some(pair.route) != self.selected);
        if let Some((index, _)) = candidates.min_by_key(|(_, pair)| pair.checked) {
            self.pairs.swap_remove(index);
        }
    }
}

/// An error without integrity: RFC 8489 section 9.1.3 has none to a request that is not authentic.
fn refuse(message: &Message<'_>, code: u16, answer: &mut Vec<u8>) {
    StunWriter::new(answer, Class::Error, message.transaction).error(code).finish();
}

/// Valid pairs remembered per session. A peer has a handful of addresses; more are an attack or a bug.
pub const PAIRS_MAX: usize = 16;
/// Two nominations closer than this are one aggressive nomination (checks start 50 ms apart).
const NOMINATION_HOLD: Duration = Duration::from_millis(500);

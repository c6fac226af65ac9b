//! Owns the datagrams that wait to be sent, grouped so that one system call (GSO) can send many.
//! Never decides what to send, and never grows beyond its arena.

use crate::Route;

/// Runs of datagrams, each run for one route and of one size. Control traffic (STUN, DTLS, RTCP) is kept
/// apart and leaves first.
pub struct Egress {
    control: Arena,
    media: Arena,
}

/// Consecutive datagrams to one client. All are `segment` bytes long but the last, which may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    pub route: Route,
    pub bytes: &'a [u8],
    pub segment: usize,
}

impl Run<'_> {
    /// The datagrams of the run, in order.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.segment.max(1))
    }
}

impl Egress {
    pub(crate) fn new() -> Egress {
        Egress { control: Arena::new(CONTROL_BYTES_MAX), media: Arena::new(MEDIA_BYTES_MAX) }
    }

    /// What to send now, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.control.runs().chain(self.media.runs())
    }

    pub fn is_empty(&self) -> bool {
        self.control.runs.is_empty() && self.media.runs.is_empty()
    }

    /// Control datagrams that found no room since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.control.refused)
    }

    /// Forgets everything; the worker calls it after it has sent the runs.
    pub fn clear(&mut self) {
        self.control.clear();
        self.media.clear();
    }

    pub(crate) fn control(&mut self) -> &mut Arena {
        &mut self.control
    }

    pub(crate) fn media(&mut self) -> &mut Arena {
        &mut self.media
    }
}

/// One stretch of memory in which datagrams are written one behind the other.
pub(crate) struct Arena {
    bytes: Vec<u8>,
    bytes_max: usize,
    used: usize,
    runs: Vec<RunSpan>,
    /// Datagrams that did not fit any more.
    refused: u64,
}

struct RunSpan {
    route: Route,
    start: u32,
    len: u32,
    segment: u16,
    /// A shorter datagram ends a run; so do the limits of the kernel.
    closed: bool,
}

impl Arena {
    fn new(bytes_max: usize) -> Arena {
        Arena { bytes: Vec::new(), bytes_max, used: 0, runs: Vec::new(), refused: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether this many more bytes fit.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used + bytes <= self.bytes_max
    }

    /// Lets `write` put one datagram of at most `len_max` bytes at the end; it returns the length, or `None`
    /// for none. False when there was no room or nothing was written.
    #[inline]
    pub fn push(&mut self, route: Route, len_max: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        if !self.has_room(len_max) {
            self.refused += 1;
            return false;
        }
        let end = self.used + len_max;
        if self.bytes.len() < end {
            let grown = end.next_multiple_of(GROWTH_BYTES).min(self.bytes_max);
            self.bytes.resize(grown, 0);
        }
        let Some(len) = write(&mut self.bytes[self.used..end]).filter(|len| (1..=len_max).contains(len)) else {
            return false;
        };
        self.append(route, len);
        self.used += len;
        true
    }

    fn append(&mut self, route: Route, len: usize) {
        let (start, len) = (self.used as u32, len as u32);
        if let Some(run) = self.runs.last_mut() {
            let segment = u32::from(run.segment);
            let fits = run.len + len <= RUN_BYTES_MAX && run.len < segment * RUN_SEGMENTS_MAX;
            if !run.closed && run.route == route && len <= segment && fits {
                run.len += len;
                run.closed = len < segment;
                return;
            }
        }
        self.runs.push(RunSpan { route, start, len, segment: len as u16, closed: false });
    }

    fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().map(|run| Run {
            route: run.route,
            bytes: &self.bytes[run.start as usize..(run.start + run.len) as usize],
            segment: usize::from(run.segment),
        })
    }

    fn clear(&mut self) {
        self.used = 0;
        self.runs.clear();
    }
}

/// Most segments of one GSO send (UDP_MAX_SEGMENTS of Linux).
pub const RUN_SEGMENTS_MAX: u32 = 64;
/// Most bytes of one GSO send: an IPv4 datagram without its headers, rounded down.
pub const RUN_BYTES_MAX: u32 = 65_000;
/// Media that waits to be sent, in bytes; when it is full the rest waits for the next round of `flush`.
/// Small enough to stay in the second-level cache between seal and send.
const MEDIA_BYTES_MAX: usize = 512 << 10;
/// Control traffic that waits to be sent, in bytes. A peer's bursts beyond it are lost like on any wire.
const CONTROL_BYTES_MAX: usize = 2 << 20;
/// Step by which an arena grows, in bytes.
const GROWTH_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;

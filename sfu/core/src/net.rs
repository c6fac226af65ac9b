//! Owns how the outside is named: time and network paths. Never parses.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The time of one turn of the event loop. Core never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub mono: Instant,
    /// Wall clock since 1970-01-01, for RTCP sender reports; the worker tells by it, too, how long the kernel had a datagram.
    pub unix: Duration,
}

impl Now {
    /// The wall clock as a 64-bit NTP timestamp (RFC 3550 section 4): seconds since 1900 in the high half.
    pub fn ntp(self) -> u64 {
        let seconds = self.unix.as_secs().wrapping_add(NTP_EPOCH_OFFSET_S);
        let fraction = (u64::from(self.unix.subsec_nanos()) << 32) / 1_000_000_000;
        (seconds << 32) | fraction
    }

    /// The same moment moved by `step`, for tests and virtual time.
    pub fn after(self, step: Duration) -> Now {
        Now { mono: self.mono + step, unix: self.unix + step }
    }
}

/// The path to one client. A session learns it from a STUN check whose integrity held, never before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    Udp {
        /// IPv4-mapped IPv6 addresses are IPv4 here.
        remote: SocketAddr,
        /// Our address the client sent to (IP_PKTINFO), so that replies leave from it.
        local: Option<IpAddr>,
    },
    /// ICE-TCP (RFC 6544), framed by RFC 4571; the worker owns the connection.
    Tcp {
        connection: ConnectionId,
        /// The other end, as [`Route::Udp`] has it.
        remote: SocketAddr,
    },
}

impl Route {
    /// The client's address as we see it.
    pub fn remote(self) -> SocketAddr {
        match self {
            Route::Udp { remote, .. } | Route::Tcp { remote, .. } => remote,
        }
    }
}

/// Names one accepted TCP connection; the worker never uses a value twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// The time so long ago.
#[inline]
pub(crate) fn before(now: Instant, span: Duration) -> Instant {
    if span.is_zero() { now } else { now.checked_sub(span).unwrap_or(now) }
}

/// Seconds from 1900 (NTP era 0) to 1970.
const NTP_EPOCH_OFFSET_S: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_epoch_in_ntp_is_seventy_years_after_1900() {
        let at = |unix| Now { mono: crate::sim::start(), unix }.ntp();
        assert_eq!(at(Duration::ZERO), 2_208_988_800 << 32);
        assert_eq!(at(Duration::from_millis(500)), (2_208_988_800 << 32) | 0x8000_0000);
    }
}

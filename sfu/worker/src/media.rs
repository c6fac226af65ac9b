//! Owns the media sockets of a worker and moves datagrams between them and the core, in batches. Never looks
//! into a datagram, and allocates nothing per packet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use chappe_sfu_core::{ConnectionId, DatagramKind, Now, Route, Sfu, classify};
use chappe_sfu_io::clock;
use chappe_sfu_io::epoll::Epoll;
use chappe_sfu_io::tcp::FrameKind;
use chappe_sfu_io::udp::{BatchReceiver, BatchSender, SendReport, Train, Transmit, UdpSocket};

use crate::connections::Connections;
use crate::handshakes::Handshakes;
use crate::sources::PollSource;

pub(crate) struct MediaSockets {
    pub(crate) udp: UdpSocket,
    receiver: BatchReceiver,
    sender: BatchSender,
    pub(crate) tcp: Connections,
    pub(crate) handshakes: Handshakes,
    /// Connections that broke in the current turn.
    broken: Vec<ConnectionId>,
    /// How long the datagram had waited that was taken first in this turn.
    waited: Duration,
    has_more: bool,
}

impl MediaSockets {
    pub(crate) fn new(udp: UdpSocket, tcp: Connections) -> MediaSockets {
        MediaSockets {
            udp,
            receiver: BatchReceiver::new(),
            sender: BatchSender::new(),
            tcp,
            handshakes: Handshakes::new(),
            broken: Vec::new(),
            waited: Duration::ZERO,
            has_more: false,
        }
    }

    /// Gives the core what has arrived over UDP, at most [`BATCHES_PER_TURN`] calls' worth.
    pub(crate) fn receive_udp(&mut self, core: &mut Sfu) {
        for batch in 0..BATCHES_PER_TURN {
            let trains = self.receiver.receive(&self.udp);
            if trains == 0 {
                break;
            }
            let now = read_clock();
            let waited = self.receiver.oldest().map_or(Duration::ZERO, |oldest| now.unix.saturating_sub(oldest));
            if batch == 0 {
                self.waited = waited;
            }
            if trains > 1 {
                let is_rtcp = |train: &Train<'_>| classify(train.bytes) == Some(DatagramKind::Rtcp);
                let rtcp = self.receiver.trains(&self.udp).filter(is_rtcp);
                core.expect_feedback(rtcp.map(|Train { remote, local, .. }| Route::Udp { remote, local }));
            }
            for mut train in self.receiver.trains(&self.udp) {
                let waited = waited_of(train.arrived, now.unix, waited);
                let route = Route::Udp { remote: train.remote, local: train.local };
                for datagram in train.datagrams() {
                    take((now, waited), route, datagram, core, &mut self.handshakes);
                }
            }
            if trains < BatchReceiver::MESSAGES_MAX {
                break;
            }
        }
    }

    /// How long the datagram had waited that was taken first since this was asked last.
    pub(crate) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Whether more is to be sent than had its turn.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Datagrams the kernel had no room for, since the start.
    pub(crate) fn receive_overflow(&self) -> u64 {
        self.receiver.overflowed()
    }

    /// Receive calls that the kernel refused, since the start.
    pub(crate) fn receive_failed(&self) -> u64 {
        self.receiver.failed()
    }

    /// Gives the core what has arrived on one TCP connection.
    pub(crate) fn receive_tcp(&mut self, now: Now, id: ConnectionId, core: &mut Sfu) {
        let Some(route) = self.tcp.route(id) else { return };
        let Self { tcp, handshakes, .. } = self;
        let receive = || tcp.receive(now.mono, id, |frame| take((now, Duration::ZERO), route, frame, core, handshakes));
        // What panics beside the core is the framing of this connection, which ends.
        let alive = catch_unwind(AssertUnwindSafe(receive)).unwrap_or(false);
        if !alive {
            self.close_tcp(now, id, core);
        }
    }

    /// Sends what the core wants sent by now, at most [`FLUSHES_AT_ONCE`] arenas full.
    pub(crate) fn flush(&mut self, now: Now, core: &mut Sfu, epoll: &Epoll) -> SendReport {
        let mut total = SendReport::default();
        let mut now = now;
        for flush in 0..FLUSHES_AT_ONCE {
            if flush > 0 {
                // To send an arena takes milliseconds, which what still waits is older by.
                now = read_clock();
            }
            self.has_more = core.flush(now);
            let Self { udp, sender, tcp, .. } = self;
            let udp_runs = core.egress().runs().filter_map(|run| match run.route {
                Route::Udp { remote, local } => {
                    Some(Transmit { remote, local, bytes: run.bytes, segment: run.segment })
                }
                Route::Tcp { connection, .. } => {
                    tcp.queue(connection, run.bytes, run.segment, frame_kind(run.bytes));
                    None
                }
            });
            let report = sender.send(udp, udp_runs, SEND_PATIENCE);
            core.egress().clear();
            add(&mut total, report);
            if !self.has_more {
                break;
            }
        }
        self.tcp.flush(epoll, |id| PollSource::Tcp(id).token(), &mut self.broken);
        while let Some(id) = self.broken.pop() {
            self.close_tcp(now, id, core);
        }
        // Last, so that a session that ended has said goodbye.
        self.note_claims(now, core);
        total
    }

    /// Which connections sessions have by now, and which are one too many for theirs.
    pub(crate) fn note_claims(&mut self, now: Now, core: &mut Sfu) {
        for (id, claim) in core.take_claims() {
            if !self.tcp.note_claim(now.mono, id, claim) {
                self.close_tcp(now, id, core);
            }
        }
    }

    /// Closes connections that have been silent for too long.
    pub(crate) fn close_idle(&mut self, now: Now, core: &mut Sfu) {
        let mut idle = std::mem::take(&mut self.broken);
        self.tcp.idle(now.mono, &mut idle);
        for id in idle.drain(..) {
            self.close_tcp(now, id, core);
        }
        self.broken = idle;
    }

    fn close_tcp(&mut self, now: Now, id: ConnectionId, core: &mut Sfu) {
        if let Some(route) = self.tcp.close(id) {
            core.handle_connection_closed(now, route);
        }
    }
}

/// How long the kernel had a train of datagrams, and it had the `oldest` of the batch.
fn waited_of(arrived: Option<Duration>, now: Duration, oldest: Duration) -> Duration {
    match arrived {
        _ if oldest < LATE => Duration::ZERO,
        Some(arrived) => now.saturating_sub(arrived),
        None => oldest,
    }
}

/// What has waited so long with the kernel. Handshakes wait until media has had its turn. Those of strangers don't: the core
/// drops them at once.
fn take(
    (now, waited): (Now, Duration),
    route: Route,
    datagram: &mut [u8],
    core: &mut Sfu,
    handshakes: &mut Handshakes,
) {
    match Handshakes::concerns(datagram) && core.is_known(route) {
        true => handshakes.push(route, datagram),
        false => core.handle_late_datagram(now, waited, route, datagram),
    }
}

/// A route for people: how, and the client's address.
pub(crate) fn describe(route: Route) -> String {
    match route {
        Route::Udp { remote, .. } => format!("udp {remote}"),
        Route::Tcp { remote, .. } => format!("tcp {remote}"),
    }
}

/// One reading serves a whole batch.
pub(crate) fn read_clock() -> Now {
    let reading = clock::now();
    Now { mono: reading.mono, unix: reading.unix }
}

/// How long until `at`.
pub(crate) fn time_until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}

/// A run is all of one kind: media and control wait in arenas of their own.
fn frame_kind(run: &[u8]) -> FrameKind {
    match classify(run) {
        Some(DatagramKind::Rtp) => FrameKind::Media,
        _ => FrameKind::Control,
    }
}

fn add(total: &mut SendReport, more: SendReport) {
    total.packets += more.packets;
    total.bytes += more.bytes;
    total.calls += more.calls;
    total.runs += more.runs;
    total.blocked += more.blocked;
    total.failed += more.failed;
}

/// Receive calls per turn of the loop: what arrived is sent on before more is taken.
const BATCHES_PER_TURN: usize = 4;
/// The core seals half a megabyte per flush, and a turn flushes twice. After so many, some milliseconds, whoever has a
/// check, a report, a command or a word to say is heard before the rest of what a frame to many viewers takes.
const FLUSHES_AT_ONCE: usize = 2;
/// What the kernel had for less has come as good as now. A turn of a worker that is behind takes some ten milliseconds,
/// which count where it is to send within a hundred.
const LATE: Duration = Duration::from_millis(5);
/// How long a full socket buffer may hold up everything else before packets are dropped.
const SEND_PATIENCE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lay_with_the_kernel_for_a_turn_of_a_busy_loop_is_that_old() {
        let ms = Duration::from_millis;
        let waited = |arrived, oldest| waited_of(Some(ms(arrived)), ms(1_000), ms(oldest));
        assert_eq!((waited(988, 12), waited(999, 12)), (ms(12), ms(1)));
        assert_eq!(waited(998, 2), Duration::ZERO, "one reading of the clock for all of it");
        assert_eq!(waited(1_007, 12), Duration::ZERO, "the clock was set back");
        assert_eq!(waited_of(None, ms(1_000), ms(12)), ms(12));
    }
}

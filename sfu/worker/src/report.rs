//! Owns load reports: CPU, memory, the longest turn of the loop, and what was counted elsewhere. Never sends one.

use std::time::{Duration, Instant};

use chappe_sfu_api::{LineLoad, LoadReport, Timings};
use chappe_sfu_core::{Histogram, Sfu};
use chappe_sfu_io::udp::SendReport;
use chappe_sfu_io::{clock, process};

use crate::media::MediaSockets;
use crate::translate::{IntoApi, uncached_to_api};

/// What happened since the start, and since the last report.
pub(crate) struct Meter {
    last_report: Instant,
    last_cpu: Duration,
    turn_max: Duration,
    turns: Histogram,
    sent: SendReport,
    /// Commands of an owner that has been succeeded.
    stale_commands: u64,
    /// Of the last full second.
    last: Measured,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    /// Share of one core.
    cpu: f64,
    rss_bytes: u64,
    turn_max: Duration,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Meter {
        Meter {
            last_report: now,
            last_cpu: clock::process_cpu_time(),
            turn_max: Duration::ZERO,
            turns: Histogram::default(),
            sent: SendReport::default(),
            stale_commands: 0,
            last: Measured::default(),
        }
    }

    pub(crate) fn note_turn(&mut self, took: Duration) {
        self.turn_max = self.turn_max.max(took);
        self.turns.note(took);
    }

    pub(crate) fn note_sent(&mut self, report: SendReport) {
        self.sent.packets += report.packets;
        self.sent.bytes += report.bytes;
        self.sent.calls += report.calls;
        self.sent.runs += report.runs;
        self.sent.blocked += report.blocked;
        self.sent.failed += report.failed;
    }

    pub(crate) fn note_stale_command(&mut self) {
        self.stale_commands += 1;
    }

    /// When the next report is due.
    pub(crate) fn due(&self) -> Instant {
        self.last_report + REPORT_INTERVAL
    }

    /// Closes the interval when it is over.
    pub(crate) fn measure(&mut self, now: Instant) -> bool {
        if now < self.due() {
            return false;
        }
        let cpu = clock::process_cpu_time();
        let wall = now.saturating_duration_since(self.last_report).as_secs_f64();
        self.last = Measured {
            cpu: cpu.saturating_sub(self.last_cpu).as_secs_f64() / wall,
            rss_bytes: process::resident_bytes().unwrap_or(0),
            turn_max: std::mem::take(&mut self.turn_max),
        };
        (self.last_report, self.last_cpu) = (now, cpu);
        true
    }

    /// What signaling and the metrics get to see. Packets that the core wanted sent and the sockets refused
    /// are drops beside the core's own, and so are what the kernel dropped before the worker saw it and commands
    /// with an old epoch.
    pub(crate) fn report(
        &self,
        core: &Sfu,
        media: &MediaSockets,
        failed_waits: u64,
        (relief, draining): (u8, bool),
    ) -> LoadReport {
        let counters = core.counters();
        let (received_tracks, sent_tracks) = core.track_counts();
        let mut drops: Vec<(String, u64)> = counters.drops().map(|(name, count)| (name.to_owned(), count)).collect();
        let ours = [
            ("command_stale", self.stale_commands),
            ("handshake_address_full", media.handshakes.past_share()),
            ("handshake_queue_full", media.handshakes.past_all()),
            ("receive_failed", media.receive_failed()),
            ("receive_overflow", media.receive_overflow()),
            ("send_blocked", self.sent.blocked),
            ("send_failed", self.sent.failed),
            ("tcp_address_full", media.tcp.past_share()),
            ("tcp_full", media.tcp.past_all()),
            ("tcp_queue_full", media.tcp.frames_dropped()),
            ("wait_failed", failed_waits),
        ];
        drops.extend(ours.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)));
        drops.sort();
        let mut uncached: Vec<_> = core.uncached_tracks().take(UNCACHED_MAX).filter_map(uncached_to_api).collect();
        uncached.sort_by_key(|uncached| uncached.track);
        LoadReport {
            sessions: count(core.session_count()),
            received_tracks: count(received_tracks),
            sent_tracks: count(sent_tracks),
            cpu: self.last.cpu,
            rss_bytes: self.last.rss_bytes,
            packets_in: counters.packets_in,
            packets_out: counters.packets_out,
            bytes_in: counters.bytes_in,
            bytes_out: counters.bytes_out,
            sends: self.sent.calls,
            runs: self.sent.runs,
            drops,
            tracks: core.track_traffic().take(LoadReport::TRACKS_MAX).map(IntoApi::into_api).collect(),
            loop_us_max: u64::try_from(self.last.turn_max.as_micros()).unwrap_or(u64::MAX),
            draining,
            relief,
            lines: line_load(core),
            cache_bytes: core.cache_bytes() as u64,
            uncached,
            timings: Timings {
                turns: self.turns.into_api(),
                joins: counters.joins.into_api(),
                first_keyframes: counters.first_keyframes.into_api(),
                egress_waits: counters.egress_waits.into_api(),
                relay_hops: counters.relay_hops.into_api(),
            },
        }
    }
}

fn line_load(core: &Sfu) -> LineLoad {
    let none = LineLoad { layer_switches: core.counters().layer_switches, ..LineLoad::default() };
    core.lines().fold(none, |all, line| LineLoad {
        estimated: all.estimated + 1,
        waiting: all.waiting + u32::from(line.is_waiting),
        estimate_bps: all.estimate_bps.saturating_add(line.estimate),
        given_up: all.given_up + line.given_up,
        ..all
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Tracks without a cached key frame that are named.
const UNCACHED_MAX: usize = 1_024;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

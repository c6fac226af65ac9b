//! Owns what is learned from feedback about single packets: it reaches the estimate and what is repeated, and is judged by
//! what was known before. Never answers.

use std::time::Instant;

use chappe_sfu_rate::{Basis, FeedbackCounts, PacketReport, ReceiverTime};

use crate::clients::delivery::ReportsByStream;
use crate::clients::delivery::bandwidth::{Bandwidth, Hold};
use crate::stats::DropReason;
use crate::wire::rtcp::{Metric, TransportFeedback};

impl Bandwidth {
    /// Of a client that names packets by their transport-wide numbers.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) -> Result<(), DropReason> {
        let reference = self.reference.unwrap(feedback.reference_time).as_micros();
        let (time, before) = (self.time(now), self.learned());
        let missed = &mut self.missed;
        let reports = feedback.arrivals().map(|(seq, at)| {
            missed.note_fate(seq.0, at.is_some());
            PacketReport { seq: seq.0, received: at.map(|at| ReceiverTime::from_micros(reference + at)) }
        });
        self.control.handle_feedback(time, reports);
        self.judge(now, before)
    }

    /// Of one that names them by their streams (RFC 8888), in a report that it made at `report_time`.
    pub fn handle_stream_reports(
        &mut self,
        now: Instant,
        report_time: u32,
        reports: &ReportsByStream<'_>,
    ) -> Result<(), DropReason> {
        let reported = self.report_clock.unwrap(report_time).as_micros();
        let (time, before) = (self.time(now), self.learned());
        let (missed, log) = (&mut self.missed, self.log.as_deref_mut());
        let fates = log.into_iter().flat_map(|log| log.fates(reports));
        let reports = fates.filter_map(|fate| {
            missed.note_fate(fate.number, fate.metric != Metric::NotReceived);
            let received = match fate.metric {
                Metric::NotReceived => None,
                // What had to be repeated was lost.
                Metric::Before(_) | Metric::Untimed if fate.is_repeated => None,
                Metric::Before(offset) => Some(ReceiverTime::from_micros(reported - micros(offset))),
                Metric::Untimed => return None,
            };
            Some(PacketReport { seq: fate.number, received })
        });
        self.control.handle_feedback(time, reports);
        self.judge(now, before)
    }

    fn learned(&self) -> (FeedbackCounts, Basis) {
        let estimator = self.control.estimator();
        (estimator.counts(), estimator.basis())
    }

    /// Whether it said anything that was not known, and only of what was sent.
    fn judge(&mut self, now: Instant, (before, basis): (FeedbackCounts, Basis)) -> Result<(), DropReason> {
        // What was held to an estimate was no burst.
        let is_first = basis == Basis::Start && self.control.estimator().basis() != basis;
        if is_first && self.hold == Hold::Probing {
            self.control.restart_probing(self.time(now));
        }
        self.note_start(now);
        let after = self.control.estimator().counts();
        if after.unknown > before.unknown {
            Err(DropReason::FeedbackUnsent)
        } else if known(&after) == known(&before) {
            Err(DropReason::FeedbackRepeated)
        } else {
            Ok(())
        }
    }
}

/// Fates that were learned.
fn known(counts: &FeedbackCounts) -> u64 {
    counts.received + counts.lost + counts.late
}

/// Of an offset in 1/1024 s.
fn micros(offset: u16) -> i64 {
    i64::from(offset) * 15_625 / 16
}

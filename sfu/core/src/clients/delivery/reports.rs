//! Owns what a client says of its line: feedback on each packet, its own estimate, report blocks. Never answers.

use std::time::{Duration, Instant};

use chappe_sfu_rate::{Bitrate, ReceiverReport};

use crate::clients::delivery::{Acknowledgement, Delivery, ReportsByStream, SentStream};
use crate::keys::SendLine;
use crate::stats::DropReason;
use crate::wire::rtcp::{CongestionFeedback, ReportBlock, TransportFeedback};
use crate::wire::rtp::{Seq, Ssrc};

impl Delivery {
    /// `media` is the SSRC of some packet that it is about, or 0.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        media: Ssrc,
        feedback: &TransportFeedback<'_>,
    ) -> Result<(), DropReason> {
        let is_ours = media == Ssrc(0) || self.stream_of(media).is_some() || self.was_sent(media);
        let is_asked = is_ours && self.acknowledgement == Acknowledgement::ByNumber;
        let bandwidth = self.bandwidth.as_mut().filter(|_| is_asked);
        bandwidth.ok_or(DropReason::FeedbackForeign)?.handle_feedback(now, feedback)
    }

    /// What it says of streams that are not ours, or of packets that were not sent, has no effect.
    pub fn handle_congestion_feedback(
        &mut self,
        now: Instant,
        feedback: &CongestionFeedback<'_>,
    ) -> Result<(), DropReason> {
        let mut reports = ReportsByStream::default();
        let (mut is_foreign, mut is_unsent) = (false, false);
        for report in feedback.streams() {
            let Some((stream, next)) = self.stream_of(report.ssrc) else {
                is_foreign |= !self.was_sent(report.ssrc);
                continue;
            };
            let is_sent = |seq: Seq| Seq(next as u16).is_newer_than(seq);
            is_unsent |= report.newest_received().is_some_and(|seq| !is_sent(seq));
            reports.note(stream, report);
        }
        let is_asked = self.acknowledgement == Acknowledgement::ByStream;
        let bandwidth = self.bandwidth.as_mut().filter(|_| is_asked);
        let bandwidth = bandwidth.ok_or(DropReason::FeedbackForeign)?;
        let result = bandwidth.handle_stream_reports(now, feedback.report_time, &reports);
        match (is_unsent, is_foreign) {
            (true, _) => Err(DropReason::FeedbackUnsent),
            (false, true) => Err(DropReason::FeedbackForeign),
            (false, false) => result,
        }
    }

    /// Which stream an SSRC is, and the index that its next packet would have.
    fn stream_of(&self, ssrc: Ssrc) -> Option<(SentStream, u64)> {
        self.lines().find_map(|(line, sender)| {
            if sender.spec.ssrc == ssrc.0 {
                return Some((SentStream::media(line), sender.next_index()));
            }
            let is_rtx = sender.spec.rtx_ssrc == Some(ssrc.0);
            is_rtx.then(|| (SentStream::rtx(line), sender.repair_next))
        })
    }

    /// Whether an SSRC was ours.
    fn was_sent(&self, ssrc: Ssrc) -> bool {
        self.spent.iter().any(|(spent, _)| *spent == ssrc.0)
    }

    /// What the client thinks that its line carries. To one to which nothing is sent it says nothing.
    pub fn handle_remb(&mut self, now: Instant, bits_per_second: u64) {
        if self.senders.iter().flatten().next().is_some() {
            self.reported_bandwidth(now, self.bits_per_second()).handle_remb(now, bits_per_second);
        }
    }

    /// A report block on a sender's SSRC, of a client that tells nothing better, though it may have said that it would. As
    /// long as nothing is lost there is nothing to be estimated of one that never said so.
    pub fn handle_loss(&mut self, now: Instant, line: SendLine, block: &ReportBlock, round_trip: Option<Duration>) {
        let told = self.sender_mut(line).and_then(|sender| sender.note_told(now, block));
        let counts = match (&mut self.bandwidth, self.acknowledgement.is_per_packet()) {
            (Some(bandwidth), true) => bandwidth.has_reports_alone(now),
            (None, true) => false,
            (bandwidth, false) => bandwidth.is_some() || block.fraction_lost > 0,
        };
        let Some(told) = told.filter(|_| counts) else { return };
        let others = self.lines().filter(|(other, _)| *other != line);
        let others = Bitrate::from_bps(others.map(|(_, sender)| sender.traffic.bits_per_second).sum());
        let arrived = told.sent.scaled(1.0 - f64::from(block.fraction_lost) / 256.0) + others;
        let (fraction_lost, packets) = (block.fraction_lost, told.packets);
        let report = ReceiverReport { fraction_lost, packets, arrived: Some(arrived), round_trip };
        self.reported_bandwidth(now, (told.sent + others).scaled(ROOM)).handle_report(now, report);
    }
}

/// A viewer that has lost something for the first time keeps what it is sent, with headers, and what that may grow to.
const ROOM: f64 = 1.5;

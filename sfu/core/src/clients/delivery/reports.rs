//! Owns what a client says of its line: transport-wide feedback, its own estimate, report blocks. Never answers.

use std::time::{Duration, Instant};

use crate::clients::delivery::Delivery;
use crate::stats::DropReason;
use crate::wire::rtcp::{ReportBlock, TransportFeedback};
use crate::wire::rtp::Ssrc;

impl Delivery {
    /// `media` is the SSRC of some packet that it is about, or 0.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        media: Ssrc,
        feedback: &TransportFeedback<'_>,
    ) -> Result<(), DropReason> {
        let is_ours = media == Ssrc(0)
            || self
                .senders
                .iter()
                .flatten()
                .any(|sender| sender.spec.ssrc == media.0 || sender.spec.rtx_ssrc == Some(media.0))
            || self.spent.iter().any(|(ssrc, _)| *ssrc == media.0);
        let bandwidth = self.bandwidth.as_mut().filter(|bandwidth| is_ours && bandwidth.is_numbered());
        bandwidth.ok_or(DropReason::FeedbackForeign)?.handle_feedback(now, feedback)
    }

    /// What the client thinks that its line carries. To one to which nothing is sent it says nothing.
    pub fn handle_remb(&mut self, now: Instant, bits_per_second: u64) {
        if self.senders.iter().flatten().next().is_some() {
            self.reported_bandwidth(now).handle_remb(now, bits_per_second);
        }
    }

    /// A report block on a sender's SSRC, to a client that tells nothing better. As long as nothing is lost there is
    /// nothing to be estimated.
    pub fn handle_loss(&mut self, now: Instant, line: usize, block: &ReportBlock, round_trip: Option<Duration>) {
        let Some(sender) = self.sender_mut(line) else { return };
        let packets = sender.packets_reported(block);
        let is_numbered = self.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.is_numbered());
        if !is_numbered && (self.bandwidth.is_some() || block.fraction_lost > 0) {
            self.reported_bandwidth(now).handle_report(now, block.fraction_lost, packets, round_trip);
        }
    }
}

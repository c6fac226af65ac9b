//! Owns the reading of what is known of a client before it is sent something or heard: all of it side by side, since of
//! hundreds of clients none is in the processor's caches, and to wait for one piece after the other takes as long as to seal
//! a packet. Never changes anything.

use crate::clients::delivery::Delivery;
use crate::keys::SendLine;

impl Delivery {
    /// Reads what is needed to send packets on an m-line. The sum means nothing.
    #[inline]
    pub fn read_for_sending(&self, line: SendLine) -> u64 {
        let path = u64::from(self.path.route.is_some()) + u64::from(self.path.is_keyed());
        let sent = u64::from(self.path.sent.is_some());
        let sender = self.sender(line).map_or(0, |sender| sender.read_for_sending());
        let bandwidth = self.bandwidth.as_ref().map_or(0, |bandwidth| bandwidth.read_for_sending());
        path ^ sent ^ sender ^ bandwidth
    }

    /// The same to learn from feedback.
    #[inline]
    pub fn read_for_feedback(&self) -> u64 {
        let ssrc = self.senders.first().and_then(Option::as_ref).map_or(0, |sender| u64::from(sender.spec.ssrc));
        let allotted = self.allotter.as_ref().is_some_and(|allotter| allotter.is_layered);
        let allowed = self.feedback_allowance.has_begun();
        let bandwidth = self.bandwidth.as_ref().map_or(0, |bandwidth| bandwidth.read_for_feedback());
        ssrc ^ u64::from(allotted) ^ u64::from(allowed) ^ bandwidth
    }
}

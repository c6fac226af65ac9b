//! Owns the reading of what is known of a line before it is worked with. Never changes it.

use crate::clients::delivery::bandwidth::{Bandwidth, Hold};

impl Bandwidth {
    /// Reads what is needed of it when a packet leaves. The sum means nothing.
    #[inline]
    pub fn read_for_sending(&self) -> u64 {
        let own = u64::from(self.hold == Hold::On) ^ u64::from(self.waiting) ^ u64::from(self.log.is_some());
        own ^ self.control.read_for_sending() ^ self.missed.read(0)
    }

    /// The same when feedback comes.
    #[inline]
    pub fn read_for_feedback(&self) -> u64 {
        let (control, missed) = (self.control.read_for_feedback(TOLD), self.missed.read(TOLD));
        control ^ missed ^ self.sent.bps() ^ u64::from(self.is_layered)
    }
}

/// Packets back to the first that one feedback tells of, about: 100 ms of 2.5 Mbit/s.
const TOLD: usize = 24;

//! Owns the counters of a worker and of its tracks, and the reasons for which a packet is refused. Never decides to refuse one.

use std::time::Instant;

use crate::histogram::Histogram;

/// Everything that passed or was refused since the worker started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub packets_in: u64,
    pub bytes_in: u64,
    /// Media packets sealed for viewers and other workers, repeats included.
    pub packets_out: u64,
    pub bytes_out: u64,
    /// Viewers that went over from one encoding of a track to another.
    pub layer_switches: u64,
    /// From the opening of a session until media can flow.
    pub joins: Histogram,
    /// From when a viewer can be reached and what it watches is there until its first key frame leaves.
    pub first_keyframes: Histogram,
    /// What viewers get waits for its pass, and for the budget of their line; of each pass the oldest packet.
    pub egress_waits: Histogram,
    /// From when a packet came until the next worker had it: what it waited here, and what it came late with, and half of
    /// the link's round trip. Of what leaves at once the newest packet.
    pub relay_hops: Histogram,
    drops: Drops,
}

/// By the places of the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Drops {
        Drops([0; DropReason::ALL.len()])
    }
}

impl Counters {
    pub fn drop(&mut self, reason: DropReason) {
        self.drop_many(reason, 1);
    }

    pub fn drop_many(&mut self, reason: DropReason, count: u64) {
        if let Some(dropped) = self.drops.0.get_mut(reason as usize) {
            *dropped += count;
        }
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Name and count of every reason that occurred, in alphabetical order.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DropReason::ALL.iter().map(|reason| (reason.name(), self.dropped(*reason))).filter(|(_, count)| *count > 0)
    }
}

/// Packets and bytes of one track, and their rate over the last second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub packets: u64,
    pub bytes: u64,
    bytes_before: u64,
    measured: Option<Instant>,
    pub bits_per_second: u64,
}

impl Traffic {
    #[inline]
    pub fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    /// Called about once a second.
    pub fn measure(&mut self, now: Instant) {
        if let Some(before) = self.measured {
            let elapsed = now.saturating_duration_since(before).as_micros().max(1);
            let bits = u128::from(self.bytes - self.bytes_before) * 8;
            self.bits_per_second = (bits * 1_000_000 / elapsed) as u64;
        }
        self.measured = Some(now);
        self.bytes_before = self.bytes;
    }
}

/// Writes the enum, the list of all reasons and their names in one place, so that none is forgotten.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why something a peer sent went no further. Kept in alphabetical order of the names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DropReason { $($(#[$doc])* $reason,)* }

        impl DropReason {
            pub const ALL: &'static [DropReason] = &[$(DropReason::$reason,)*];

            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$reason => $name,)* }
            }
        }
    };
}

drop_reasons! {
    /// STUN, DTLS or RTCP of ours that found the arena full: more was asked at once than can be answered.
    ControlFull = "control_full",
    /// DTLS that the engine refused, or that nobody vouches for: alerts in plaintext, messages of our own side.
    DtlsInvalid = "dtls_invalid",
    /// The worker left too many events unread.
    EventUnread = "event_unread",
    /// Feedback on packets that the session did not negotiate (transport-wide, or of RFC 8888), or on an SSRC that is not
    /// ours: that part has no effect.
    FeedbackForeign = "feedback_foreign",
    /// Feedback that says nothing that was not said before.
    FeedbackRepeated = "feedback_repeated",
    /// Feedback that came more often than a client has it to say: it is not read.
    FeedbackTooOften = "feedback_too_often",
    /// Feedback that tells of packets that were not sent, or too long ago: that part has no effect.
    FeedbackUnsent = "feedback_unsent",
    /// What a packet says of its layers is malformed, or of a structure that is not known: it goes on to all without that.
    LayersUnread = "layers_unread",
    /// It waited too long to be sent as if it were new: its live viewers go on with what is younger.
    MediaStale = "media_stale",
    /// A relay datagram whose tag does not match.
    RelayAuthentication = "relay_authentication",
    /// Another worker asked for more than it may have.
    RelayLimit = "relay_limit",
    /// Authentic, but no message we know.
    RelayMalformed = "relay_malformed",
    /// A link counter seen before, or too old to tell.
    RelayReplayed = "relay_replayed",
    /// For a relay that is closed, or a run of the track that ended.
    RelayStale = "relay_stale",
    /// A relay datagram from an address of no peer.
    RelayUnknownPeer = "relay_unknown_peer",
    /// From an address that no session has proven with STUN.
    RouteUnknown = "route_unknown",
    /// SRTCP that does not authenticate.
    RtcpAuthentication = "rtcp_authentication",
    /// Not a compound packet by RFC 3550 or 5506.
    RtcpMalformed = "rtcp_malformed",
    /// An SRTCP index seen before.
    RtcpReplayed = "rtcp_replayed",
    /// SRTP that does not authenticate.
    RtpAuthentication = "rtp_authentication",
    RtpMalformed = "rtp_malformed",
    /// Of a track that an operator muted.
    RtpMuted = "rtp_muted",
    /// No viewer's codec list has this payload type.
    RtpPayloadUnmapped = "rtp_payload_unmapped",
    /// A sequence number seen before, or older than the replay window.
    RtpReplayed = "rtp_replayed",
    /// Longer than a place in the history.
    RtpTooLong = "rtp_too_long",
    /// Neither SSRC, mid, rid nor payload type names a track.
    RtpUnknownSource = "rtp_unknown_source",
    /// A panic while something that a peer sent was looked at; its session was ended.
    SessionFault = "session_fault",
    /// Media or DTLS before the keys are there.
    SessionNotReady = "session_not_ready",
    StunIntegrity = "stun_integrity",
    StunMalformed = "stun_malformed",
    /// A binding request whose username names no session.
    StunUnknownUser = "stun_unknown_user",
    /// A publisher sends more of a layer, for seconds, than it announces: what is measured counts.
    TargetsExceeded = "targets_exceeded",
    /// What a packet announces of the rates of its layers is malformed: it goes on, and what was announced before holds.
    TargetsUnread = "targets_unread",
    /// Neither STUN, DTLS, RTP nor RTCP by its first bytes.
    Unclassified = "unclassified",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_alphabetical_order_and_named_once() {
        let names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    }

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let mut counters = Counters::default();
        for reason in DropReason::ALL {
            counters.drop(*reason);
        }
        assert!(DropReason::ALL.iter().all(|reason| counters.dropped(*reason) == 1));
        assert_eq!(counters.drops().count(), DropReason::ALL.len());
    }
}

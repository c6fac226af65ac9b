//! Owns what is remembered of a stream that ended. Never decides for how long.

use chappe_cluster::MemberId;
use chappe_sfu_api::{MediaKind, SessionId};
use chappe_signaling_access::Holder;

use crate::attempt::Proof;
use crate::stream::Stream;

/// A stream that ended, or was taken over, a moment ago: for its publisher that comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndedStream {
    pub session: SessionId,
    pub publisher: Option<MemberId>,
    pub holder: Option<Holder>,
    pub since_ms: u64,
    /// Kinds of which an operator muted a track.
    pub moderated: Vec<MediaKind>,
    /// Unix time until which it is remembered; none before the first tick.
    pub until_ms: Option<u64>,
}

impl EndedStream {
    pub fn of(stream: &Stream) -> EndedStream {
        EndedStream {
            session: stream.session,
            publisher: stream.publisher.as_ref().map(|publisher| publisher.member),
            holder: stream.holder,
            since_ms: stream.since_ms,
            moderated: stream.moderated.clone(),
            until_ms: None,
        }
    }

    /// Of two that had the name within the time the one that was there first is remembered, and as muted as the later one
    /// was if that may be the same. But nobody is unmuted by a publisher of before who was not muted.
    pub fn followed_by(self, later: EndedStream) -> EndedStream {
        if self.since_ms >= later.since_ms {
            return later;
        }
        let proof = Proof { member: later.publisher, holder: later.holder, ..Proof::default() };
        match self.may_be_of(&proof) {
            true => EndedStream { moderated: later.moderated, until_ms: None, ..self },
            false if self.moderated.is_empty() && !later.moderated.is_empty() => later,
            false => self,
        }
    }

    /// Whether who shows this proof published it.
    pub fn is_of(&self, proof: &Proof) -> bool {
        let is_page = self.publisher.is_some() && self.publisher == proof.member;
        let is_holder = self.holder.is_some() && self.holder == proof.holder;
        let is_client = proof.session == Some(self.session) && self.holder == proof.holder;
        is_page || is_holder || is_client
    }

    /// Whether whoever shows this proof may be its publisher: a WHIP client without a token shows nothing when it starts
    /// again, so where nothing was shown before it may be anybody who shows nothing.
    pub fn may_be_of(&self, proof: &Proof) -> bool {
        let was_unproved = self.publisher.is_none() && self.holder.is_none();
        let is_unproved = proof.member.is_none() && proof.holder.is_none();
        self.is_of(proof) || (was_unproved && is_unproved)
    }
}

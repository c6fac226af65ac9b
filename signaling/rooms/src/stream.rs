//! Owns what is known of one published stream. Never decides who sees it.

use chappe_cluster::{MemberId, NodeName, RoomName, StreamName, StreamRecord};
use chappe_sfu_api::{Boot, Codec, Epoch, MediaKind, SessionId, TrackId, WorkerIndex};
use chappe_signaling_access::Holder;
use chappe_signaling_sdp::{PublishNote, SourceTrack};
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::note::TrackChoice;

/// What one publisher sends under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The publisher's session.
    pub session: SessionId,
    /// Fences: of two publishers of one name the one with the higher epoch is right.
    pub epoch: Epoch,
    /// Unix time since which its publisher publishes it.
    pub since_ms: u64,
    pub tracks: Vec<Track>,
    /// The worker that has the publisher.
    pub home: Home,
    /// None for WHIP.
    pub publisher: Option<Publisher>,
    /// The publisher is not heard any more.
    pub yields: bool,
    /// The publisher wants it to stand in the list of what is live.
    pub listed: bool,
    /// Of another node's, whose publisher is not connected yet: to whom it gives way.
    pub attempt: Option<Attempt>,
    /// Whose token it is published with.
    pub holder: Option<Holder>,
    /// Kinds that an operator muted, also of a track that the publisher has taken away since.
    pub moderated: Vec<MediaKind>,
}

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Home {
    pub node: NodeName,
    pub worker: WorkerIndex,
    pub boot: Boot,
}

/// Where one track of the cluster comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackHome {
    pub room: RoomName,
    pub stream: StreamName,
    pub home: Home,
    pub kind: MediaKind,
    pub epoch: Epoch,
}

/// The page that publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    pub member: MemberId,
    /// Shown to others.
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// `a=mid` of the publisher's m-line.
    pub mid: String,
    pub source: SourceTrack,
    /// Media arrives now.
    pub active: bool,
    /// The publisher says that it sends silence or black on purpose, or an operator muted it.
    pub muted: bool,
    /// By an operator: nobody gets it, whatever the publisher sends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moderated: bool,
}

impl Stream {
    /// Tracks on which media arrives.
    pub fn active(&self) -> Vec<TrackId> {
        self.tracks.iter().filter(|track| track.active).map(|track| track.source.track).collect()
    }

    pub fn chosen(&self, choice: &TrackChoice) -> Option<&Track> {
        let of_kind = |kind: MediaKind, n: usize| self.tracks.iter().filter(|track| track.source.kind == kind).nth(n);
        match choice {
            TrackChoice::Audio(n) => of_kind(MediaKind::Audio, *n),
            TrackChoice::Video(n) => of_kind(MediaKind::Video, *n),
            TrackChoice::Mid(mid) => self.tracks.iter().find(|track| track.mid == *mid),
        }
    }

    /// A stream of another node as that node tells it. None when its description is not ours to read.
    pub fn from_record(node: &NodeName, record: &StreamRecord) -> Option<Stream> {
        Some(Stream {
            session: record.session,
            epoch: record.epoch,
            since_ms: record.since_ms,
            tracks: serde_json::from_str(&record.description).ok()?,
            home: Home { node: node.clone(), worker: record.worker, boot: record.boot },
            publisher: record.publisher.map(|member| Publisher { member, name: record.name.clone() }),
            yields: record.yields,
            listed: record.listed,
            attempt: record.attempt.clone().and_then(|attempt| serde_json::from_value(attempt).ok()),
            holder: record.holder.clone().and_then(|holder| Holder::try_from(holder).ok()),
            moderated: record.moderated.clone(),
        })
    }
}

impl Track {
    /// The tracks of a publisher's description, of which these mids were muted by the publisher; `active` are those on
    /// which media arrives already, `moderated` those that an operator muted.
    pub fn all_of(note: &PublishNote, muted: &[String], active: &[TrackId], moderated: &[TrackId]) -> Vec<Track> {
        let track = |(mid, source): (&str, SourceTrack)| {
            let moderated = moderated.contains(&source.track);
            Track {
                muted: moderated || muted.iter().any(|muted| muted == mid),
                moderated,
                active: active.contains(&source.track),
                mid: mid.to_owned(),
                source,
            }
        };
        note.tracks().map(track).collect()
    }

    /// The codec that a person would name: the first that is more than redundancy around another.
    pub fn codec(&self) -> Option<Codec> {
        let codecs = self.source.codecs.iter().map(|codec| codec.codec);
        codecs.clone().find(|codec| *codec != Codec::Red).or_else(|| codecs.clone().next())
    }
}

//! Owns what is known of one published stream. Never decides who sees it.

use chappe_sfu_api::{Codec, MediaKind, SessionId, TrackId};

use crate::sdp::{PublishNote, SourceTrack};
use crate::session::TrackChoice;

/// What one publisher sends under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The publisher's session.
    pub session: SessionId,
    /// Unix time since which it is published.
    pub since_ms: u64,
    pub tracks: Vec<Track>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// `a=mid` of the publisher's m-line.
    pub mid: String,
    pub source: SourceTrack,
    /// Media arrives now.
    pub active: bool,
    /// The publisher says that it sends silence or black on purpose.
    pub muted: bool,
}

impl Stream {
    /// `active` are the tracks on which media arrives already.
    pub fn new(session: SessionId, since_ms: u64, note: &PublishNote, muted: &[String], active: &[TrackId]) -> Stream {
        let track = |(mid, source): (&str, SourceTrack)| Track {
            muted: muted.iter().any(|muted| muted == mid),
            active: active.contains(&source.track),
            mid: mid.to_owned(),
            source,
        };
        Stream { session, since_ms, tracks: note.tracks().map(track).collect() }
    }

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
}

impl Track {
    /// The codec that a person would name: the first that is more than redundancy around another.
    pub fn codec(&self) -> Option<Codec> {
        let codecs = self.source.codecs.iter().map(|codec| codec.codec);
        codecs.clone().find(|codec| *codec != Codec::Red).or_else(|| codecs.clone().next())
    }
}

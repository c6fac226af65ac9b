//! Owns what may be looked at of relays: counters by value. Never changes anything.

use std::time::Duration;

use crate::keys::LinkKey;
use crate::mesh::Mesh;
use crate::spec::{PeerId, TrackId};
use crate::stats::Traffic;
use crate::tracks::Tracks;

/// One track to or from one other worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelaySummary {
    pub track: TrackId,
    pub peer: PeerId,
    pub direction: RelayDirection,
    /// Hops from the worker on which the track is published to this one.
    pub depth: u8,
    pub packets: u64,
    pub bytes: u64,
    /// Packets that never came; 0 for outgoing.
    pub lost: u64,
    /// Packets that came because they were asked for again (incoming), or were sent again (outgoing).
    pub repaired: u64,
    pub round_trip: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayDirection {
    In,
    Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerSummary {
    pub peer: PeerId,
    /// It was heard within the last 450 ms.
    pub alive: bool,
    pub round_trip: Option<Duration>,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Mesh {
    /// All relays, those that wait for their parent included.
    pub fn relays(&self, tracks: &Tracks) -> Vec<RelaySummary> {
        let round_trip = |link: LinkKey| self.links.get(link).and_then(|link| link.round_trip);
        let feeds = self.feeds.iter().filter_map(|(_, feed)| {
            let parent = feed.open_parent().or(feed.parent.as_ref())?;
            Some(RelaySummary {
                track: feed.id,
                peer: parent.peer,
                direction: RelayDirection::In,
                depth: feed.depth,
                packets: feed.received.packets,
                bytes: feed.received.bytes,
                lost: feed.lost,
                repaired: feed.repaired,
                round_trip: round_trip(parent.link),
            })
        });
        let children = self.children.iter().filter_map(|(_, child)| {
            Some(RelaySummary {
                track: tracks.get(child.track)?.id,
                peer: self.links.get(child.link)?.peer,
                direction: RelayDirection::Out,
                depth: self.depth(child.layer, tracks),
                packets: child.traffic.packets,
                bytes: child.traffic.bytes,
                lost: 0,
                repaired: child.repaired,
                round_trip: round_trip(child.link),
            })
        });
        feeds.chain(children).collect()
    }

    /// What came in for tracks of other workers.
    pub fn traffic(&self) -> impl Iterator<Item = (TrackId, Traffic)> + '_ {
        self.feeds.iter().map(|(_, feed)| (feed.id, feed.received))
    }

    pub fn peers(&self) -> Vec<PeerSummary> {
        let links = self.links.iter();
        links
            .map(|(_, link)| PeerSummary {
                peer: link.peer,
                alive: link.is_alive(),
                round_trip: link.round_trip,
                packets_in: link.received.packets,
                packets_out: link.sent.packets,
                bytes_in: link.received.bytes,
                bytes_out: link.sent.bytes,
            })
            .collect()
    }
}

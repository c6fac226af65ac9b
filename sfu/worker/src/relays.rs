//! Owns the commands about other workers: how they are reached, which tracks come from them, what is relayed.
//! Never decides where a track comes from.

use chappe_sfu_api::{
    Boot, CommandError, Event, OriginSpec, PeerSpec, PeerStats, RelayDirection, RelayStats, RequestId, TrackId,
};
use chappe_sfu_core::{self as core, Now};

use crate::control::ClientId;
use crate::event_loop::Worker;
use crate::translate;

impl Worker {
    pub(crate) fn set_peer(&mut self, now: Now, spec: &PeerSpec) -> Result<(), CommandError> {
        let own = self.boot();
        self.core.set_peer(now, translate::peer_to_core(spec, own)).map_err(translate::error_to_api)
    }

    pub(crate) fn remove_peer(&mut self, now: Now, peer: Boot) -> Result<(), CommandError> {
        self.core.remove_peer(now, translate::boot_to_core(peer));
        Ok(())
    }

    pub(crate) fn set_origin(&mut self, now: Now, spec: OriginSpec) -> Result<(), CommandError> {
        self.core.set_origin(now, translate::origin_to_core(spec)).map_err(translate::error_to_api)
    }

    pub(crate) fn remove_origin(&mut self, now: Now, track: TrackId) -> Result<(), CommandError> {
        self.core.remove_origin(now, translate::track_to_core(track));
        Ok(())
    }

    pub(crate) fn release_relays(&mut self, now: Now) -> Result<(), CommandError> {
        self.core.release_children(now);
        Ok(())
    }

    pub(crate) fn tell_relays(&mut self, client: ClientId, request: RequestId) -> Result<(), CommandError> {
        let peers = self.core.relay_peers().into_iter().map(peer_stats).collect();
        let relays = self.core.relays().into_iter().map(relay_stats).collect();
        self.control.send(client, &Event::Relays { request, peers, relays });
        Ok(())
    }
}

fn peer_stats(from: core::PeerSummary) -> PeerStats {
    PeerStats {
        peer: Boot(from.peer.0),
        alive: from.alive,
        round_trip_ms: from.round_trip.map(|time| time.as_secs_f64() * 1e3),
        packets_in: from.packets_in,
        packets_out: from.packets_out,
        bytes_in: from.bytes_in,
        bytes_out: from.bytes_out,
    }
}

fn relay_stats(from: core::RelaySummary) -> RelayStats {
    RelayStats {
        track: TrackId(from.track.0),
        peer: Boot(from.peer.0),
        direction: match from.direction {
            core::RelayDirection::In => RelayDirection::In,
            core::RelayDirection::Out => RelayDirection::Out,
        },
        depth: from.depth,
        packets: from.packets,
        bytes: from.bytes,
        lost: from.lost,
        repaired: from.repaired,
    }
}

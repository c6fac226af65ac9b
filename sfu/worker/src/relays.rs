//! Owns the commands about other workers: how they are reached, which tracks come from them, what is relayed.
//! Never decides where a track comes from.

use chappe_sfu_api::{Boot, CommandError, Event, OriginSpec, PeerSpec, RequestId, TrackId};
use chappe_sfu_core::Now;

use crate::control::ClientId;
use crate::event_loop::Worker;
use crate::translate::{self, IntoApi, ToCore as _};

impl Worker {
    pub(crate) fn set_peer(&mut self, now: Now, spec: &PeerSpec) -> Result<(), CommandError> {
        let own = self.boot();
        self.core.set_peer(now, translate::peer_to_core(spec, own)).map_err(IntoApi::into_api)
    }

    pub(crate) fn remove_peer(&mut self, now: Now, peer: Boot) -> Result<(), CommandError> {
        self.core.remove_peer(now, peer.to_core());
        Ok(())
    }

    pub(crate) fn set_origin(&mut self, now: Now, spec: OriginSpec) -> Result<(), CommandError> {
        self.core.set_origin(now, spec.to_core()).map_err(IntoApi::into_api)
    }

    pub(crate) fn remove_origin(&mut self, now: Now, track: TrackId) -> Result<(), CommandError> {
        self.core.remove_origin(now, track.to_core());
        Ok(())
    }

    pub(crate) fn release_relays(&mut self, now: Now) -> Result<(), CommandError> {
        self.core.release_children(now);
        Ok(())
    }

    pub(crate) fn tell_relays(&mut self, client: ClientId, request: RequestId) -> Result<(), CommandError> {
        let peers = self.core.relay_peers().into_api();
        let relays = self.core.relays().into_api();
        self.control.send(client, &Event::Relays { request, peers, relays });
        Ok(())
    }
}

//! Owns the commands of signaling about other workers. Never sends anything itself.

use crate::mesh::summary::{PeerSummary, RelaySummary};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::spec::{ControlError, OriginSpec, PeerId, PeerSpec, TrackId};

impl Sfu {
    /// The same again changes nothing. With the keys it had only addresses change; with others the link starts
    /// over, and its relays go on.
    pub fn set_peer(&mut self, now: Now, spec: PeerSpec) -> Result<(), ControlError> {
        let done = {
            let (mesh, mut scope) = self.mesh_parts(now.mono);
            mesh.set_peer(spec, &mut scope)
        };
        if done.is_ok() {
            self.tracks.start_wall(now);
        }
        self.settle(now.mono);
        done
    }

    /// Success also when the peer is not there. What came from it waits for another parent.
    pub fn remove_peer(&mut self, now: Now, peer: PeerId) {
        let (mesh, mut scope) = self.mesh_parts(now.mono);
        mesh.remove_peer(peer, &mut scope);
        self.settle(now.mono);
    }

    /// Where a track comes from that is not published here. The same again changes nothing; with another peer
    /// the old one delivers until the new one does.
    pub fn set_origin(&mut self, now: Now, spec: OriginSpec) -> Result<(), ControlError> {
        let (mesh, mut scope) = self.mesh_parts(now.mono);
        let done = mesh.set_origin(spec, &mut scope);
        self.settle(now.mono);
        done
    }

    /// Success also when there is none. Viewers wait for whoever comes next.
    pub fn remove_origin(&mut self, now: Now, track: TrackId) {
        let (mesh, mut scope) = self.mesh_parts(now.mono);
        mesh.remove_origin(track, &mut scope);
        self.settle(now.mono);
    }

    /// For a drain: workers that get from here what is relayed here are sent to where it comes from, and
    /// served until they are there.
    pub fn release_children(&mut self, now: Now) {
        let (mesh, mut scope) = self.mesh_parts(now.mono);
        mesh.release_children(&mut scope);
    }

    /// All relays, those that wait for their parent included.
    pub fn relays(&self) -> Vec<RelaySummary> {
        self.mesh.relays(&self.tracks)
    }

    pub fn relay_peers(&self) -> Vec<PeerSummary> {
        self.mesh.peers()
    }
}

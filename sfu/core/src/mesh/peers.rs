//! Owns which other workers there are: links that come, change their keys or addresses, and go. Never touches
//! media.

use std::net::SocketAddr;
use std::time::Instant;

use arrayvec::ArrayVec;

use crate::crypto::relay::{Opening, Sealing};
use crate::keys::{ChildKey, LinkKey};
use crate::mesh::link::{ADDRESSES_MAX, LifeChange, Link, LinkKeys};
use crate::mesh::wire::Heartbeat;
use crate::mesh::{Mesh, PEERS_MAX, Scope};
use crate::spec::{ControlError, Event, PeerId, PeerSpec, RelayKey};
use crate::stats::DropReason;

impl Mesh {
    /// The same again changes nothing. With the keys it had only addresses change; with others the link starts
    /// over, and its relays go on.
    pub(crate) fn set_peer(&mut self, spec: PeerSpec, scope: &mut Scope<'_>) -> Result<(), ControlError> {
        let addresses = checked_addresses(&spec)?;
        self.base.get_or_insert(scope.now);
        let keys = LinkKeys { seal: spec.seal, open: spec.open };
        let known = self.by_peer.get(&spec.peer).copied();
        self.check_keys(known, &keys)?;
        let key = match known {
            Some(key) => {
                self.rekey(key, keys)?;
                key
            }
            None => self.add_link(scope.now, spec.peer, spec.own, keys)?,
        };
        self.pin(key, addresses);
        self.arm_link(key);
        self.rejoin(spec.peer, scope);
        Ok(())
    }

    /// Success also when the peer is not there. What came from it waits for another parent.
    pub fn remove_peer(&mut self, peer: PeerId, scope: &mut Scope<'_>) {
        let Some(key) = self.by_peer.get(&peer).copied() else { return };
        self.drop_relays(key, scope);
        self.remove_link(key);
    }

    fn drop_relays(&mut self, link: LinkKey, scope: &mut Scope<'_>) {
        let Some(known) = self.links.get(link) else { return };
        let children: Vec<ChildKey> = known.channels.values().copied().collect();
        for child in children {
            self.remove_child(child, scope);
        }
        self.drop_parents(link);
    }

    /// Its relays begin anew: children ask again, and what came from it is asked for. The counters go on.
    pub(crate) fn restart_link(&mut self, key: LinkKey, scope: &mut Scope<'_>) {
        let Some(peer) = self.links.get(key).map(|link| link.peer) else { return };
        self.arm_link(key);
        self.drop_relays(key, scope);
        self.rejoin(peer, scope);
    }

    pub(super) fn handle_link_due(&mut self, key: LinkKey, scope: &mut Scope<'_>) {
        let (Some(link), Some(base)) = (self.links.get_mut(key), self.base) else { return };
        let peer = link.peer;
        if link.handle_timeout(scope.now, base, &mut scope.out.egress) == Some(LifeChange::Lost) {
            scope.out.push_event(Event::PeerLost { peer });
        }
        self.arm_link(key);
    }

    pub(super) fn handle_heartbeat(
        &mut self,
        key: LinkKey,
        beat: &Heartbeat,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        if let (Some(link), Some(base)) = (self.links.get_mut(key), self.base) {
            link.handle_heartbeat(scope.now, base, beat);
        }
        Ok(())
    }

    fn arm_link(&mut self, key: LinkKey) {
        if let Some(link) = self.links.get(key) {
            self.link_timers.set(key, Some(link.poll_timeout()));
        }
    }
}

impl Mesh {
    fn add_link(&mut self, now: Instant, peer: PeerId, own: PeerId, keys: LinkKeys) -> Result<LinkKey, ControlError> {
        if self.links.len() >= PEERS_MAX {
            return Err(ControlError::Limit { what: "peers", limit: PEERS_MAX });
        }
        let (sealing, opening) = self.ciphers(&keys)?;
        let key = self.links.insert(Link::new(now, peer, own, keys, sealing, opening));
        self.by_peer.insert(peer, key);
        Ok(key)
    }

    /// Each link counts on its own: two that seal under one key, or both directions of one, would use a nonce twice.
    fn check_keys(&self, own: Option<LinkKey>, keys: &LinkKeys) -> Result<(), ControlError> {
        let mut others = self.links.iter().filter(|(key, _)| Some(*key) != own);
        if keys.seal.key == keys.open.key || others.any(|(_, link)| link.keys.seal.key == keys.seal.key) {
            return Err(ControlError::Invalid("a relay key seals something else already"));
        }
        Ok(())
    }

    fn rekey(&mut self, key: LinkKey, keys: LinkKeys) -> Result<(), ControlError> {
        if self.links.get(key).is_none_or(|link| link.keys == keys) {
            return Ok(());
        }
        self.note_floors(key);
        let (sealing, opening) = self.ciphers(&keys)?;
        if let Some(link) = self.links.get_mut(key) {
            (link.keys, link.sealing, link.opening) = (keys, sealing, opening);
        }
        Ok(())
    }

    fn remove_link(&mut self, key: LinkKey) {
        self.note_floors(key);
        let Some(link) = self.links.remove(key) else { return };
        self.by_peer.remove(&link.peer);
        self.by_address.retain(|_, leads_to| *leads_to != key);
        self.last_address = None;
        self.link_timers.set(key, None);
    }

    /// Ciphers that go on above all that was ever counted under these keys: a counter that came twice under
    /// one key would give both messages away, and one that is taken twice would repeat what it did.
    fn ciphers(&self, keys: &LinkKeys) -> Result<(Sealing, Opening), ControlError> {
        let floor = self.floors.iter().rev().find(|(known, _)| *known == keys.open).map_or(0, |(_, floor)| *floor);
        Sealing::new(&keys.seal, self.counter_floor)
            .zip(Opening::new(&keys.open, floor))
            .ok_or(ControlError::Invalid("the cipher refuses a relay key"))
    }

    fn note_floors(&mut self, key: LinkKey) {
        let Some(link) = self.links.get(key) else { return };
        self.counter_floor = self.counter_floor.max(link.sealing.next());
        let open: &RelayKey = &link.keys.open;
        self.floors.retain(|(known, _)| known != open);
        if self.floors.len() >= FLOORS_MAX {
            self.floors.pop_front();
        }
        self.floors.push_back((open.clone(), link.opening.floor()));
    }

    /// The newest peer has an address: whoever had it before is a process that is gone.
    fn pin(&mut self, key: LinkKey, addresses: ArrayVec<SocketAddr, ADDRESSES_MAX>) {
        let Some(link) = self.links.get_mut(key).filter(|link| link.addresses != addresses) else { return };
        self.by_address.retain(|_, leads_to| *leads_to != key);
        self.by_address.extend(addresses.iter().map(|address| (*address, key)));
        link.set_addresses(addresses);
        self.last_address = None;
    }
}

/// As [`crate::Route`] has them: IPv4-mapped ones are IPv4.
fn checked_addresses(spec: &PeerSpec) -> Result<ArrayVec<SocketAddr, ADDRESSES_MAX>, ControlError> {
    if spec.peer == spec.own {
        return Err(ControlError::Invalid("a worker is no peer of itself"));
    }
    if spec.addresses.is_empty() || spec.addresses.len() > ADDRESSES_MAX {
        return Err(ControlError::Invalid("a peer has no address or more than 8"));
    }
    let canonical = |address: &SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    Ok(spec.addresses.iter().map(canonical).collect())
}

/// Links that are gone whose counters are remembered.
const FLOORS_MAX: usize = PEERS_MAX;

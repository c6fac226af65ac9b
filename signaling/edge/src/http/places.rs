//! Owns the places of a listener: how many connections there are at a time, and how many of them one address may
//! have. Never touches a socket: it tells which connection has to end for another.
//!
//! Workers count places of their own (`sfu/worker/src/places.rs`), where nothing is idle: a type for both would need a crate
//! below both, and have of each what the other has no use for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chappe_signaling_rooms::ClientAddress;
use tokio::sync::Notify;

/// A connection is idle from its start, between two requests, and while a request's head is not complete: whoever
/// waits so gives way to others.
#[derive(Debug)]
pub struct Places {
    table: Mutex<Table>,
    /// Told when a place becomes free, or could be made free.
    freed: Notify,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    id: ConnectionId,
    evicted: Arc<Notify>,
}

/// The connection serves a request, until this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Place>);

/// What one address may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// More idle ones end those that are idle for longest.
    pub idle_max: usize,
    pub connections_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    connections: HashMap<ConnectionId, Connection>,
    /// Has only those with a connection.
    addresses: HashMap<ClientAddress, Address>,
}

#[derive(Debug)]
struct Connection {
    address: ClientAddress,
    quota: Quota,
    /// Requests that it serves now; over HTTP/2 they may be several.
    requests: usize,
    /// Whether there ever was one.
    has_asked: bool,
    /// When it became idle; none while it serves a request.
    idle: Option<Turn>,
    evicted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    /// In the order in which they became idle.
    idle: BTreeMap<Turn, ConnectionId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ConnectionId(u64);

/// Orders the moments at which connections became idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn(u64);

impl Quota {
    /// A client of its own, or all behind one NAT: a browser has six connections at most, and a page one of them idle.
    pub const OF_CLIENT: Quota = Quota { idle_max: 1_024, connections_max: 2_048 };
    /// A proxy has the connections of all its clients.
    pub const OF_PROXY: Quota = Quota { idle_max: CONNECTIONS_MAX / 2, connections_max: CONNECTIONS_MAX };
}

impl Places {
    pub fn new() -> Arc<Places> {
        Arc::new(Places { table: Mutex::default(), freed: Notify::new() })
    }

    /// Returns when a newcomer can be served. Others wait in the kernel's backlog meanwhile.
    pub async fn wait_for_room(&self) {
        loop {
            let freed = self.freed.notified();
            if self.table().has_room() {
                return;
            }
            freed.await;
        }
    }

    /// A place for a new connection, if need be that of one that is idle. None: the address has all it may have, and
    /// each serves a request; or nobody at all is idle.
    pub fn enter(self: &Arc<Self>, address: ClientAddress, quota: Quota) -> Option<Place> {
        let mut table = self.table();
        let (mut connections, mut idle) = table.held_by(address);
        while connections >= quota.connections_max || idle >= quota.idle_max {
            if !table.evict_of(address) {
                return None;
            }
            (connections, idle) = table.held_by(address);
        }
        if table.connections.len() >= CONNECTIONS_MAX && !table.evict_of_most() {
            return None;
        }
        let evicted = Arc::new(Notify::new());
        let id = table.enter(Connection {
            address,
            quota,
            requests: 0,
            has_asked: false,
            idle: None,
            evicted: Arc::clone(&evicted),
        });
        Some(Place { of: Arc::clone(self), id, evicted })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request has come.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.of.table().begin(self.id);
        Busy(Arc::clone(self))
    }

    /// Completes after this time if there was no request until then.
    pub async fn never_asked(&self, within: Duration) {
        tokio::time::sleep(within).await;
        if self.of.table().connections.get(&self.id).is_some_and(|connection| connection.has_asked) {
            std::future::pending::<()>().await;
        }
    }

    /// Completes when the connection has to end.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.table().leave(self.id);
        self.of.freed.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.of.table().end(self.0.id);
        self.0.of.freed.notify_one();
    }
}

impl Table {
    fn has_room(&self) -> bool {
        self.connections.len() < CONNECTIONS_MAX || self.addresses.values().any(|address| !address.idle.is_empty())
    }

    fn held_by(&self, address: ClientAddress) -> (usize, usize) {
        self.addresses.get(&address).map_or((0, 0), |held| (held.connections, held.idle.len()))
    }

    fn enter(&mut self, connection: Connection) -> ConnectionId {
        self.next += 1;
        let id = ConnectionId(self.next);
        self.addresses.entry(connection.address).or_default().connections += 1;
        self.connections.insert(id, connection);
        self.set_idle(id);
        id
    }

    fn begin(&mut self, id: ConnectionId) {
        self.set_busy(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.requests += 1;
            connection.has_asked = true;
        }
    }

    fn end(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.requests = connection.requests.saturating_sub(1);
        if connection.requests == 0 {
            self.set_idle(id);
        }
    }

    fn leave(&mut self, id: ConnectionId) {
        self.set_busy(id);
        let Some(connection) = self.connections.remove(&id) else { return };
        if let Some(address) = self.addresses.get_mut(&connection.address) {
            address.connections -= 1;
            if address.connections == 0 {
                self.addresses.remove(&connection.address);
            }
        }
    }

    fn set_idle(&mut self, id: ConnectionId) {
        let turn = Turn(self.next);
        self.next += 1;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.idle = Some(turn);
        let (address, idle_max) = (connection.address, connection.quota.idle_max);
        let Some(held) = self.addresses.get_mut(&address) else { return };
        held.idle.insert(turn, id);
        if held.idle.len() > idle_max {
            self.evict_of(address);
        }
    }

    fn set_busy(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(turn) = connection.idle.take() else { return };
        if let Some(address) = self.addresses.get_mut(&connection.address) {
            address.idle.remove(&turn);
        }
    }

    /// Ends the connection of an address that is idle for longest; false if none is.
    fn evict_of(&mut self, address: ClientAddress) -> bool {
        let longest = self.addresses.get(&address).and_then(|held| held.idle.values().next().copied());
        let Some(id) = longest else { return false };
        if let Some(connection) = self.connections.get(&id) {
            connection.evicted.notify_one();
        }
        self.leave(id);
        true
    }

    /// The same for the address with the most idle ones.
    fn evict_of_most(&mut self) -> bool {
        let most = self.addresses.iter().max_by_key(|(_, held)| held.idle.len()).map(|(address, _)| *address);
        most.is_some_and(|address| self.evict_of(address))
    }
}

/// Connections at a time; upgraded ones (WebSocket) are counted apart.
pub const CONNECTIONS_MAX: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ClientAddress {
        ClientAddress::from(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn enter(places: &Arc<Places>, last: u8) -> Option<Arc<Place>> {
        places.enter(address(last), Quota { idle_max: 3, connections_max: 5 }).map(Arc::new)
    }

    async fn is_evicted(place: &Place) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, place.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn one_that_is_idle_for_longest_gives_way_to_another_of_its_address() {
        let places = Places::new();
        let held: Vec<Arc<Place>> = (0..4).filter_map(|_| enter(&places, 1)).collect();
        assert_eq!(held.len(), 4);
        assert!(is_evicted(&held[0]).await && !is_evicted(&held[1]).await);
        // A request makes it young again.
        drop(held[1].busy());
        let _next = enter(&places, 1).unwrap();
        assert!(is_evicted(&held[2]).await && !is_evicted(&held[1]).await);
    }

    #[tokio::test]
    async fn a_connection_with_several_requests_is_idle_when_the_last_one_has_ended() {
        let places = Places::new();
        let first = enter(&places, 1).unwrap();
        let two = (first.busy(), first.busy());
        drop(two.0);
        let others: Vec<Arc<Place>> = (0..4).filter_map(|_| enter(&places, 1)).collect();
        assert!(!is_evicted(&first).await && is_evicted(&others[0]).await);
        drop(two.1);
        let never = tokio::time::timeout(Duration::ZERO, first.never_asked(Duration::ZERO)).await;
        assert!(never.is_err(), "it has asked");
        others[3].never_asked(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn requests_of_one_address_fill_its_share_and_take_nothing_of_others() {
        let places = Places::new();
        let busy: Vec<Busy> = (0..9).filter_map(|_| enter(&places, 1)).map(|place| place.busy()).collect();
        assert_eq!(busy.len(), 5);
        assert!(enter(&places, 1).is_none());
        assert!(enter(&places, 2).is_some());
        drop(busy);
        assert!(enter(&places, 1).is_some());
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_address_with_the_most_idle_ones_gives_one_up() {
        let places = Places::new();
        let all = Quota { idle_max: CONNECTIONS_MAX, connections_max: CONNECTIONS_MAX };
        let mut held: Vec<Place> = (1..CONNECTIONS_MAX).filter_map(|_| places.enter(address(1), all)).collect();
        let single = places.enter(address(2), all).unwrap();
        let newcomer = places.enter(address(3), all);
        assert!(newcomer.is_some() && is_evicted(&held[0]).await && !is_evicted(&single).await);
        drop(newcomer);
        held.clear();
        drop(single);
        let table = places.table();
        assert!(table.connections.is_empty() && table.addresses.is_empty(), "who has gone is forgotten");
    }

    #[tokio::test]
    async fn a_newcomer_waits_while_all_are_busy() {
        let places = Places::new();
        let all = Quota { idle_max: CONNECTIONS_MAX, connections_max: CONNECTIONS_MAX };
        let held: Vec<Arc<Place>> =
            (0..CONNECTIONS_MAX).filter_map(|_| places.enter(address(1), all).map(Arc::new)).collect();
        let mut busy: Vec<Busy> = held.iter().map(Place::busy).collect();
        let waits = async || tokio::time::timeout(std::time::Duration::ZERO, places.wait_for_room()).await.is_err();
        assert!(waits().await);
        busy.pop();
        assert!(!waits().await);
    }
}

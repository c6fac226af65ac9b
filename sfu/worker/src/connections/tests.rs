use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use super::*;

/// Connections as if from other addresses; their peers are kept open.
struct Table {
    connections: Connections,
    listener: std::net::TcpListener,
    peers: Vec<TcpStream>,
    now: Instant,
}

impl Table {
    fn new(limits: Limits) -> Table {
        let listen = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let mut connections = Connections::new(TcpListener::adopt(listen().into()).expect("adopt"));
        connections.places = Places::new(limits);
        Table { connections, listener: listen(), peers: Vec::new(), now: Instant::now() }
    }

    /// A second after the one before. None: it is refused.
    fn connect(&mut self, from: &str) -> Option<ConnectionId> {
        self.peers.push(TcpStream::connect(self.listener.local_addr().expect("bound")).expect("connect"));
        let (accepted, _) = self.listener.accept().expect("accept");
        let remote = SocketAddr::new(from.parse().expect("an address"), 9);
        let tcp = TcpConnection::adopt(accepted.into(), remote).expect("adopt");
        self.now += Duration::from_secs(1);
        self.connections.make_room(remote.ip()).then(|| {
            let id = self.connections.name_next();
            self.connections.insert(self.now, id, tcp);
            id
        })
    }

    /// A session has it for its own.
    fn claimed(&mut self, from: &str) -> Option<ConnectionId> {
        let id = self.connect(from)?;
        self.connections.note_claim(self.now, id, Claim::Taken);
        Some(id)
    }

    fn holds(&self, id: Option<ConnectionId>) -> bool {
        id.is_some_and(|id| self.connections.route(id).is_some())
    }

    fn refused(&self) -> (u64, u64) {
        (self.connections.past_share(), self.connections.past_all())
    }
}

const FEW: Limits = Limits { all: 6, address: 2, proxy: 4 };

#[test]
fn one_address_has_its_share_and_leaves_the_rest_to_others() {
    let mut table = Table::new(FEW);
    let held: Vec<_> = (0..5).filter_map(|_| table.claimed("192.0.2.1")).collect();
    assert_eq!((held.len(), table.refused()), (2, (3, 0)));
    assert!(table.claimed("192.0.2.2").is_some());
    table.connections.close(held[0]);
    assert!(table.claimed("192.0.2.1").is_some() && table.claimed("192.0.2.1").is_none(), "one place is free again");
}

#[test]
fn a_network_of_ipv6_is_one_holder() {
    let mut table = Table::new(FEW);
    let own = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"];
    assert_eq!(own.into_iter().filter_map(|from| table.claimed(from)).count(), 2);
    assert!(table.claimed("2001:db8:0:1::1").is_some(), "the next network");
}

#[test]
fn what_may_be_a_proxy_has_more_but_not_all() {
    for from in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
        let mut table = Table::new(FEW);
        assert_eq!((0..8).filter_map(|_| table.claimed(from)).count(), 4, "{from}");
        assert!(table.claimed("192.0.2.1").is_some());
    }
}

#[test]
fn beyond_its_share_an_address_loses_its_own_oldest_stranger() {
    let mut table = Table::new(FEW);
    let other = table.connect("192.0.2.2");
    let (served, stranger) = (table.claimed("192.0.2.1"), table.connect("192.0.2.1"));
    let next = table.connect("192.0.2.1");
    assert!(table.holds(other) && table.holds(served) && !table.holds(stranger) && table.holds(next));
    assert_eq!(table.refused(), (1, 0));
}

#[test]
fn when_all_places_are_taken_the_oldest_stranger_goes() {
    let mut table = Table::new(FEW);
    let served = table.claimed("192.0.2.1");
    let strangers = [2, 3, 4, 5, 6].map(|host| table.connect(&format!("192.0.2.{host}")));
    let late = table.connect("192.0.2.7");
    assert!(table.holds(served) && table.holds(late) && !table.holds(strangers[0]));
    assert!(strangers[1..].iter().all(|id| table.holds(*id)));
    assert_eq!(table.refused(), (0, 1));
}

#[test]
fn nobody_who_is_served_makes_room() {
    let mut table = Table::new(FEW);
    let served = [1, 2, 3, 4, 5, 6].map(|host| table.claimed(&format!("192.0.2.{host}")));
    assert_eq!((table.connect("192.0.2.7"), table.refused()), (None, (0, 1)));
    assert!(served.iter().all(|id| table.holds(*id)));
}

#[test]
fn an_answer_makes_nobody_known_and_who_is_left_is_a_stranger_again() {
    let mut table = Table::new(FEW);
    let (answered, left) = (table.connect("192.0.2.1").unwrap(), table.claimed("192.0.2.2").unwrap());
    // A check with a wrong password is refused, and that is an answer.
    table.connections.queue(answered, b"refused", 7, FrameKind::Control);
    let idle = |table: &Table, after| {
        let mut idle = Vec::new();
        table.connections.idle(table.now + after, &mut idle);
        idle
    };
    assert_eq!(idle(&table, STRANGER_STAY_MAX), [answered]);
    assert!(table.connections.note_claim(table.now, left, Claim::Left), "its session ended");
    assert_eq!(idle(&table, STRANGER_STAY_MAX).len(), 1, "it may begin another");
    assert_eq!(idle(&table, STRANGER_STAY_MAX + Duration::from_secs(2)).len(), 2);
}

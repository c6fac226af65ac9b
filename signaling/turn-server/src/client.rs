//! Owns one client of the server: the protocol with it, its relayed port, and the media ports that it sends to. Its task
//! ends when it has neither an allocation nor anything to say, and with the session that it was told its credentials for.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chappe_signaling_turn::Refused;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;
use tracing::debug;
use turn_server_proto::api::{SocketAllocateError, TcpConnectError, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::agent::Transmit;
use turn_server_proto::types::prelude::DelayedTransmitBuild as _;
use turn_server_proto::types::{AddressFamily, Instant as ProtocolTime, TransportType};

use crate::framing::MESSAGE_BYTES_MAX;
use crate::quota::{Budget, Share};
use crate::refusal::{REALM, User};
use crate::request::{Asked, Request};
use crate::terms::Shared;

/// Takes what the client sends, and brings it what it is sent: one datagram, or one message of a stream.
pub trait Way: Send {
    /// Whether what is sent back gets to who has sent: a datagram can name anybody as its sender.
    const PROVES_ADDRESS: bool;
    /// None: it has gone.
    fn receive(&mut self) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;
    fn send(&mut self, message: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// Until it has gone, or has been idle for too long.
pub async fn serve_client(mut way: impl Way, remote: SocketAddr, shared: Arc<Shared>) -> io::Result<()> {
    let mut client = Client::new(remote, shared);
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let due = client.settle(&mut way).await?;
        if client.is_over(Instant::now()) {
            return Ok(());
        }
        let wake = due.min(if client.relay.is_some() { client.served + SERVED_FOR } else { client.heard + IDLE_MAX });
        let event = tokio::select! {
            received = way.receive() => match received? {
                Some(message) => Event::Said(message),
                None => return Ok(()),
            },
            received = relayed(client.relay.as_ref(), &mut buffer) => Event::Relayed(received),
            () = sleep_until(wake.into()) => Event::Woken,
        };
        match event {
            Event::Said(message) => {
                client.handle_message(message, &mut way).await?;
                if client.is_stranger() {
                    return Ok(());
                }
            }
            // The ICMP message of a port that is closed; the worker is replaced on it.
            Event::Relayed(Err(error)) => debug!(%error, "a relayed port can't be read"),
            Event::Relayed(Ok((bytes, from))) => client.handle_relayed(&buffer[..bytes], from, &mut way).await?,
            Event::Woken if client.relay.is_none() && client.heard.elapsed() >= IDLE_MAX => return Ok(()),
            Event::Woken => {}
        }
    }
}

enum Event {
    Said(Vec<u8>),
    Relayed(io::Result<(usize, SocketAddr)>),
    Woken,
}

async fn relayed(relay: Option<&Relay>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match relay {
        Some(relay) => relay.socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

struct Client {
    protocol: TurnServer,
    remote: SocketAddr,
    listen: SocketAddr,
    shared: Arc<Shared>,
    began: Instant,
    heard: Instant,
    /// When its session was last seen to go on.
    served: Instant,
    /// Whose credentials it has shown, without a proof that it has them.
    user: Option<User>,
    /// That it gets before it has an allocation.
    answers_left: u32,
    relay: Option<Relay>,
    /// What it asked for last is more than the user may have.
    is_over_quota: bool,
    /// By the addresses that the client knows; bounded.
    peers: HashMap<SocketAddr, Peer>,
    bytes: Budget,
    lookups: Budget,
}

struct Relay {
    socket: UdpSocket,
    told: SocketAddr,
    _share: Share<String>,
}

struct Peer {
    /// None: it is no media port of ours.
    destination: Option<SocketAddr>,
    judged: Instant,
}

impl Client {
    fn new(remote: SocketAddr, shared: Arc<Shared>) -> Client {
        let any: IpAddr = if remote.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let listen = SocketAddr::new(any, PORT_OF_PROTOCOL);
        let now = Instant::now();
        Client {
            // Messages of a stream are told apart before they get here, so that all are as datagrams.
            protocol: TurnServer::new(TransportType::Udp, listen, REALM.to_owned()),
            remote,
            listen,
            shared,
            began: now,
            heard: now,
            served: now,
            user: None,
            answers_left: ANSWERS_MAX,
            relay: None,
            is_over_quota: false,
            peers: HashMap::new(),
            bytes: Budget::per_second(BYTES_PER_SECOND_MAX),
            lookups: Budget::per_second(LOOKUPS_PER_SECOND_MAX),
        }
    }

    /// Whether it has got no answer: no place is kept for it.
    fn is_stranger(&self) -> bool {
        self.relay.is_none() && self.answers_left == ANSWERS_MAX
    }

    /// Whether it has an allocation for a session that has ended. It can't be told: nothing is said unasked (RFC 8656).
    fn is_over(&mut self, now: Instant) -> bool {
        if self.relay.is_none() || now.saturating_duration_since(self.served) < SERVED_FOR {
            return false;
        }
        self.served = now;
        !self.user.as_ref().is_some_and(|user| self.shared.goes_on(&user.name))
    }

    /// From the client.
    async fn handle_message<W: Way>(&mut self, message: Vec<u8>, way: &mut W) -> io::Result<()> {
        let at = Instant::now();
        if let Err(reason) = self.judge(&message, W::PROVES_ADDRESS, at) {
            self.refuse(reason);
            let user = self.user.as_ref().filter(|_| reason == Refused::Peer);
            return match user.and_then(|user| user.forbid(&message)) {
                Some(answer) => way.send(&answer).await,
                None => Ok(()),
            };
        }
        self.heard = at;
        let now = self.now();
        let transmit = Transmit::new(message, TransportType::Udp, self.remote, self.listen);
        if let Some(answer) = self.protocol.recv(transmit, now) {
            let (from, to, bytes) = (answer.from, answer.to, answer.data.build());
            self.dispatch(from, to, &bytes, way).await?;
        }
        Ok(())
    }

    /// Whether the protocol gets to see a message: it keeps what it is asked to, and answers whoever asks.
    fn judge(&mut self, message: &[u8], is_proven: bool, at: Instant) -> Result<(), Refused> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        if !self.bytes.take(u32::try_from(message.len()).unwrap_or(u32::MAX), at) {
            return Err(Refused::Rate);
        }
        let request = Request::parse(message).ok_or(Refused::Malformed)?;
        let Some(relay) = &self.relay else { return self.judge_newcomer(request, is_proven, at) };
        // Those of the other family the protocol refuses itself, and keeps nothing for them.
        let is_ipv6 = relay.told.is_ipv6();
        let is_reachable = match request {
            Request::Asked(Asked::Permissions(addresses), _) => {
                addresses.into_iter().filter(|ip| ip.is_ipv6() == is_ipv6).all(|ip| self.is_of_a_node(ip, at))
            }
            Request::Asked(Asked::Channel(peer), _) => peer.is_ipv6() != is_ipv6 || self.destination(peer).is_some(),
            Request::Media | Request::Asked(Asked::Other, _) => true,
        };
        if is_reachable { Ok(()) } else { Err(Refused::Peer) }
    }

    /// Each answer to a client without an allocation may go to somebody who has asked for nothing. Who shows a user's
    /// name has not proved to be that user, but does not wait behind those who can't even do that.
    fn judge_newcomer(&mut self, request: Request, is_proven: bool, at: Instant) -> Result<(), Refused> {
        // Who had an allocation before signaling was replaced is told that it has gone.
        let Request::Asked(_, username) = request else { return Err(Refused::Malformed) };
        let known = username.and_then(|username| match self.shared.password(&username) {
            Some(password) => Some((username, password)),
            None => {
                self.refuse(Refused::Credentials);
                None
            }
        });
        let budget = if known.is_some() { &self.shared.attempts } else { &self.shared.challenges };
        if self.answers_left == 0 || !(is_proven || budget.take(1, at)) {
            return Err(Refused::Challenges);
        }
        self.answers_left -= 1;
        match known {
            Some((username, password)) if self.shared.is_served(&username) => {
                self.protocol.add_user(username.clone(), password.clone());
                self.user = Some(User::new(username, password));
            }
            Some(_) => self.refuse(Refused::Credentials),
            None => {}
        }
        Ok(())
    }

    /// From a media port.
    async fn handle_relayed(&mut self, bytes: &[u8], from: SocketAddr, way: &mut impl Way) -> io::Result<()> {
        let from = canonical(from);
        let is_it = |(_, peer): &(&SocketAddr, &Peer)| peer.destination == Some(from);
        let Some(peer) = self.peers.iter().find(is_it).map(|(peer, _)| *peer) else {
            self.refuse(Refused::Source);
            return Ok(());
        };
        let (now, Some(told)) = (self.now(), self.relay.as_ref().map(|relay| relay.told)) else { return Ok(()) };
        let transmit = Transmit::new(bytes, TransportType::Udp, peer, told);
        if let Some(message) = self.protocol.recv(transmit, now) {
            let (from, to, message) = (message.from, message.to, message.data.build());
            self.shared.terms.counts.relay(message.len());
            self.dispatch(from, to, &message, way).await?;
        }
        Ok(())
    }

    /// Does what the protocol wants done. When it wants to be asked again.
    async fn settle(&mut self, way: &mut impl Way) -> io::Result<Instant> {
        loop {
            let now = self.now();
            let wanted = self.protocol.poll(now);
            match wanted {
                TurnServerPollRet::WaitUntil(then) => {
                    while let Some(transmit) = self.protocol.poll_transmit(now) {
                        self.dispatch(transmit.from, transmit.to, &transmit.data, way).await?;
                    }
                    return Ok(self.began + Duration::from_nanos(u64::try_from(then.as_nanos()).unwrap_or_default()));
                }
                TurnServerPollRet::AllocateSocket {
                    transport,
                    listen_addr,
                    client_addr,
                    allocation_transport,
                    family,
                } => {
                    let told = self.allocate(allocation_transport, family).await;
                    self.protocol.allocated_socket(
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                        told,
                        now,
                    );
                }
                TurnServerPollRet::TcpConnect { relayed_addr, peer_addr, listen_addr, client_addr } => {
                    let refused = Err(TcpConnectError::Forbidden);
                    self.protocol.tcp_connected(relayed_addr, peer_addr, listen_addr, client_addr, refused, now);
                }
                TurnServerPollRet::SocketClose { .. } => self.relay = None,
                TurnServerPollRet::TcpClose { .. } => {}
            }
        }
    }

    async fn allocate(
        &mut self,
        transport: TransportType,
        family: AddressFamily,
    ) -> Result<SocketAddr, SocketAllocateError> {
        let is_ipv6 = family == AddressFamily::IPV6;
        let address = self.shared.terms.media.relay_address(is_ipv6);
        let address = address.ok_or(SocketAllocateError::AddressFamilyNotSupported)?;
        let user = self.user.as_ref().map(|user| user.name.clone());
        self.is_over_quota = user.as_ref().is_some_and(|user| self.shared.allocations.has_most(user));
        let share = user.and_then(|user| self.shared.allocations.take(user));
        let share = share.filter(|_| transport == TransportType::Udp && self.relay.is_none());
        let any: IpAddr = if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let socket = match (share, UdpSocket::bind((any, 0)).await) {
            (Some(share), Ok(socket)) => socket.local_addr().ok().map(|at| (socket, at.port(), share)),
            _ => None,
        };
        let Some((socket, port, share)) = socket else {
            self.refuse(Refused::Allocations);
            return Err(SocketAllocateError::InsufficientCapacity);
        };
        let told = SocketAddr::new(address, port);
        self.relay = Some(Relay { socket, told, _share: share });
        self.answers_left = ANSWERS_MAX;
        self.served = Instant::now();
        self.shared.terms.counts.allocate();
        Ok(told)
    }

    async fn dispatch(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], way: &mut impl Way) -> io::Result<()> {
        if from == self.listen {
            let user = self.user.as_ref().filter(|_| self.is_over_quota);
            let told = user.and_then(|user| user.over_quota(bytes));
            return way.send(told.as_deref().unwrap_or(bytes)).await;
        }
        let Some(destination) = self.destination(to) else {
            self.refuse(Refused::Peer);
            return Ok(());
        };
        if let Some(relay) = &self.relay {
            self.shared.terms.counts.relay(bytes.len());
            // As any datagram it may get lost.
            let _ = relay.socket.send_to(bytes, destination).await;
        }
        Ok(())
    }

    /// Where datagrams for this address go. Workers come and go, so it is judged anew now and then.
    fn destination(&mut self, peer: SocketAddr) -> Option<SocketAddr> {
        let now = Instant::now();
        let is_fresh = |known: &Peer| now.saturating_duration_since(known.judged) < JUDGED_FOR;
        if let Some(known) = self.peers.get(&peer).filter(|known| is_fresh(known)) {
            return known.destination;
        }
        if !self.lookups.take(1, now) {
            return None;
        }
        let destination = self.shared.terms.media.destination(peer).map(canonical);
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, known| known.destination.is_some() && is_fresh(known));
        }
        if self.peers.len() < PEERS_MAX {
            self.peers.insert(peer, Peer { destination, judged: now });
        }
        destination
    }

    fn is_of_a_node(&self, ip: IpAddr, at: Instant) -> bool {
        self.lookups.take(1, at) && self.shared.terms.media.is_of_a_node(ip)
    }

    fn now(&self) -> ProtocolTime {
        ProtocolTime::from_nanos(i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn refuse(&self, reason: Refused) {
        self.shared.terms.counts.refuse(reason);
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Names our end within the protocol; the real one is the listener's.
const PORT_OF_PROTOCOL: u16 = 3478;
/// Without an allocation.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// An allocation takes two, if nothing is lost.
const ANSWERS_MAX: u32 = 16;
/// A worker for each core of the largest cluster that one session meets.
const PEERS_MAX: usize = 64;
const JUDGED_FOR: Duration = Duration::from_secs(5);
/// After its session has ended an allocation lasts no longer.
const SERVED_FOR: Duration = Duration::from_secs(2);
/// Each waits for the lock that all of signaling has.
const LOOKUPS_PER_SECOND_MAX: u32 = 64;
/// 64 Mbit/s: several times what a page publishes.
const BYTES_PER_SECOND_MAX: u32 = 8 << 20;

#[cfg(test)]
mod tests;

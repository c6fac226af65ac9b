//! What the server relays, and what it does not: other ports, other addresses, credentials of before, too much at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chappe_signaling_turn::{Counts, IceServer, TurnSecret, TurnServers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use turn_client_proto::api::{TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::udp::TurnClientUdp;
use turn_server_proto::stun::auth::Feature;

mod codes;

use super::*;
use crate::listen::{TurnSockets, relay_media};
use crate::terms::{RelayTargets, Terms};

/// One port of this machine is a media port, for as long as nobody has said that the session has ended.
#[derive(Debug)]
struct OnePort(SocketAddr, Arc<AtomicBool>);

impl RelayTargets for OnePort {
    fn destination(&self, peer: SocketAddr) -> Option<SocketAddr> {
        Some(peer).filter(|peer| *peer == self.0)
    }

    fn is_of_a_node(&self, ip: IpAddr) -> bool {
        assert_ne!(ip, FAULTY, "a fault that a client can reach");
        ip == self.0.ip()
    }

    fn relay_address(&self, is_ipv6: bool) -> Option<IpAddr> {
        (!is_ipv6).then_some(Ipv4Addr::LOCALHOST.into())
    }

    fn is_served(&self, client: &str) -> bool {
        assert_eq!(client, "m1");
        !self.1.load(Ordering::Relaxed)
    }

    fn note_relayed(&self, client: &str) {
        assert_eq!(client, "m1");
    }
}

/// Asking for it panics.
const FAULTY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

struct Server {
    address: SocketAddr,
    credentials: TurnServers,
    counts: Arc<Counts>,
    has_ended: Arc<AtomicBool>,
    /// The media port, and another one that is none.
    media: UdpSocket,
    other: UdpSocket,
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

impl Server {
    async fn start() -> Server {
        let (media, other) = (socket().await, socket().await);
        // A port that is free for one protocol may be taken for the other.
        let pair = || {
            let udp = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
            let tcp = std::net::TcpListener::bind(udp.local_addr().ok()?).ok()?;
            Some((udp, tcp))
        };
        let (udp, tcp) = std::iter::repeat_with(pair).take(100).find_map(|pair| pair).unwrap();
        let address = udp.local_addr().unwrap();
        let credentials = TurnServers::here(address.port(), Vec::new(), TurnSecret::from_key(b"key"));
        let counts = Arc::new(Counts::default());
        let has_ended = Arc::new(AtomicBool::new(false));
        let port = Arc::new(OnePort(media.local_addr().unwrap(), Arc::clone(&has_ended)));
        let terms = Terms { credentials: credentials.clone(), media: port, counts: Arc::clone(&counts) };
        tokio::spawn(relay_media(TurnSockets { udp, tcp }, terms, None));
        Server { address, credentials, counts, has_ended, media, other }
    }

    /// As told so many seconds ago.
    fn told(&self, ago_s: u64) -> IceServer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(ago_s);
        self.credentials.for_client("m1", &["127.0.0.1".parse().unwrap()], now).unwrap()
    }

    fn refused(&self, reason: &str) -> u64 {
        self.counts.refusals().find(|(name, _)| *name == reason).unwrap().1
    }
}

struct Client {
    socket: UdpSocket,
    protocol: TurnClientUdp,
    began: Instant,
    heard: Vec<Vec<u8>>,
}

impl Client {
    async fn start(server: &Server, told: &IceServer) -> Client {
        let socket = socket().await;
        let credentials = TurnCredentials::new(&told.username, &told.credential);
        let mut config = TurnConfig::new(credentials);
        // A name that is hidden (RFC 8489 section 9.2) can't be told from its hash: whoever has it is asked by nobody.
        config.set_anonymous_username(Feature::Disabled);
        let protocol = TurnClientUdp::allocate(socket.local_addr().unwrap(), server.address, config);
        Client { socket, protocol, began: Instant::now(), heard: Vec::new() }
    }

    fn now(&self) -> ProtocolTime {
        ProtocolTime::from_nanos(i64::try_from(self.began.elapsed().as_nanos()).unwrap())
    }

    /// Sends what there is to send, and takes one datagram or waits until the protocol wants to go on.
    async fn turn(&mut self) {
        let now = self.now();
        let wait = match self.protocol.poll(now) {
            TurnPollRet::WaitUntil(then) => then.saturating_duration_since(now),
            _ => Duration::ZERO,
        };
        while let Some(transmit) = self.protocol.poll_transmit(now) {
            self.socket.send_to(&transmit.data, transmit.to).await.unwrap();
        }
        let mut buffer = vec![0; 2048];
        if let Ok(received) = timeout(wait.min(Duration::from_millis(50)), self.socket.recv_from(&mut buffer)).await {
            let (bytes, from) = received.unwrap();
            buffer.truncate(bytes);
            let to = self.socket.local_addr().unwrap();
            let now = self.now();
            if let TurnRecvRet::PeerData(data) =
                self.protocol.recv(Transmit::new(buffer, TransportType::Udp, from, to), now)
            {
                self.heard.push(data.data().to_vec());
            }
        }
    }

    async fn event(&mut self) -> TurnEvent {
        let waiting = async {
            loop {
                if let Some(event) = self.protocol.poll_event() {
                    return event;
                }
                self.turn().await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.expect("an event")
    }

    async fn permit(&mut self, peer: SocketAddr) {
        let now = self.now();
        self.protocol.create_permission(TransportType::Udp, peer.ip(), now).unwrap();
        assert!(matches!(self.event().await, TurnEvent::PermissionCreated(..)));
    }

    async fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let now = self.now();
        let transmit = self.protocol.send_to(TransportType::Udp, peer, data, now).unwrap();
        if let Some(transmit) = transmit {
            let built = transmit.build();
            self.socket.send_to(&built.data, built.to).await.unwrap();
        }
    }
}

/// What a socket is sent next, and by whom.
async fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 2048];
    let received = timeout(Duration::from_secs(20), socket.recv_from(&mut buffer)).await.expect("a datagram");
    let (bytes, from) = received.unwrap();
    buffer.truncate(bytes);
    (buffer, from)
}

#[tokio::test]
async fn a_client_reaches_a_media_port_and_no_other_one() {
    let server = Server::start().await;
    let mut client = Client::start(&server, &server.told(0)).await;
    assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)));
    let (media, other) = (server.media.local_addr().unwrap(), server.other.local_addr().unwrap());
    client.permit(media).await;
    client.send(other, b"to the other port").await;
    let own: SocketAddr = SocketAddr::new(media.ip(), server.address.port());
    client.send(own, b"to the server itself").await;
    client.send(media, b"ping").await;
    let (ping, relay) = received(&server.media).await;
    assert_eq!(ping, b"ping");
    // In order: what was sent before would have come before.
    assert!(server.other.try_recv_from(&mut [0; 64]).is_err());
    assert_eq!(server.refused("peer"), 2);
    server.other.send_to(b"unasked", relay).await.unwrap();
    server.media.send_to(b"pong", relay).await.unwrap();
    while client.heard.is_empty() {
        client.turn().await;
    }
    assert_eq!(client.heard, [b"pong"]);
    assert_eq!((server.refused("source"), server.counts.allocations()), (1, 1));
}

/// The protocol keeps a permission for each address and a channel for each port, and looks through all of them.
#[tokio::test]
async fn nothing_is_kept_for_addresses_that_are_not_ours() {
    let server = Server::start().await;
    let mut client = Client::start(&server, &server.told(0)).await;
    assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)));
    let (media, other) = (server.media.local_addr().unwrap(), server.other.local_addr().unwrap());
    for foreign in ["10.0.0.1", "169.254.169.254", "192.0.2.1"] {
        let now = client.now();
        client.protocol.create_permission(TransportType::Udp, foreign.parse().unwrap(), now).unwrap();
        assert!(matches!(client.event().await, TurnEvent::PermissionCreateFailed(..)));
    }
    client.permit(media).await;
    let now = client.now();
    client.protocol.bind_channel(TransportType::Udp, other, now).unwrap();
    assert!(matches!(client.event().await, TurnEvent::ChannelCreateFailed(..)));
    assert_eq!(server.refused("peer"), 4);
    client.send(media, b"ping").await;
    assert_eq!(received(&server.media).await.0, b"ping", "what is ours is still reached");
}

#[tokio::test]
async fn a_panic_ends_one_client_and_is_counted() {
    let server = Server::start().await;
    let (mut client, mut other) =
        (Client::start(&server, &server.told(0)).await, Client::start(&server, &server.told(0)).await);
    for client in [&mut client, &mut other] {
        assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)));
    }
    let now = client.now();
    client.protocol.create_permission(TransportType::Udp, FAULTY, now).unwrap();
    let counted = async {
        while server.refused("fault") == 0 {
            client.turn().await;
        }
    };
    timeout(Duration::from_secs(20), counted).await.expect("the panic is counted");
    let media = server.media.local_addr().unwrap();
    other.permit(media).await;
    other.send(media, b"ping").await;
    assert_eq!(received(&server.media).await.0, b"ping", "others are served");
}

#[tokio::test]
async fn credentials_that_are_over_or_made_elsewhere_allocate_nothing() {
    let server = Server::start().await;
    let foreign = TurnServers::here(1, Vec::new(), TurnSecret::from_key(b"another key"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let foreign = foreign.for_client("m1", &["127.0.0.1".parse().unwrap()], now).unwrap();
    let far = IceServer { username: "99999999999:m1".to_owned(), ..server.told(0) };
    for told in [server.told(301), foreign, far] {
        let mut client = Client::start(&server, &told).await;
        // It shows them twice at least, and may try again for as long as it is answered.
        for _ in 0..20 {
            client.turn().await;
        }
        let event = client.protocol.poll_event();
        assert!(!matches!(event, Some(TurnEvent::AllocationCreated(..))), "{}", told.username);
    }
    assert_eq!(server.counts.allocations(), 0);
    let mut client = Client::start(&server, &server.told(0)).await;
    assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)), "those that are good allocate");
    assert!(server.refused("credentials") >= 2);
}

/// Its credentials are good for some minutes, and who has them need not be whom they were told.
#[tokio::test]
async fn the_end_of_a_session_takes_its_allocation_and_its_credentials_with_it() {
    let server = Server::start().await;
    let told = server.told(0);
    let mut client = Client::start(&server, &told).await;
    assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)));
    let media = server.media.local_addr().unwrap();
    client.permit(media).await;
    client.send(media, b"ping").await;
    assert_eq!(received(&server.media).await.0, b"ping");
    server.has_ended.store(true, Ordering::Relaxed);
    let ending = async {
        // Who has no allocation has nothing to send by.
        while server.refused("malformed") == 0 {
            client.send(media, b"still here?").await;
            client.turn().await;
        }
    };
    timeout(Duration::from_secs(20), ending).await.expect("the allocation goes");
    let mut again = Client::start(&server, &told).await;
    while server.refused("credentials") == 0 {
        again.turn().await;
    }
    assert_eq!(server.counts.allocations(), 1);
}

#[tokio::test]
async fn one_user_has_so_many_allocations_and_no_more() {
    let server = Server::start().await;
    let told = server.told(0);
    let mut clients = Vec::new();
    let mut made = 0;
    for _ in 0..30 {
        let mut client = Client::start(&server, &told).await;
        made += usize::from(matches!(client.event().await, TurnEvent::AllocationCreated(..)));
        clients.push(client);
    }
    assert_eq!(made, 24);
    assert!(server.refused("allocations") >= 6);
}

/// A socket asks the same until it was refused often: it was answered as seldom as a client may be, and with few bytes.
async fn assert_is_answered_little_and_seldom(socket: &UdpSocket, request: &[u8], server: &Server) {
    let (mut answered, mut bytes) = (0, 0);
    let began = Instant::now();
    while server.refused("challenges") < 200 {
        socket.send_to(request, server.address).await.unwrap();
        if let Ok(Ok((length, _))) = timeout(Duration::from_millis(1), socket.recv_from(&mut [0; 2048])).await {
            (answered, bytes) = (answered + 1, bytes + length);
        }
    }
    // Once more for each time that it may have been forgotten meanwhile, on a machine that is so busy.
    let forgotten = began.elapsed().as_secs() / IDLE_MAX.as_secs();
    let most = u64::from(ANSWERS_MAX) * (1 + forgotten);
    assert!(
        (1..=most).contains(&answered) && bytes / usize::try_from(answered).unwrap() < 200,
        "{bytes} bytes in {answered}, at most {most}"
    );
}

/// A user who writes somebody else's address into a datagram can't have that one flooded.
#[tokio::test]
async fn the_name_of_a_user_without_a_proof_is_answered_as_seldom() {
    let server = Server::start().await;
    let username = server.told(0).username;
    let mut request = vec![0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    request.extend([0, 0x19, 0, 4, 17, 0, 0, 0, 0, 6, 0, u8::try_from(username.len()).unwrap()]);
    request.extend(username.as_bytes());
    request.resize(request.len().next_multiple_of(4), 0);
    request[3] = u8::try_from(request.len() - 20).unwrap();
    assert_is_answered_little_and_seldom(&socket().await, &request, &server).await;
    assert_eq!((server.counts.allocations(), server.refused("credentials")), (0, 0));
}

/// A Binding request of RFC 8489 over TCP.
async fn asked_over_tcp(server: SocketAddr) -> io::Result<usize> {
    let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&request).await?;
    stream.read_exact(&mut [0; 20]).await
}

#[tokio::test]
async fn one_address_holds_so_many_connections_and_no_more() {
    let server = Server::start().await;
    let mut held = Vec::new();
    while server.refused("clients") == 0 {
        assert!(held.len() <= 1_024, "no bound");
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    drop(held);
    let asking = async { while asked_over_tcp(server.address).await.is_err() {} };
    timeout(Duration::from_secs(20), asking).await.expect("an answer");
}

#[tokio::test]
async fn whoever_shows_no_credentials_is_told_little_and_seldom() {
    let server = Server::start().await;
    let socket = socket().await;
    // An Allocate of RFC 8656 section 7.1 without credentials.
    let mut request = vec![0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    request.extend([0, 0x19, 0, 4, 17, 0, 0, 0]);
    assert_is_answered_little_and_seldom(&socket, &request, &server).await;
    assert_eq!(server.counts.allocations(), 0);
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[]] {
        socket.send_to(noise, server.address).await.unwrap();
    }
    let mut client = Client::start(&server, &server.told(0)).await;
    assert!(matches!(client.event().await, TurnEvent::AllocationCreated(..)), "others are served");
}

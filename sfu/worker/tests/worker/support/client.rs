//! Owns a media client: ICE and DTLS from the core's connecting side, SRTP, over UDP or ICE-TCP.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use chappe_sfu_api as api;
use chappe_sfu_core::client::{ClientConfig, ClientTransport};
use chappe_sfu_core::dtls::{Certificate, DtlsRole, Fingerprint};
use chappe_sfu_core::ice::IceCredentials;
use chappe_sfu_core::rtp::{Header, OutgoingHeader, Seq, Ssrc};
use chappe_sfu_core::srtp::{Opener, ReplayWindow, Sealer};
use chappe_sfu_core::transport::{TransportCloseReason, TransportEvent};
use chappe_sfu_core::{DatagramKind, Route, classify};
use chappe_sfu_io::tcp::{FrameKind, FrameReader, FrameWriter};

use super::until;

pub struct MediaClient {
    socket: ClientSocket,
    transport: ClientTransport,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
    window: ReplayWindow,
    pub received: VecDeque<Received>,
    pub closed: Option<TransportCloseReason>,
    /// RTCP packets received.
    pub reports: u64,
    /// A protected record of DTLS 1.3 was among what came (RFC 9147 section 4).
    pub has_seen_dtls_13: bool,
}

/// One opened RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub ssrc: u32,
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

pub enum ClientSocket {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, reader: Box<FrameReader> },
}

/// What a client and its session must agree on.
pub struct Parameters {
    pub session: api::SessionId,
    pub certificate: Certificate,
    /// Of the worker.
    pub role: api::DtlsRole,
}

impl Parameters {
    pub fn new(number: u128) -> Parameters {
        let certificate = Certificate::generate().expect("certificate");
        Parameters { session: api::SessionId(0, number), certificate, role: api::DtlsRole::Server }
    }

    /// The session that this client expects to find on the worker.
    pub fn spec(&self, media: api::Media) -> api::SessionSpec {
        let fingerprint = self.certificate.fingerprint();
        let remote = api::Fingerprint { hash: fingerprint.hash().name().to_owned(), value: fingerprint.to_string() };
        api::SessionSpec {
            session: self.session,
            epoch: api::Epoch(1),
            local_ice: self.credentials("local"),
            remote_ice: self.credentials("remote"),
            dtls: api::DtlsParameters { role: self.role, remote_fingerprints: vec![remote] },
            media,
            alive_ms: None,
            note: format!("note of {}", self.session),
        }
    }

    fn credentials(&self, side: &str) -> api::IceCredentials {
        api::IceCredentials { ufrag: format!("{side}{}", self.session.1), pwd: format!("{side}0password0of022chars") }
    }
}

impl MediaClient {
    pub fn udp(parameters: &Parameters, hello: &api::Hello, server: SocketAddr) -> MediaClient {
        let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(own).expect("bind");
        socket.connect(server).expect("connect");
        MediaClient::new(parameters, hello, server, ClientSocket::Udp(socket))
    }

    pub fn tcp(parameters: &Parameters, hello: &api::Hello, server: SocketAddr) -> MediaClient {
        let stream = TcpStream::connect(server).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        MediaClient::new(parameters, hello, server, ClientSocket::Tcp { stream, reader: Box::default() })
    }

    fn new(parameters: &Parameters, hello: &api::Hello, server: SocketAddr, socket: ClientSocket) -> MediaClient {
        let ice = |credentials: api::IceCredentials| IceCredentials { ufrag: credentials.ufrag, pwd: credentials.pwd };
        let fingerprint = Fingerprint::parse(&hello.fingerprint.hash, &hello.fingerprint.value).expect("fingerprint");
        let config = ClientConfig {
            route: Route::Udp { remote: server, local: None },
            role: match parameters.role {
                api::DtlsRole::Client => DtlsRole::Server,
                api::DtlsRole::Server => DtlsRole::Client,
            },
            local: ice(parameters.credentials("remote")),
            remote: ice(parameters.credentials("local")),
            fingerprints: vec![fingerprint],
            certificate: parameters.certificate.clone(),
            seed: parameters.session.1 as u64,
        };
        MediaClient {
            socket,
            transport: ClientTransport::new(Instant::now(), config),
            sealer: None,
            opener: None,
            window: ReplayWindow::new(),
            received: VecDeque::new(),
            closed: None,
            reports: 0,
            has_seen_dtls_13: false,
        }
    }

    pub fn connect(&mut self) {
        until("DTLS completes", || {
            self.step();
            self.sealer.is_some()
        });
    }

    /// Checks its path once, and goes no further.
    pub fn check(&mut self) {
        self.transport.handle_timeout(Instant::now());
        self.transmit();
        until("the check is answered", || !self.socket.receive(STEP).is_empty());
    }

    /// Checks its path once, and leaves its socket to whoever speaks DTLS in its place.
    pub fn check_and_leave(mut self) -> UdpSocket {
        self.transport.handle_timeout(Instant::now());
        self.transmit();
        match self.socket {
            ClientSocket::Udp(socket) => socket,
            ClientSocket::Tcp { .. } => panic!("over UDP"),
        }
    }

    /// Whether the worker has not ended its TCP connection. What was sent on it is lost.
    pub fn is_open(&mut self) -> bool {
        let ClientSocket::Tcp { stream, .. } = &mut self.socket else { return true };
        stream.set_nonblocking(true).expect("nonblocking");
        loop {
            match std::io::Read::read(stream, &mut [0; 2048]) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    pub fn close(&mut self) {
        self.transport.close(Instant::now());
        self.transmit();
    }

    /// One turn: due timers, what waits to be sent, and what arrives within some milliseconds.
    pub fn step(&mut self) {
        let now = Instant::now();
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now);
        }
        self.transmit();
        for mut datagram in self.socket.receive(STEP) {
            self.handle(&mut datagram);
        }
        self.transmit();
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Keys(keys) => {
                    self.sealer = Some(Sealer::from_master(keys.seal).expect("keys"));
                    self.opener = Some(Opener::from_master(keys.open).expect("keys"));
                }
                TransportEvent::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// Sends one RTP packet whose index is `seq`.
    pub fn send_rtp(&mut self, ssrc: u32, payload_type: u8, seq: u16, timestamp: u32, payload: &[u8]) {
        let header = OutgoingHeader {
            marker: true,
            payload_type,
            seq: Seq(seq),
            timestamp,
            ssrc: Ssrc(ssrc),
            extended: false,
            padded: false,
        };
        let (mut plain, mut sealed) = ([0; 12], vec![0; payload.len() + 64]);
        let header_len = header.write(&mut plain).expect("room");
        let sealer = self.sealer.as_ref().expect("connected");
        let length = sealer.seal_rtp(u64::from(seq), &plain[..header_len], payload, &mut sealed).expect("room");
        self.socket.send(&sealed[..length]);
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.send(bytes);
    }

    /// Steps until `count` RTP packets have come since the last call, and takes them.
    pub fn receive(&mut self, count: usize) -> Vec<Received> {
        until("media arrives", || {
            self.step();
            self.received.len() >= count
        });
        self.received.drain(..).collect()
    }

    fn handle(&mut self, datagram: &mut [u8]) {
        let now = Instant::now();
        match classify(datagram) {
            Some(DatagramKind::Stun) => {
                self.transport.handle_stun(now, datagram);
            }
            Some(DatagramKind::Dtls) => {
                self.has_seen_dtls_13 |= has_protected_record_of_dtls_13(datagram);
                self.transport.handle_dtls(now, datagram);
            }
            Some(DatagramKind::Rtcp) => self.reports += 1,
            Some(DatagramKind::Rtp) => {
                let header = Header::parse(datagram).expect("header");
                let index = self.window.guess(header.seq.0);
                let opener = self.opener.as_ref().expect("media only after keys");
                let length = opener.open_rtp(index, header.header_len, datagram).expect("authentic");
                self.window.accept(index);
                // Without the padding by which the worker makes the packets of a run equally long.
                let opened = &datagram[..header.header_len + length];
                let payload = header.payload(opened).expect("payload");
                self.received.push_back(Received {
                    ssrc: header.ssrc.0,
                    payload_type: header.payload_type,
                    seq: header.seq.0,
                    timestamp: header.timestamp,
                    marker: header.marker,
                    payload: opened[payload.start..payload.end].to_vec(),
                });
            }
            Some(DatagramKind::Relay) | None => panic!("the worker sent noise"),
        }
    }

    fn transmit(&mut self) {
        let mut buffer = Vec::new();
        while self.transport.poll_transmit(&mut buffer).is_some() {
            self.socket.send(&buffer);
        }
    }
}

/// Behind records in the clear, such as a ServerHello, which are as long as they say.
fn has_protected_record_of_dtls_13(mut datagram: &[u8]) -> bool {
    while let [first, rest @ ..] = datagram {
        if first >> 5 == 1 {
            return true;
        }
        let Some(length) = rest.get(10..12) else { return false };
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        datagram = rest.get(12 + length..).unwrap_or_default();
    }
    false
}

impl ClientSocket {
    fn send(&mut self, datagram: &[u8]) {
        match self {
            ClientSocket::Udp(socket) => {
                socket.send(datagram).expect("send");
            }
            ClientSocket::Tcp { stream, .. } => {
                let mut writer = FrameWriter::new(1 << 16);
                assert!(writer.push(datagram, FrameKind::Control));
                std::io::Write::write_all(stream, writer.unsent()).expect("send");
            }
        }
    }

    /// What arrives within `limit`: one datagram over UDP, all complete frames of one read over TCP.
    fn receive(&mut self, limit: Duration) -> Vec<Vec<u8>> {
        match self {
            ClientSocket::Udp(socket) => {
                socket.set_read_timeout(Some(limit)).expect("timeout");
                let mut buffer = vec![0; 2048];
                match socket.recv(&mut buffer) {
                    Ok(length) => vec![buffer[..length].to_vec()],
                    Err(_) => vec![],
                }
            }
            ClientSocket::Tcp { stream, reader } => {
                stream.set_read_timeout(Some(limit)).expect("timeout");
                if let Ok(count) = std::io::Read::read(stream, reader.spare()) {
                    reader.advance(count);
                }
                let mut frames = Vec::new();
                while let Some(frame) = reader.next_frame().expect("framing") {
                    frames.push(frame.to_vec());
                }
                frames
            }
        }
    }
}

const STEP: Duration = Duration::from_millis(5);

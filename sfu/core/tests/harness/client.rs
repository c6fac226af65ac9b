//! A client: transport and SRTP of its own, everything it receives kept.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use chappe_sfu_core::client::{ClientConfig, ClientTransport};
use chappe_sfu_core::rtcp::{Compound, Packet as Rtcp, RtcpWriter};
use chappe_sfu_core::rtp::{Header, OutgoingHeader, Seq, Ssrc, write_extensions};
use chappe_sfu_core::srtp::{Opener, ReplayWindow, Sealer};
use chappe_sfu_core::transport::TransportEvent;
use chappe_sfu_core::twcc::ArrivalLog;
use chappe_sfu_core::{
    Certificate, ConnectionId, DatagramKind, DtlsRole, Fingerprint, IceCredentials, Now, Route, classify,
};

use super::lines::Packet;
use super::stream_reports::StreamReports;

pub struct Client {
    pub route: Route,
    transport: ClientTransport,
    certificate: Certificate,
    pub sealer: Option<Sealer>,
    opener: Option<Opener>,
    windows: HashMap<u32, ReplayWindow>,
    /// Extended numbers of what it sends, by SSRC.
    sent: HashMap<u32, ReplayWindow>,
    outgoing: VecDeque<(Route, Vec<u8>)>,
    pub received: Vec<Received>,
    /// When each of them came.
    pub arrivals: Vec<Instant>,
    /// Every RTCP packet that came, in a few words.
    pub received_rtcp: Vec<ReceivedRtcp>,
    /// Packets that did not open, or were sent twice under one index with other bytes.
    pub faults: usize,
    raw: HashMap<(u32, u64), Vec<u8>>,
    pub is_closed: bool,
    /// The id under which it reads transport-wide numbers, and what it tells of them.
    pub feedback: Option<(u8, ArrivalLog)>,
    /// The same of one that tells by stream (RFC 8888).
    pub stream_reports: Option<StreamReports>,
    /// Datagrams that still leave it before its machine dies; `None` for one that lives.
    pub sends_left: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub ssrc: u32,
    pub index: u64,
    pub payload_type: u8,
    pub marker: bool,
    pub timestamp: u32,
    pub payload: Vec<u8>,
    pub extensions: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceivedRtcp {
    SenderReport {
        ssrc: u32,
        ntp: u64,
        timestamp: u32,
    },
    ReceiverReport {
        ssrc: u32,
        cumulative_lost: i32,
    },
    /// A receiver report of nothing: a sign of life.
    EmptyReport,
    Pli(u32),
    Fir(u32),
    Nack(u32, Vec<u16>),
    Remb(u64),
    Bye(u32),
    TransportFeedback,
}

/// A path of its own for each, at an address of its own.
pub fn tcp_route(number: u32) -> Route {
    let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number);
    Route::Tcp { connection: ConnectionId(number), remote: SocketAddr::from((address, 5000)) }
}

impl Client {
    pub fn new(
        now: Now,
        (who, route): (usize, Route),
        (own, server): (IceCredentials, IceCredentials),
        certificate: &Certificate,
        at: &Certificate,
    ) -> Client {
        let transport = ClientTransport::new(
            now.mono,
            ClientConfig {
                route,
                role: DtlsRole::Client,
                local: own,
                remote: server,
                fingerprints: vec![at.fingerprint().clone()],
                certificate: certificate.clone(),
                seed: who as u64,
            },
        );
        Client {
            route,
            transport,
            certificate: certificate.clone(),
            sealer: None,
            opener: None,
            windows: HashMap::new(),
            sent: HashMap::new(),
            outgoing: VecDeque::new(),
            received: Vec::new(),
            arrivals: Vec::new(),
            received_rtcp: Vec::new(),
            faults: 0,
            raw: HashMap::new(),
            is_closed: false,
            feedback: None,
            stream_reports: None,
            sends_left: None,
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint().clone()
    }

    pub fn is_ready(&self) -> bool {
        self.sealer.is_some()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        if self.sends_left != Some(0) && self.transport.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.transport.handle_timeout(now.mono);
            self.drain();
        }
        self.tell_arrivals(now.mono);
    }

    pub fn handle_datagram(&mut self, now: Now, datagram: &[u8]) {
        if self.sends_left == Some(0) {
            return;
        }
        match classify(datagram) {
            Some(DatagramKind::Stun) => {
                self.transport.handle_stun(now.mono, datagram);
            }
            Some(DatagramKind::Dtls) => self.transport.handle_dtls(now.mono, datagram),
            Some(DatagramKind::Rtp) => self.handle_rtp(now, datagram),
            Some(DatagramKind::Rtcp) => self.handle_rtcp(datagram),
            Some(DatagramKind::Relay) | None => self.faults += 1,
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut datagram = Vec::new();
        while let Some(route) = self.transport.poll_transmit(&mut datagram) {
            self.outgoing.push_back((route, datagram.clone()));
        }
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Keys(keys) => {
                    self.sealer = Some(Sealer::from_master(keys.seal).expect("keys"));
                    self.opener = Some(Opener::from_master(keys.open).expect("keys"));
                }
                TransportEvent::Closed(_) => self.is_closed = true,
                _ => {}
            }
        }
    }

    pub fn take_outgoing(&mut self) -> Option<(Route, Vec<u8>)> {
        match &mut self.sends_left {
            Some(0) => None,
            Some(left) => self.outgoing.pop_front().inspect(|_| *left -= 1),
            None => self.outgoing.pop_front(),
        }
    }

    /// A sealed datagram of one packet.
    pub fn seal(&mut self, packet: &Packet) -> Vec<u8> {
        let window = self.sent.entry(packet.ssrc).or_default();
        let index = window.guess(packet.seq);
        window.accept(index);
        let mut header = vec![0; 400];
        let elements: Vec<(u8, &[u8])> = packet.extensions.iter().map(|(id, value)| (*id, value.as_slice())).collect();
        let block = write_extensions(&elements, &mut header[12..]).expect("fits");
        let fixed = OutgoingHeader {
            marker: packet.marker,
            payload_type: packet.payload_type,
            seq: Seq(packet.seq),
            timestamp: packet.timestamp,
            ssrc: Ssrc(packet.ssrc),
            extended: block > 0,
            padded: packet.padding > 0,
        };
        fixed.write(&mut header);
        let mut payload = packet.payload.clone();
        if packet.padding > 0 {
            payload.resize(payload.len() + usize::from(packet.padding) - 1, 0);
            payload.push(packet.padding);
        }
        let mut out = vec![0; 2_000];
        let sealer = self.sealer.as_ref().expect("connected");
        let len = sealer.seal_rtp(index, &header[..12 + block], &payload, &mut out).expect("fits");
        out.truncate(len);
        out
    }

    pub fn send(&mut self, packet: &Packet) {
        let datagram = self.seal(packet);
        self.outgoing.push_back((self.route, datagram));
    }

    pub fn send_raw(&mut self, datagram: Vec<u8>) {
        self.outgoing.push_back((self.route, datagram));
    }

    pub fn send_rtcp(&mut self, write: impl FnOnce(&mut RtcpWriter<'_>) -> Option<()>) {
        let mut plain = [0; 1_200];
        let mut writer = RtcpWriter::new(&mut plain);
        write(&mut writer).expect("fits");
        let len = writer.len();
        self.send_rtcp_bytes(&plain[..len]);
    }

    pub fn send_rtcp_bytes(&mut self, plain: &[u8]) {
        let datagram = self.seal_rtcp(plain);
        self.outgoing.push_back((self.route, datagram));
    }

    /// A sealed datagram of one compound packet.
    pub fn seal_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plain.len() + 64];
        let sealed = self.sealer.as_mut().expect("connected").seal_rtcp(plain, &mut out).expect("fits");
        out.truncate(sealed);
        out
    }

    fn handle_rtp(&mut self, now: Now, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let header = Header::parse(&packet).expect("the SFU sends well-formed RTP");
        let window = self.windows.entry(header.ssrc.0).or_default();
        let index = window.guess(header.seq.0);
        let opened = self.opener.as_ref().map(|opener| opener.open_rtp(index, header.header_len, &mut packet));
        let Some(Ok(len)) = opened else {
            self.faults += 1;
            return;
        };
        window.accept(index);
        // The same index with other bytes would be the end of the cipher's promises.
        let before = self.raw.insert((header.ssrc.0, index), datagram.to_vec());
        self.faults += usize::from(before.is_some_and(|before| before != datagram));
        packet.truncate(header.header_len + len);
        let Some(payload) = header.payload(&packet) else {
            self.faults += 1;
            return;
        };
        self.arrivals.push(now.mono);
        if let Some((id, log)) = &mut self.feedback
            && let Some((_, number)) = header.extensions(&packet).find(|(known, _)| known == id)
        {
            log.record(now.mono, Seq(u16::from_be_bytes(number.try_into().expect("two bytes"))));
        }
        if let Some(reports) = &mut self.stream_reports {
            reports.record(now.mono, header.ssrc.0, index);
        }
        self.received.push(Received {
            ssrc: header.ssrc.0,
            index,
            payload_type: header.payload_type,
            marker: header.marker,
            timestamp: header.timestamp,
            payload: packet[payload.range()].to_vec(),
            extensions: header.extensions(&packet).map(|(id, value)| (id, value.to_vec())).collect(),
        });
    }

    fn handle_rtcp(&mut self, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let Some(Ok(len)) = self.opener.as_mut().map(|opener| opener.open_rtcp(&mut packet)) else {
            self.faults += 1;
            return;
        };
        for part in Compound::new(&packet[..len]) {
            match part.expect("the SFU sends well-formed RTCP") {
                Rtcp::SenderReport(report, _) => self.received_rtcp.push(ReceivedRtcp::SenderReport {
                    ssrc: report.ssrc.0,
                    ntp: report.ntp,
                    timestamp: report.rtp_timestamp,
                }),
                Rtcp::ReceiverReport { blocks, .. } => {
                    if blocks.clone().next().is_none() {
                        self.received_rtcp.push(ReceivedRtcp::EmptyReport);
                    }
                    self.received_rtcp.extend(blocks.map(|block| ReceivedRtcp::ReceiverReport {
                        ssrc: block.ssrc.0,
                        cumulative_lost: block.cumulative_lost,
                    }))
                }
                Rtcp::Nack { media, lost, .. } => {
                    self.received_rtcp.push(ReceivedRtcp::Nack(media.0, lost.map(|seq| seq.0).collect()))
                }
                Rtcp::CongestionFeedback { .. } => self.faults += 1,
                Rtcp::TransportFeedback { .. } => self.received_rtcp.push(ReceivedRtcp::TransportFeedback),
                Rtcp::Pli { media, .. } => self.received_rtcp.push(ReceivedRtcp::Pli(media.0)),
                Rtcp::Fir { requests, .. } => {
                    self.received_rtcp.extend(requests.map(|(ssrc, _)| ReceivedRtcp::Fir(ssrc.0)))
                }
                Rtcp::Remb { bitrate_bps, .. } => self.received_rtcp.push(ReceivedRtcp::Remb(bitrate_bps)),
                Rtcp::Bye { sources } => self.received_rtcp.extend(sources.map(|ssrc| ReceivedRtcp::Bye(ssrc.0))),
            }
        }
    }

    /// It tells of each packet when it came, from now on.
    pub fn tells_arrivals(&mut self, now: Now, id: u8) {
        self.feedback = Some((id, ArrivalLog::new(now.mono)));
    }

    fn tell_arrivals(&mut self, now: Instant) {
        if let Some(packet) = self.stream_reports.as_mut().and_then(|reports| reports.poll(now)) {
            self.send_rtcp_bytes(&packet);
        }
        let media = Ssrc(self.received.last().map_or(0, |packet| packet.ssrc));
        let Some((_, log)) = self.feedback.as_mut().filter(|(_, log)| log.poll_timeout().is_some_and(|at| at <= now))
        else {
            return;
        };
        let mut plain = [0; 1_200];
        let mut writer = RtcpWriter::new(&mut plain);
        log.poll_feedback(now, Ssrc(1), media, &mut writer);
        let len = writer.len();
        self.send_rtcp_bytes(&plain[..len]);
    }

    /// The values of one header extension in what it received, in order of arrival.
    pub fn values(&self, id: u8) -> Vec<&[u8]> {
        let extensions = self.received.iter().flat_map(|packet| &packet.extensions);
        extensions.filter(|(known, _)| *known == id).map(|(_, value)| value.as_slice()).collect()
    }

    /// Checks come from another address from now on.
    pub fn move_to(&mut self, now: Now, route: Route) {
        self.transport.move_to(now.mono, route);
        self.drain();
    }

    pub fn restart_ice(&mut self, now: Now, own: IceCredentials, server: IceCredentials) {
        self.transport.restart_ice(now.mono, own, server);
    }

    pub fn close(&mut self, now: Now) {
        self.transport.close(now.mono);
        self.drain();
    }

    /// Payloads received on an SSRC, in order of arrival.
    pub fn payloads(&self, ssrc: u32) -> Vec<&[u8]> {
        self.received.iter().filter(|packet| packet.ssrc == ssrc).map(|packet| packet.payload.as_slice()).collect()
    }

    pub fn indices(&self, ssrc: u32) -> Vec<u64> {
        self.received.iter().filter(|packet| packet.ssrc == ssrc).map(|packet| packet.index).collect()
    }

    pub fn plis(&self) -> usize {
        self.received_rtcp.iter().filter(|packet| matches!(packet, ReceivedRtcp::Pli(_))).count()
    }
}

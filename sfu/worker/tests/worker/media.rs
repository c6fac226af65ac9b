//! The way of media through a worker process: real sockets, ICE, DTLS and SRTP on both sides.

use std::net::UdpSocket;

use crate::support::client::{MediaClient, Parameters, Received};
use crate::support::control::ControlClient;
use crate::support::media::{PUBLISHED_SSRC, WATCHED_SSRC, receive_video, vp8, watching};
use crate::support::process::WorkerProcess;
use crate::support::{LIMIT, until};
use chappe_sfu_api::{CloseReason, Command, DtlsRole, Epoch, Event, LoadReport, SessionState, TrackId};
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::transport::TransportCloseReason;
use rustix::process::Signal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Udp,
    Tcp,
}

/// A publisher of track 7 and a viewer of it, both connected.
struct Stage {
    worker: WorkerProcess,
    control: ControlClient,
    publisher: MediaClient,
    viewer: MediaClient,
    publisher_parameters: Parameters,
    viewer_parameters: Parameters,
    next_seq: u16,
}

impl Stage {
    fn set(publisher_over: Over, viewer_over: Over, host: &str) -> Stage {
        let worker = WorkerProcess::start();
        let mut control = worker.connect();
        let (publisher_parameters, viewer_parameters) = (Parameters::new(1), Parameters::new(2));
        let open = |spec| Command::OpenSession(Box::new(spec));
        control.call(open(publisher_parameters.spec(receive_video(7)))).expect("open");
        control.call(open(viewer_parameters.spec(watching(Some(7))))).expect("open");
        let server = worker.media(host);
        let hello = control.hello.clone();
        let client = |parameters: &Parameters, over| match over {
            Over::Udp => MediaClient::udp(parameters, &hello, server),
            Over::Tcp => MediaClient::tcp(parameters, &hello, server),
        };
        let mut publisher = client(&publisher_parameters, publisher_over);
        let mut viewer = client(&viewer_parameters, viewer_over);
        publisher.connect();
        viewer.connect();
        let mut stage =
            Stage { worker, control, publisher, viewer, publisher_parameters, viewer_parameters, next_seq: 500 };
        for parameters in [stage.publisher_parameters.session, stage.viewer_parameters.session] {
            stage.control.wait_for(|event| match event {
                Event::StateChanged { session, state: SessionState::Connected } => {
                    (*session == parameters).then_some(())
                }
                _ => None,
            });
        }
        stage
    }

    /// Publishes `count` packets, the first of them a key frame, and returns their payloads.
    fn publish(&mut self, count: u16) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        for index in 0..count {
            let payload = vp8(index == 0, 1000 + usize::from(index % 7), index as u8);
            self.publisher.send_rtp(PUBLISHED_SSRC, 96, self.next_seq, u32::from(self.next_seq) * 3000, &payload);
            self.next_seq += 1;
            payloads.push(payload);
        }
        payloads
    }

    /// Publishes and checks that all of it arrives, in order and renumbered without gaps.
    fn check_forwarding(&mut self, count: u16) -> Vec<Received> {
        let sent = self.publish(count);
        let received = self.viewer.receive(sent.len());
        let name = |payload: &[u8]| (payload.len(), payload.get(2).copied());
        let expected: Vec<_> = sent.iter().map(|payload| name(payload)).collect();
        let arrived: Vec<_> = received.iter().map(|packet| name(&packet.payload)).collect();
        assert_eq!(arrived, expected, "numbers {:?}", received.iter().map(|packet| packet.seq).collect::<Vec<_>>());
        assert!(received.iter().zip(&sent).all(|(packet, payload)| packet.payload == *payload));
        for pair in received.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(3000));
        }
        assert!(received.iter().all(|packet| (packet.ssrc, packet.payload_type) == (WATCHED_SSRC, 120)));
        received
    }

    /// The first report after now.
    fn load(&mut self) -> LoadReport {
        self.control.forget_loads();
        self.control.wait_for(|event| if let Event::Load(load) = event { Some(load.clone()) } else { None })
    }
}

#[test]
fn media_goes_from_publisher_to_viewer_over_udp() {
    for host in ["127.0.0.1", "::1"] {
        let mut stage = Stage::set(Over::Udp, Over::Udp, host);
        stage.check_forwarding(40);
        stage.control.wait_for(|event| match event {
            Event::TrackActive { track: TrackId(7), active: true, .. } => Some(()),
            _ => None,
        });
        let load = stage.load();
        assert_eq!((load.sessions, load.received_tracks, load.sent_tracks), (2, 1, 1));
        assert!(load.packets_out >= 40 && load.sends >= 1, "{load:?}");
    }
}

#[test]
fn media_goes_over_ice_tcp_in_every_combination() {
    for (publisher, viewer) in [(Over::Tcp, Over::Tcp), (Over::Udp, Over::Tcp), (Over::Tcp, Over::Udp)] {
        let mut stage = Stage::set(publisher, viewer, "127.0.0.1");
        stage.check_forwarding(40);
        let mut stats = |parameters: &Parameters| {
            let request = stage.control.send(Command::SessionStats { session: parameters.session });
            let stats = stage.control.wait_for(|event| match event {
                Event::Stats { request: answered, stats } if *answered == request => Some(stats.clone()),
                _ => None,
            });
            stage.control.answer(request).expect("done");
            stats
        };
        let prefix = |over| if over == Over::Tcp { "tcp 127.0.0.1:" } else { "udp 127.0.0.1:" };
        let (sent, received) = (stats(&stage.viewer_parameters), stats(&stage.publisher_parameters));
        assert!(sent.remote.as_deref().is_some_and(|remote| remote.starts_with(prefix(viewer))), "{sent:?}");
        assert!(received.remote.as_deref().is_some_and(|remote| remote.starts_with(prefix(publisher))), "{received:?}");
        assert_eq!((sent.sent[0].packets, received.received[0].packets), (40, 40));
    }
}

#[test]
fn a_client_that_asks_another_address_is_answered_from_it() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.2");
    stage.check_forwarding(10);
}

#[test]
fn junk_is_counted_by_reason_and_disturbs_nobody() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    stage.check_forwarding(20);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("bind");
    stranger.connect(stage.worker.media("127.0.0.1")).expect("connect");
    let unclassified = [0xff_u8; 100];
    let unproven_rtp = [&[0x80, 96][..], &[7; 200]].concat();
    let stun_of_nobody = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[9; 12]].concat();
    // In portions that the socket buffer holds, with media between them.
    for _ in 0..100 {
        for _ in 0..34 {
            stranger.send(&unclassified).expect("send");
            stranger.send(&unproven_rtp).expect("send");
            stranger.send(&stun_of_nobody).expect("send");
        }
        stage.check_forwarding(2);
    }
    let load = stage.load();
    let dropped = |name: &str| load.drops.iter().find(|(reason, _)| reason == name).map_or(0, |(_, count)| *count);
    assert_eq!(dropped("unclassified"), 3400, "{load:?}");
    assert_eq!(dropped("route_unknown"), 3400, "{load:?}");
    assert_eq!(dropped("stun_malformed") + dropped("stun_unknown_user"), 3400, "{load:?}");
}

#[test]
fn forged_and_malformed_packets_of_a_proven_address_are_counted() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    stage.check_forwarding(5);
    let forged = [&[0x80, 96, 2, 88, 0, 0, 0, 0, 0, 0, 3, 232][..], &[7; 200]].concat();
    stage.publisher.send_raw(&forged);
    stage.publisher.send_raw(&[0x80, 96, 1]);
    stage.check_forwarding(5);
    let load = stage.load();
    let reasons: Vec<_> = load.drops.iter().map(|(reason, _)| reason.as_str()).collect();
    assert!(reasons.contains(&"rtp_authentication") && reasons.contains(&"rtp_malformed"), "{reasons:?}");
}

#[test]
fn media_flows_while_nobody_commands_and_a_new_signaling_finds_everything() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    stage.check_forwarding(10);
    stage.control.disconnect();
    stage.check_forwarding(10);
    let mut successor = stage.worker.connect();
    let snapshot = successor.snapshot();
    assert!(snapshot.iter().all(|session| session.state == SessionState::Connected));
    let publisher = snapshot.iter().find(|session| session.spec.session == stage.publisher_parameters.session);
    assert_eq!(publisher.map(|session| session.active.clone()), Some(vec![TrackId(7)]));
    stage.check_forwarding(10);
}

#[test]
fn a_broken_control_line_does_not_disturb_media() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    let mut broken = stage.worker.connect();
    broken.send_raw(b"]]]\n");
    stage.check_forwarding(10);
    assert!(broken.is_closed_by_worker());
    stage.check_forwarding(10);
}

/// Self-signed, P-256, with one unknown extension of 3,000 bytes: such a one made the DTLS library assert.
const LONG_CERTIFICATE: &[u8] = include_bytes!("../../../core/src/crypto/dtls/tests/long_certificate.der");
const LONG_CERTIFICATE_KEY: &[u8] = include_bytes!("../../../core/src/crypto/dtls/tests/long_certificate_key.der");

#[test]
fn a_client_with_a_certificate_of_3_kilobytes_connects_in_dtls_1_3_and_disturbs_nobody() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    for (number, role) in [(3, DtlsRole::Server), (4, DtlsRole::Client)] {
        let certificate = Certificate::provided(LONG_CERTIFICATE.to_vec(), LONG_CERTIFICATE_KEY.to_vec());
        let certificate = certificate.expect("certificate");
        let parameters = Parameters { certificate, role, ..Parameters::new(number) };
        let spec = parameters.spec(watching(Some(7)));
        stage.control.call(Command::OpenSession(Box::new(spec))).expect("open");
        let mut client = MediaClient::udp(&parameters, &stage.control.hello, stage.worker.media("127.0.0.1"));
        client.connect();
        assert!(client.has_seen_dtls_13, "{role:?}");
        let session = parameters.session;
        stage.control.wait_for(|event| {
            let connected = Event::StateChanged { session, state: SessionState::Connected };
            (*event == connected).then_some(())
        });
        stage.check_forwarding(20);
    }
    assert!(stage.worker.is_running());
}

#[test]
fn closing_a_session_tells_the_client() {
    let mut stage = Stage::set(Over::Udp, Over::Tcp, "127.0.0.1");
    for parameters in [stage.viewer_parameters.session, stage.publisher_parameters.session] {
        let close = Command::CloseSession { session: parameters, epoch: Epoch(1), reason: CloseReason::Requested };
        stage.control.call(close).expect("close");
    }
    until("both hear close_notify", || {
        stage.viewer.step();
        stage.publisher.step();
        stage.viewer.closed.is_some() && stage.publisher.closed.is_some()
    });
}

#[test]
fn a_client_that_says_goodbye_is_reported() {
    let mut stage = Stage::set(Over::Udp, Over::Udp, "127.0.0.1");
    stage.viewer.close();
    let viewer = stage.viewer_parameters.session;
    let reason = stage.control.wait_for(|event| match event {
        Event::Closed { session, reason } if *session == viewer => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, CloseReason::ClientClosed);
}

#[test]
fn sigterm_says_goodbye_to_every_client_and_exits_0() {
    let mut stage = Stage::set(Over::Udp, Over::Tcp, "127.0.0.1");
    stage.worker.signal(Signal::TERM);
    assert!(stage.worker.wait().success());
    until("both hear close_notify", || {
        stage.viewer.step();
        stage.publisher.step();
        stage.viewer.closed == Some(TransportCloseReason::ClientClosed)
            && stage.publisher.closed == Some(TransportCloseReason::ClientClosed)
    });
}

#[test]
fn framing_nonsense_ends_only_its_own_tcp_connection() {
    use std::io::{Read, Write};
    let mut stage = Stage::set(Over::Udp, Over::Tcp, "127.0.0.1");
    let mut stranger = std::net::TcpStream::connect(stage.worker.media("127.0.0.1")).expect("connect");
    stranger.set_read_timeout(Some(LIMIT)).expect("timeout");
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("write");
    // Either an orderly end or a reset, because part of what it said was never read.
    assert!(!matches!(stranger.read(&mut [0; 16]), Ok(1..)));
    stage.check_forwarding(10);
}

#[test]
fn a_session_keeps_sixteen_tcp_connections_and_each_further_one_ends_its_oldest() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    let parameters = Parameters::new(1);
    control.call(Command::OpenSession(Box::new(parameters.spec(receive_video(7))))).expect("open");
    let (hello, server) = (control.hello.clone(), worker.media("127.0.0.1"));
    let mut clients: Vec<MediaClient> = (0..20).map(|_| MediaClient::tcp(&parameters, &hello, server)).collect();
    clients.iter_mut().for_each(MediaClient::check);
    // The last answer leaves a moment before what it costs.
    until("the oldest are closed", || {
        clients.iter_mut().map(MediaClient::is_open).filter(|is_open| *is_open).count() <= 16
    });
    let is_open: Vec<bool> = clients.iter_mut().map(MediaClient::is_open).collect();
    assert_eq!(is_open, [[false; 4].as_slice(), &[true; 16]].concat());
}

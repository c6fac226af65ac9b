//! Claims about a whole session transport, against the client of this crate, in virtual time.

use std::net::SocketAddr;

use super::*;
use crate::client::{ClientConfig, ClientTransport};
use crate::dtls::FingerprintHash;
use crate::net::ConnectionId;
use crate::sim::Link;
use crate::srtp::Profile;

fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), pwd: format!("{ufrag}-password-of-22-chars") }
}

fn udp(port: u16) -> Route {
    Route::Udp { remote: SocketAddr::from(([192, 0, 2, 1], port)), local: None }
}

/// A worker's session and its client, over one path.
struct Session {
    now: Instant,
    worker: Transport,
    client: ClientTransport,
    to_worker: Link,
    to_client: Link,
    /// The worker's.
    certificate: Certificate,
    /// What the worker sees of the client.
    route: Route,
    worker_events: Vec<TransportEvent>,
    client_events: Vec<TransportEvent>,
    /// The client is gone: nothing passes in either direction.
    cut: bool,
}

impl Session {
    fn new(worker_role: DtlsRole) -> Session {
        Session::over(worker_role, udp(1), Link::clean(), Link::clean())
    }

    fn over(worker_role: DtlsRole, route: Route, to_worker: Link, to_client: Link) -> Session {
        let now = crate::sim::start();
        let [ours, theirs] = [(); 2].map(|()| Certificate::generate().unwrap());
        let client_role = match worker_role {
            DtlsRole::Server => DtlsRole::Client,
            DtlsRole::Client => DtlsRole::Server,
        };
        let worker = Transport::new(
            now,
            TransportConfig {
                role: worker_role,
                local: credentials("worker"),
                remote: credentials("client"),
                fingerprints: vec![theirs.fingerprint().clone()],
                certificate: ours.clone(),
            },
        );
        let client = ClientTransport::new(
            now,
            ClientConfig {
                route: udp(7000),
                role: client_role,
                local: credentials("client"),
                remote: credentials("worker"),
                fingerprints: vec![ours.fingerprint().clone()],
                certificate: theirs,
                seed: 7,
            },
        );
        Session {
            now,
            worker,
            client,
            to_worker,
            to_client,
            certificate: ours,
            route,
            worker_events: Vec::new(),
            client_events: Vec::new(),
            cut: false,
        }
    }

    fn connected(worker_role: DtlsRole) -> Session {
        let mut session = Session::new(worker_role);
        assert!(session.run(Duration::from_secs(30), Session::has_keys), "{:?}", session.worker_events);
        session.run(Duration::from_millis(500), |_| false);
        session.worker_events.clear();
        session
    }

    fn exchange(&mut self) {
        let mut buffer = Vec::new();
        while self.worker.poll_transmit(&mut buffer).is_some() {
            if !self.cut {
                self.to_client.send(self.now, &buffer);
            }
        }
        while self.client.poll_transmit(&mut buffer).is_some() {
            if !self.cut {
                self.to_worker.send(self.now, &buffer);
            }
        }
        while let Some(event) = self.worker.poll_event() {
            self.worker_events.push(event);
        }
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
    }

    fn run(&mut self, limit: Duration, done: impl Fn(&Session) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.exchange();
            if done(self) {
                return true;
            }
            let client = self.client.poll_timeout().filter(|_| !self.cut);
            let timers = [self.worker.poll_timeout(), client, self.to_worker.next(), self.to_client.next()];
            let next = timers.into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next.map(|next| next.max(self.now)) else {
                self.now = end;
                return false;
            };
            self.now = next;
            while let Some(datagram) = self.to_worker.receive(self.now) {
                let _ = match datagram.first() {
                    Some(0..=3) => self.worker.handle_stun(self.now, self.route, &datagram),
                    _ => self.worker.handle_dtls(self.now, self.route, &datagram),
                };
            }
            while let Some(datagram) = self.to_client.receive(self.now) {
                match datagram.first() {
                    Some(0..=3) => drop(self.client.handle_stun(self.now, &datagram)),
                    _ => self.client.handle_dtls(self.now, &datagram),
                }
            }
            self.worker.handle_timeout(self.now);
            if !self.cut {
                self.client.handle_timeout(self.now);
            }
        }
    }

    fn keys(events: &[TransportEvent]) -> Option<&SrtpKeys> {
        events.iter().find_map(|event| match event {
            TransportEvent::Keys(keys) => Some(keys),
            _ => None,
        })
    }

    fn has_keys(&self) -> bool {
        Session::keys(&self.worker_events).is_some() && Session::keys(&self.client_events).is_some()
    }

    fn closed(&self) -> Option<TransportCloseReason> {
        match self.worker_events.last() {
            Some(TransportEvent::Closed(reason)) => Some(*reason),
            _ => None,
        }
    }
}

const ROLES: [DtlsRole; 2] = [DtlsRole::Server, DtlsRole::Client];

#[test]
fn a_session_tells_its_path_its_keys_and_its_states_in_order() {
    for role in ROLES {
        let mut session = Session::new(role);
        assert!(session.run(Duration::from_secs(2), Session::has_keys));
        let ours = Session::keys(&session.worker_events).unwrap().clone();
        let theirs = Session::keys(&session.client_events).unwrap();
        assert_eq!((&ours.seal, &ours.open), (&theirs.open, &theirs.seal));
        assert_eq!(ours.profile, Profile::AeadAes128Gcm);
        assert_eq!(
            session.worker_events,
            [
                TransportEvent::StateChanged(TransportState::Connecting),
                TransportEvent::RouteSelected(udp(1)),
                TransportEvent::Keys(ours),
                TransportEvent::StateChanged(TransportState::Connected),
            ]
        );
    }
}

#[test]
fn a_bad_network_only_delays_the_session() {
    for role in ROLES {
        for seed in 0..30 {
            let (to_worker, to_client) = (Link::lossy(seed, 20), Link::lossy(seed + 1_000, 20));
            let tcp = Route::Tcp { connection: ConnectionId(1), remote: udp(1).remote() };
            let mut session = Session::over(role, tcp, to_worker, to_client);
            assert!(session.run(Duration::from_secs(30), Session::has_keys), "{role:?} {seed}");
        }
    }
}

#[test]
fn dtls_from_an_address_that_is_not_proven_is_refused() {
    let mut session = Session::new(DtlsRole::Server);
    let result = session.worker.handle_dtls(session.now, udp(66), &[22; 100]);
    assert_eq!(result, Err(DropReason::RouteUnknown));
    let mut connected = Session::connected(DtlsRole::Server);
    let result = connected.worker.handle_dtls(connected.now, udp(66), &[22; 100]);
    assert_eq!(result, Err(DropReason::RouteUnknown));
}

#[test]
fn a_client_that_never_comes_is_given_up_after_30_seconds() {
    let mut session = Session::new(DtlsRole::Server);
    session.cut = true;
    assert!(!session.run(Duration::from_millis(29_900), |session| session.closed().is_some()));
    assert!(session.run(Duration::from_millis(200), |session| session.closed().is_some()));
    assert_eq!(session.worker_events, [TransportEvent::Closed(TransportCloseReason::ConnectTimeout)]);
    assert_eq!(session.worker.poll_timeout(), None);
}

#[test]
fn a_client_that_only_checks_is_given_up_after_30_seconds() {
    let mut session = Session::new(DtlsRole::Server);
    session.client.close(session.now);
    let check = check_from_client();
    for second in 0..30 {
        let now = session.now + Duration::from_secs(second);
        let _ = session.worker.handle_stun(now, udp(1), &check);
        session.worker.handle_timeout(now);
        assert_eq!(session.worker.state(), TransportState::Connecting);
    }
    session.worker.handle_timeout(session.now + Duration::from_secs(30));
    assert_eq!(session.worker.state(), TransportState::Closed(TransportCloseReason::ConnectTimeout));
}

/// As the client of a session would send it.
fn check_from_client() -> Vec<u8> {
    let mut client = Session::new(DtlsRole::Server).client;
    client.handle_timeout(crate::sim::start() + Duration::from_secs(1));
    let mut check = Vec::new();
    client.poll_transmit(&mut check).unwrap();
    check
}

#[test]
fn a_client_that_checks_stays_for_good() {
    let mut session = Session::connected(DtlsRole::Server);
    session.run(Duration::from_secs(600), |_| false);
    assert_eq!(session.worker_events, []);
    assert_eq!(session.worker.state(), TransportState::Connected);
}

#[test]
fn silence_disconnects_after_6_seconds_and_closes_after_30() {
    let mut session = Session::connected(DtlsRole::Server);
    session.cut = true;
    assert!(!session.run(Duration::from_secs(3), |session| !session.worker_events.is_empty()));
    session.run(Duration::from_secs(3), |_| false);
    assert_eq!(session.worker_events, [TransportEvent::StateChanged(TransportState::Disconnected)]);
    assert!(!session.run(Duration::from_secs(20), |session| session.closed().is_some()));
    assert!(session.run(Duration::from_secs(5), |session| session.closed().is_some()));
    assert_eq!(session.closed(), Some(TransportCloseReason::ConsentExpired));
}

#[test]
fn a_check_brings_a_disconnected_session_back() {
    let mut session = Session::connected(DtlsRole::Server);
    session.cut = true;
    session.run(Duration::from_secs(15), |_| false);
    session.cut = false;
    session.run(Duration::from_secs(5), |_| false);
    assert_eq!(
        session.worker_events,
        [
            TransportEvent::StateChanged(TransportState::Disconnected),
            TransportEvent::StateChanged(TransportState::Connected)
        ]
    );
}

#[test]
fn media_is_a_sign_of_life() {
    let mut session = Session::connected(DtlsRole::Server);
    session.cut = true;
    for _ in 0..120 {
        session.run(Duration::from_secs(1), |_| false);
        session.worker.note_activity(session.now);
    }
    assert_eq!(session.worker_events, []);
    session.run(Duration::from_secs(10), |_| false);
    session.worker.note_activity(session.now);
    session.exchange();
    assert_eq!(
        session.worker_events,
        [
            TransportEvent::StateChanged(TransportState::Disconnected),
            TransportEvent::StateChanged(TransportState::Connected)
        ]
    );
}

#[test]
fn a_goodbye_ends_the_session() {
    for role in ROLES {
        let mut session = Session::connected(role);
        session.client.close(session.now);
        assert!(session.run(Duration::from_secs(1), |session| session.closed().is_some()));
        assert_eq!(session.closed(), Some(TransportCloseReason::ClientClosed));
        let after = session.worker.handle_stun(session.now, udp(1), &check_from_client());
        assert_eq!(after, Err(DropReason::SessionNotReady));
    }
}

#[test]
fn our_goodbye_reaches_the_client() {
    for role in ROLES {
        let mut session = Session::connected(role);
        session.worker.close(session.now);
        session.run(Duration::from_secs(1), |_| false);
        assert_eq!(session.closed(), Some(TransportCloseReason::Requested));
        let last = session.client_events.last();
        assert_eq!(last, Some(&TransportEvent::Closed(TransportCloseReason::ClientClosed)), "{role:?}");
    }
}

#[test]
fn a_wrong_certificate_closes_the_session_without_keys() {
    for role in ROLES {
        let mut session = Session::new(role);
        let fingerprints = vec![Fingerprint::of(FingerprintHash::Sha256, b"another")];
        session.worker.dtls = Dtls::new(role, session.certificate.clone(), fingerprints);
        session.run(Duration::from_secs(5), |session| session.closed().is_some());
        assert_eq!(session.closed(), Some(TransportCloseReason::FingerprintMismatch), "{role:?}");
        assert_eq!(Session::keys(&session.worker_events), None);
    }
}

#[test]
fn a_moved_client_is_followed() {
    let mut session = Session::connected(DtlsRole::Server);
    session.route = udp(2);
    session.run(Duration::from_secs(5), |session| !session.worker_events.is_empty());
    assert_eq!(session.worker_events, [TransportEvent::RouteSelected(udp(2))]);
}

#[test]
fn an_ice_restart_keeps_the_keys_and_retires_the_old_credentials() {
    let mut session = Session::connected(DtlsRole::Server);
    session.worker.restart_ice(session.now, credentials("worker2"), credentials("client2"));
    session.run(Duration::from_secs(5), |_| false);
    assert_eq!(session.worker_events, [], "old credentials go on answering");
    session.client.restart_ice(session.now, credentials("client2"), credentials("worker2"));
    session.run(Duration::from_secs(60), |_| false);
    assert_eq!(session.worker_events, [TransportEvent::UfragRetired("worker".into())]);
    assert_eq!(session.worker.state(), TransportState::Connected);
}

#[test]
fn an_ice_restart_gives_a_lost_client_time_to_return() {
    let mut session = Session::connected(DtlsRole::Server);
    session.cut = true;
    session.run(Duration::from_secs(25), |_| false);
    session.worker.restart_ice(session.now, credentials("worker2"), credentials("client2"));
    session.run(Duration::from_secs(20), |_| false);
    assert_eq!(session.closed(), None);
    session.run(Duration::from_secs(15), |_| false);
    assert_eq!(session.closed(), Some(TransportCloseReason::ConsentExpired));
}

#[test]
fn datagrams_that_nobody_fetches_do_not_pile_up() {
    let mut session = Session::new(DtlsRole::Server);
    let check = check_from_client();
    for _ in 0..100 {
        let _ = session.worker.handle_stun(session.now, udp(1), &check);
    }
    assert_eq!(session.worker.transmits.len(), TRANSMITS_MAX);
}

#[test]
fn a_goodbye_long_after_the_handshake_ends_the_session_in_seconds() {
    for role in ROLES {
        let mut session = Session::connected(role);
        session.run(Duration::from_secs(60), |_| false);
        session.client.close(session.now);
        assert!(session.run(Duration::from_secs(7), |session| session.closed().is_some()), "{role:?}");
        assert_eq!(session.closed(), Some(TransportCloseReason::ClientClosed));
    }
}

#[test]
fn our_goodbye_long_after_the_handshake_reaches_a_client_that_can_read_it() {
    for role in ROLES {
        let mut session = Session::new(role);
        session.client.keep_engine();
        session.run(Duration::from_secs(60), |_| false);
        session.worker.close(session.now);
        session.run(Duration::from_secs(1), |_| false);
        let last = session.client_events.last();
        assert_eq!(last, Some(&TransportEvent::Closed(TransportCloseReason::ClientClosed)), "{role:?}");
    }
}

#[test]
fn a_forged_goodbye_does_not_end_a_session_that_lives() {
    let mut session = Session::connected(DtlsRole::Server);
    session.run(Duration::from_secs(60), |_| false);
    for forged in [&[21; 40][..], &[0x2F; 40]] {
        session.worker.handle_dtls(session.now, udp(1), forged).unwrap();
        session.run(Duration::from_secs(30), |_| false);
    }
    assert_eq!(session.worker_events, []);
    assert_eq!(session.worker.state(), TransportState::Connected);
}

#[test]
fn a_forged_goodbye_does_not_end_a_session_that_only_sends_media() {
    let mut session = Session::connected(DtlsRole::Server);
    session.run(Duration::from_secs(60), |_| false);
    session.cut = true;
    session.worker.handle_dtls(session.now, udp(1), &[21; 40]).unwrap();
    for _ in 0..60 {
        session.run(Duration::from_secs(1), |_| false);
        session.worker.note_activity(session.now);
    }
    assert_eq!(session.worker.state(), TransportState::Connected);
}

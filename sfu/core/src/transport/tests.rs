//! Claims about a whole session transport, against the client of this crate, in virtual time.

mod session;

use super::*;
use crate::crypto::dtls::FingerprintHash;
use crate::crypto::srtp::Profile;
use crate::net::ConnectionId;
use crate::sim::EmulatedLink;
use crate::transport::client::{ClientConfig, ClientTransport};
use session::{Session, credentials, udp};

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
            let (to_worker, to_client) = (EmulatedLink::lossy(seed, 20), EmulatedLink::lossy(seed + 1_000, 20));
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
fn a_goodbye_ends_the_session_at_once_however_old_it_is() {
    for role in ROLES {
        let mut session = Session::connected(role);
        session.run(Duration::from_secs(3_600), |_| false);
        let before = session.now;
        session.client.close(session.now);
        assert!(session.run(Duration::from_secs(7), |session| session.closed().is_some()), "{role:?}");
        assert!(session.now - before < Duration::from_millis(200), "{role:?}");
        assert_eq!(session.closed(), Some(TransportCloseReason::ClientClosed));
    }
}

#[test]
fn our_goodbye_reaches_the_client_however_old_the_session_is() {
    for role in ROLES {
        let mut session = Session::new(role);
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
    for forged in [&[21; 40][..], &[0x2F; 40], &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0]] {
        let _ = session.worker.handle_dtls(session.now, udp(1), forged);
        session.run(Duration::from_secs(30), |_| false);
    }
    assert_eq!(session.worker_events, []);
    assert_eq!(session.worker.state(), TransportState::Connected);
}

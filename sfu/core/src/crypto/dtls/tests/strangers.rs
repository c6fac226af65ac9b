//! Claims about what a stranger may write in the peer's name, and about goodbyes: nothing that nobody vouches for ends
//! an association, and an authentic close_notify does at any age.

use super::*;

/// Records that anyone can write, of the kinds that end a handshake when they are believed.
fn strays(role: DtlsRole) -> Vec<Vec<u8>> {
    let mut strays = vec![
        record(ALERT, 0, &[FATAL, 40]),
        record(ALERT, 0, &[WARNING, 0]),
        record(ALERT, 0, &[FATAL, 0]),
        // Claims to be protected.
        record(ALERT, 1, &[7; 26]),
        record(HANDSHAKE, 1, &[7; 48]),
        record(23, 0, b"application data"),
        record(23, 1, &[7; 48]),
        record(HANDSHAKE, 0, &message(HELLO_REQUEST, 0, &[])),
        record(HANDSHAKE, 0, &message(CERTIFICATE, 7, &[0, 0, 0])),
        record(HANDSHAKE, 0, &message(FINISHED, 7, &[3; 12])),
        [&[0x2F, 0, 9, 0, 30][..], &[7; 30]].concat(),
        [&[0x2C, 9, 0, 30][..], &[7; 30]].concat(),
        record(HANDSHAKE, 0, &message(SERVER_HELLO, 0, &server_hello(&[]))),
        record(HANDSHAKE, 0, &message(SERVER_HELLO, 0, &server_hello(&[0, 4, 0, 23, 0, 0]))),
        record(HANDSHAKE, 0, &message(SERVER_HELLO, 0, &[254, 253, 1])),
    ];
    if role == DtlsRole::Server {
        // These mean something to a client: no stranger is told from its server by them.
        let hello = server_hello(&[0, 9, 0, 14, 0, 5, 0, 2, 0, 7, 0]);
        strays.push(record(HANDSHAKE, 0, &message(SERVER_HELLO, 0, &hello)));
        strays.push(record(HANDSHAKE, 0, &message(SERVER_HELLO_DONE, 1, &[])));
    } else {
        strays.push(record(HANDSHAKE, 0, &message(CLIENT_HELLO, 0, &[254, 253, 1])));
    }
    strays
}

fn record(content_type: u8, epoch: u8, fragment: &[u8]) -> Vec<u8> {
    let header = [content_type, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 77, 0, fragment.len() as u8];
    [&header, fragment].concat()
}

fn message(kind: u8, seq: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u8;
    [&[kind, 0, 0, len, 0, seq, 0, 0, 0, 0, 0, len], body].concat()
}

fn server_hello(extensions: &[u8]) -> Vec<u8> {
    [&[254, 253][..], &[5; 32], &[0, 0xC0, 0x2B, 0], extensions].concat()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const WARNING: u8 = 1;
const FATAL: u8 = 2;
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;
const FINISHED: u8 = 20;

#[test]
fn nothing_that_a_stranger_writes_ends_a_handshake() {
    for role in ROLES {
        for version in VERSIONS {
            for stray in strays(role) {
                let mut pair = Association::new(role, version);
                // Before the first datagram of the peer, and with each millisecond that the handshake takes.
                for _ in 0..20 {
                    pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &stray, send));
                    pair.run(Duration::from_millis(1), |_| false);
                    pair.now += Duration::from_millis(1);
                }
                assert!(pair.connect(), "{role:?} {version:?} {:?} {stray:?}", pair.error);
                assert!(!pair.closed, "{role:?} {version:?} {stray:?}");
                pair.assert_keys_agree(role);
            }
        }
    }
}

#[test]
fn nothing_that_a_stranger_writes_ends_an_association() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect());
            for age in [Duration::ZERO, LINGER / 2, LINGER, Duration::from_secs(3_600)] {
                pair.run(age, |_| false);
                for stray in strays(role) {
                    pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &stray, send));
                }
                assert_eq!((pair.error, pair.closed), (None, false), "{role:?} {version:?} {age:?}");
            }
            pair.peer.engine.close().unwrap();
            pair.drain_peer();
            assert!(pair.run(Duration::from_secs(1), |pair| pair.closed), "{role:?} {version:?}");
        }
    }
}

#[test]
fn a_goodbye_is_heard_at_any_age() {
    for role in ROLES {
        for version in VERSIONS {
            for age in [Duration::ZERO, LINGER / 2, LINGER * 2, Duration::from_secs(86_400)] {
                let mut pair = Association::new(role, version);
                assert!(pair.connect());
                pair.run(age, |_| false);
                pair.now += age;
                pair.step_us(|dtls, now, send| dtls.handle_timeout(now, send));
                pair.peer.engine.close().unwrap();
                pair.drain_peer();
                assert!(pair.run(Duration::from_secs(1), |pair| pair.closed), "{role:?} {version:?} {age:?}");
            }
        }
    }
}

#[test]
fn a_goodbye_behind_or_before_other_records_of_its_datagram_is_heard() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect());
            pair.run(LINGER * 2, |_| false);
            pair.peer.engine.send_application_data(b"a data channel").unwrap();
            pair.peer.engine.close().unwrap();
            let mut records = Vec::new();
            pair.peer.drain(&mut records);
            let datagram = [record(HANDSHAKE, 0, b"late"), records.concat()].concat();
            pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &datagram, send));
            assert!(pair.closed, "{role:?} {version:?}");
        }
    }
}

#[test]
fn a_goodbye_that_was_changed_on_its_way_is_none() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect());
            pair.run(LINGER * 2, |_| false);
            pair.peer.engine.close().unwrap();
            let mut records = Vec::new();
            pair.peer.drain(&mut records);
            let goodbye = records.pop().unwrap();
            for at in 0..goodbye.len() {
                let mut changed = goodbye.clone();
                changed[at] ^= 1;
                pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &changed, send));
                assert!(!pair.closed, "{role:?} {version:?} {at} {goodbye:?}");
                pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &goodbye[..at], send));
            }
            assert_eq!((pair.closed, pair.error), (false, None), "{role:?} {version:?}");
            pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &goodbye, send));
            assert!(pair.closed);
        }
    }
}

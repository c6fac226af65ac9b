//! Claims about the handshake, against the engine itself as the peer, in virtual time over a seeded network.

mod certificates;
mod played_client;
mod strangers;

use std::sync::Arc;

use dimpl::crypto::CryptoProvider;
use dimpl::crypto::aws_lc_rs::default_provider;
use dimpl::{Config, ConfigBuilder, DtlsCertificate, certificate::generate_self_signed_certificate};

use super::certificate::DATAGRAM_BYTES_MAX;
use super::*;
use crate::sim::EmulatedLink;
use played_client::PlayedClient;

#[derive(Clone, Copy, Debug)]
enum PeerVersion {
    Only12,
    Only13,
    Both,
}

/// The other end: the bare engine, as a foreign implementation would use it.
struct Peer {
    engine: dimpl::Dtls,
    timeout: Option<Instant>,
    keys: Option<(Vec<u8>, SrtpProfile)>,
    closed: bool,
}

impl Peer {
    fn new(
        now: Instant,
        version: PeerVersion,
        active: bool,
        config: ConfigBuilder,
        certificate: DtlsCertificate,
    ) -> Peer {
        let config = config.use_server_cookie(!active).dangerously_set_rng_seed(1).build().unwrap();
        let config = Arc::new(config);
        let mut engine = match version {
            PeerVersion::Only12 => dimpl::Dtls::new_12(config, certificate, now),
            PeerVersion::Only13 => dimpl::Dtls::new_13(config, certificate, now),
            PeerVersion::Both => dimpl::Dtls::new_auto(config, certificate, now),
        };
        engine.set_active(active);
        engine.handle_timeout(now).unwrap();
        Peer { engine, timeout: None, keys: None, closed: false }
    }

    fn drain(&mut self, out: &mut Vec<Vec<u8>>) {
        let mut buffer = vec![0; 20_000];
        loop {
            match self.engine.poll_output(&mut buffer) {
                Output::Packet(packet) => out.push(packet.to_vec()),
                Output::KeyingMaterial(material, profile) => self.keys = Some((material.to_vec(), profile)),
                Output::CloseNotify => self.closed = true,
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                _ => {}
            }
        }
    }
}

/// One association under way: `Dtls` on one side, the bare engine on the other.
struct Association {
    now: Instant,
    us: Dtls,
    peer: Peer,
    to_us: EmulatedLink,
    to_peer: EmulatedLink,
    keys: Option<SrtpKeys>,
    closed: bool,
    error: Option<DtlsError>,
}

impl Association {
    fn new(role: DtlsRole, version: PeerVersion) -> Association {
        Association::with(role, version, 1_200, EmulatedLink::clean(), EmulatedLink::clean(), |certificate| {
            vec![Fingerprint::of(FingerprintHash::Sha256, certificate)]
        })
    }

    fn with(
        role: DtlsRole,
        version: PeerVersion,
        mtu: usize,
        to_us: EmulatedLink,
        to_peer: EmulatedLink,
        fingerprints: impl FnOnce(&[u8]) -> Vec<Fingerprint>,
    ) -> Association {
        let certificate = generate_self_signed_certificate().unwrap();
        let fingerprints = fingerprints(&certificate.certificate);
        Association::of(role, version, Config::builder().mtu(mtu), [to_us, to_peer], certificate, fingerprints)
    }

    /// The peer's cryptography is as given, and its network clean.
    fn provided(
        role: DtlsRole,
        version: PeerVersion,
        certificate: DtlsCertificate,
        provider: CryptoProvider,
    ) -> Association {
        let links = [EmulatedLink::clean(), EmulatedLink::clean()];
        let fingerprints = vec![Fingerprint::of(FingerprintHash::Sha256, &certificate.certificate)];
        let config = Config::builder().mtu(1_200).with_crypto_provider(provider);
        Association::of(role, version, config, links, certificate, fingerprints)
    }

    fn of(
        role: DtlsRole,
        version: PeerVersion,
        config: ConfigBuilder,
        [to_us, to_peer]: [EmulatedLink; 2],
        certificate: DtlsCertificate,
        fingerprints: Vec<Fingerprint>,
    ) -> Association {
        let now = crate::sim::start();
        // Tries are counted, so about one handshake in a thousand fails for good at the loss that is played here. With
        // the pauses between tries drawn from a seed, like the losses, it is always the same ones.
        let ours = Certificate::with_config(Config::builder().dangerously_set_rng_seed(2)).unwrap();
        let us = Dtls::new(role, ours, fingerprints);
        let peer = Peer::new(now, version, role == DtlsRole::Server, config, certificate);
        let mut pair = Association { now, us, peer, to_us, to_peer, keys: None, closed: false, error: None };
        pair.step_us(|dtls, now, send| dtls.start(now, send));
        pair.drain_peer();
        pair
    }

    fn step_us(&mut self, step: impl FnOnce(&mut Dtls, Instant, &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError>) {
        let (now, link) = (self.now, &mut self.to_peer);
        match step(&mut self.us, now, &mut |packet| link.send(now, packet)) {
            Ok(progress) => {
                self.keys = self.keys.take().or(progress.keys);
                self.closed |= progress.peer_closed;
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn drain_peer(&mut self) {
        let mut out = Vec::new();
        self.peer.drain(&mut out);
        out.iter().for_each(|packet| self.to_us.send(self.now, packet));
    }

    /// Runs until `done` or until virtual `limit` has passed. False if it has.
    fn run(&mut self, limit: Duration, done: impl Fn(&Association) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            let timers = [self.us.poll_timeout(), self.peer.timeout, self.to_us.next(), self.to_peer.next()];
            let Some(next) = timers.into_iter().flatten().min() else { return false };
            self.now = self.now.max(next);
            if self.now > end || self.error.is_some() {
                return false;
            }
            while let Some(datagram) = self.to_us.receive(self.now) {
                assert!(datagram.len() <= 1_200, "{} bytes", datagram.len());
                self.step_us(|dtls, now, send| dtls.handle_datagram(now, &datagram, send));
            }
            while let Some(datagram) = self.to_peer.receive(self.now) {
                assert!(datagram.len() <= DATAGRAM_BYTES_MAX, "{} bytes", datagram.len());
                self.peer.engine.handle_timeout(self.now).unwrap();
                self.peer.engine.handle_packet(&datagram).unwrap();
                self.drain_peer();
            }
            self.step_us(|dtls, now, send| dtls.handle_timeout(now, send));
            self.peer.engine.handle_timeout(self.now).unwrap();
            self.drain_peer();
        }
        true
    }

    fn connect(&mut self) -> bool {
        self.run(Duration::from_secs(35), |pair| pair.keys.is_some() && pair.peer.keys.is_some())
    }

    fn assert_keys_agree(&self, role: DtlsRole) {
        let (material, profile) = self.peer.keys.as_ref().unwrap();
        let keys = self.keys.as_ref().unwrap();
        let ours = self.us.keys(material, *profile).unwrap();
        assert_eq!(*keys, ours);
        let client = MasterKeys::from_exporter(keys.profile, material).unwrap().client;
        assert_eq!(if role == DtlsRole::Client { &keys.seal } else { &keys.open }, &client);
    }
}

const ROLES: [DtlsRole; 2] = [DtlsRole::Server, DtlsRole::Client];
const VERSIONS: [PeerVersion; 3] = [PeerVersion::Only12, PeerVersion::Only13, PeerVersion::Both];

#[test]
fn both_roles_agree_on_keys_in_both_versions() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect(), "{role:?} {version:?} {:?}", pair.error);
            pair.assert_keys_agree(role);
        }
    }
}

#[test]
fn a_lossy_reordering_network_only_delays_the_keys() {
    for role in ROLES {
        for version in VERSIONS {
            for seed in 0..40 {
                let links = [1, 2].map(|half| EmulatedLink::lossy(seed * 2 + half, 15));
                let [to_us, to_peer] = links;
                let mut pair = Association::with(role, version, 1_200, to_us, to_peer, |certificate| {
                    vec![Fingerprint::of(FingerprintHash::Sha256, certificate)]
                });
                assert!(pair.connect(), "{role:?} {version:?} seed {seed}: {:?}", pair.error);
                pair.assert_keys_agree(role);
            }
        }
    }
}

#[test]
fn a_client_hello_in_many_datagrams_is_put_together() {
    for version in VERSIONS {
        for seed in 0..10 {
            let mut pair = Association::with(
                DtlsRole::Server,
                version,
                120,
                EmulatedLink::lossy(seed, 0),
                EmulatedLink::clean(),
                |certificate| vec![Fingerprint::of(FingerprintHash::Sha256, certificate)],
            );
            assert!(pair.connect(), "{version:?} seed {seed}: {:?}", pair.error);
        }
    }
}

#[test]
fn the_cheapest_profile_is_taken_wherever_the_client_lists_it() {
    const GCM_128: Profile = Profile::AeadAes128Gcm;
    const GCM_256: Profile = Profile::AeadAes256Gcm;
    const SHA1: Profile = Profile::Aes128CmSha1_80;
    // The first is Chromium's.
    let lists: [(&[Profile], Profile); 4] = [
        (&[SHA1, GCM_256, GCM_128], GCM_128),
        (&[GCM_256, GCM_128], GCM_128),
        (&[SHA1, GCM_256], GCM_256),
        (&[SHA1], SHA1),
    ];
    for is_13 in [false, true] {
        for (list, best) in lists {
            let client = PlayedClient::new(is_13, list);
            let mut server = Dtls::new(DtlsRole::Server, Certificate::generate().unwrap(), Vec::new());
            let mut flight = Vec::new();
            let mut send = |datagram: &[u8]| flight.push(datagram.to_vec());
            server.handle_datagram(crate::sim::start(), &client.datagram(), &mut send).unwrap();
            assert_eq!(client.profile(&flight), Some(best), "{list:?}, 1.3: {is_13}");
        }
    }
}

#[test]
fn a_server_that_fragments_lead_nowhere_starts_afresh() {
    let mut pair = Association::new(DtlsRole::Server, PeerVersion::Both);
    // The head of a ClientHello whose tail never comes.
    let mut head = PlayedClient::new(true, &[Profile::AeadAes128Gcm]).datagram();
    head[15] += 1;
    for _ in 0..100 {
        pair.step_us(|dtls, now, send| dtls.handle_datagram(now, &head, send));
    }
    assert!(pair.connect(), "{:?}", pair.error);
}

#[test]
fn any_one_of_the_fingerprints_will_do() {
    let mut pair = Association::with(
        DtlsRole::Server,
        PeerVersion::Both,
        1_200,
        EmulatedLink::clean(),
        EmulatedLink::clean(),
        |certificate| {
            vec![
                Fingerprint::of(FingerprintHash::Sha256, b"another"),
                Fingerprint::of(FingerprintHash::Sha512, certificate),
            ]
        },
    );
    assert!(pair.connect());
}

#[test]
fn a_wrong_certificate_gets_no_keys() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair =
                Association::with(role, version, 1_200, EmulatedLink::clean(), EmulatedLink::clean(), |_| {
                    vec![Fingerprint::of(FingerprintHash::Sha256, b"another")]
                });
            pair.run(Duration::from_secs(35), |pair| pair.keys.is_some());
            assert_eq!(pair.error, Some(DtlsError::FingerprintMismatch), "{role:?} {version:?}");
            assert_eq!(pair.keys, None);
        }
    }
}

#[test]
fn no_fingerprint_matches_nobody() {
    let mut pair = Association::with(
        DtlsRole::Server,
        PeerVersion::Only12,
        1_200,
        EmulatedLink::clean(),
        EmulatedLink::clean(),
        |_| Vec::new(),
    );
    assert!(!pair.connect());
    assert_eq!(pair.error, Some(DtlsError::FingerprintMismatch));
}

#[test]
fn a_goodbye_is_heard_by_the_other_side() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect());
            pair.peer.engine.close().unwrap();
            pair.drain_peer();
            assert!(pair.run(Duration::from_secs(1), |pair| pair.closed), "{role:?} {version:?}");
        }
    }
}

#[test]
fn our_goodbye_is_heard() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            assert!(pair.connect());
            pair.run(Duration::from_millis(200), |_| false);
            pair.step_us(|dtls, now, send| {
                dtls.close(now, send);
                Ok(Progress::default())
            });
            assert!(pair.run(Duration::from_secs(1), |pair| pair.peer.closed), "{role:?} {version:?}");
            assert_eq!(pair.us.poll_timeout(), None);
        }
    }
}

#[test]
fn noise_does_not_end_a_handshake() {
    for role in ROLES {
        for version in VERSIONS {
            let mut pair = Association::new(role, version);
            let noise: [&[u8]; 5] =
                [&[], &[22], &[22; 13], &[0x16; 200], &[23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]];
            for datagram in noise {
                pair.step_us(|dtls, now, send| dtls.handle_datagram(now, datagram, send));
            }
            assert!(pair.connect(), "{role:?} {version:?} {:?}", pair.error);
        }
    }
}

/// Self-signed, P-256, with one unknown extension of 3,000 bytes: longer than any buffer of ours.
const LONG_CERTIFICATE: &[u8] = include_bytes!("tests/long_certificate.der");
const LONG_CERTIFICATE_KEY: &[u8] = include_bytes!("tests/long_certificate_key.der");

#[test]
fn a_certificate_longer_than_our_buffer_is_taken_like_any_other() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        for version in [PeerVersion::Only12, PeerVersion::Only13, PeerVersion::Both] {
            let certificate =
                DtlsCertificate { certificate: LONG_CERTIFICATE.to_vec(), private_key: LONG_CERTIFICATE_KEY.to_vec() };
            let mut pair = Association::provided(role, version, certificate, default_provider());
            let both = |pair: &Association| pair.keys.is_some() && pair.peer.keys.is_some();
            assert!(pair.run(Duration::from_secs(5), both), "{role:?} {version:?}: {:?}", pair.error);
        }
    }
}

#[test]
fn a_panic_of_the_engine_ends_its_association_and_nothing_else() {
    let certificate = Certificate::generate().unwrap();
    let mut dtls = Dtls::new(DtlsRole::Server, certificate, Vec::new());
    let ended = dtls.contained(|_| panic!("an assertion about what a peer sent"));
    assert_eq!(ended.unwrap_err(), DtlsError::EnginePanicked);
    let after = dtls.handle_datagram(crate::sim::start(), &[22, 254, 253], &mut |_| panic!("it answers"));
    assert!(after.is_ok_and(|progress| progress.keys.is_none()));
    assert_eq!(dtls.poll_timeout(), None);
}

//! Owns the target of DTLS before, during and after the handshake, in both roles and versions: one side is a worker's,
//! the other a bare engine whose certificate is what the input says, and somebody on the way changes what they send.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chappe_sfu_core::dtls::{Dtls, DtlsError};
use chappe_sfu_core::{Certificate, DtlsRole, Fingerprint, FingerprintHash};
use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, DtlsCertificate, Output};

use crate::harness;
use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut pair = Pair::new(script.u8(), &mut script);
    let mut changes: Vec<Change> = Vec::new();
    while !script.is_over() && changes.len() < CHANGES_MAX {
        changes.push(Change::read(&mut script));
    }
    pair.talk(&changes);
}

/// What somebody on the way does to the datagram with this number, of both directions.
struct Change {
    number: u8,
    kind: u8,
    at: u16,
    value: u8,
    raw: Vec<u8>,
}

impl Change {
    fn read(script: &mut Script<'_>) -> Change {
        let (number, kind, at, value) = (script.u8() % 32, script.u8() % 8, script.u16(), script.u8());
        let raw = if kind >= 5 { script.bytes().to_vec() } else { Vec::new() };
        Change { number, kind, at, value, raw }
    }

    fn apply(&self, datagrams: &mut Vec<Vec<u8>>) {
        let Some(datagram) = datagrams.last_mut() else { return };
        let at = usize::from(self.at) % datagram.len().max(1);
        match self.kind {
            0 | 1 => datagram.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.value),
            2 => datagram.truncate(at),
            3 => {
                let copy = datagram.clone();
                datagrams.push(copy);
            }
            4 => drop(datagrams.pop()),
            5 => datagram.splice(at..at, self.raw.iter().copied()).for_each(drop),
            6 => datagram.iter_mut().skip(at).zip(&self.raw).for_each(|(byte, by)| *byte = *by),
            _ => datagrams.push(self.raw.clone()),
        }
    }
}

struct Pair {
    now: Instant,
    us: Dtls,
    peer: Option<dimpl::Dtls>,
    to_us: Vec<Vec<u8>>,
    to_peer: Vec<Vec<u8>>,
    number: u8,
}

impl Pair {
    fn new(choice: u8, script: &mut Script<'_>) -> Pair {
        let now = harness::start();
        let is_client = choice & 1 != 0;
        let certificate = certificate(choice, script);
        let fingerprint = Fingerprint::of(FingerprintHash::Sha256, &certificate.certificate);
        let role = if is_client { DtlsRole::Client } else { DtlsRole::Server };
        let us = Dtls::new(role, ours(), vec![fingerprint]);
        let mtu = if choice & 8 != 0 { 300 } else { 1_200 };
        let config = Config::builder().mtu(mtu).use_server_cookie(choice & 16 != 0).dangerously_set_rng_seed(1);
        let config = Arc::new(config.build().expect("a configuration"));
        let mut peer = match choice >> 1 & 3 {
            0 | 1 => dimpl::Dtls::new_12(config, certificate, now),
            2 => dimpl::Dtls::new_13(config, certificate, now),
            _ => dimpl::Dtls::new_auto(config, certificate, now),
        };
        peer.set_active(!is_client);
        Pair { now, us, peer: Some(peer), to_us: Vec::new(), to_peer: Vec::new(), number: 0 }
    }

    fn talk(&mut self, changes: &[Change]) {
        let (now, to_peer) = (self.now, &mut self.to_peer);
        let _ = self.us.start(now, &mut |packet| to_peer.push(packet.to_vec()));
        self.play(|peer| drop(peer.handle_timeout(now)));
        for _ in 0..ROUNDS_MAX {
            let to_us = self.on_the_way(changes, true);
            for datagram in to_us {
                let (now, to_peer) = (self.now, &mut self.to_peer);
                check(self.us.handle_datagram(now, &datagram, &mut |packet| to_peer.push(packet.to_vec())));
            }
            let to_peer = self.on_the_way(changes, false);
            for datagram in to_peer {
                self.play(|peer| drop(peer.handle_packet(&datagram)));
            }
            self.now += Duration::from_millis(300);
            let (now, to_peer) = (self.now, &mut self.to_peer);
            check(self.us.handle_timeout(now, &mut |packet| to_peer.push(packet.to_vec())));
            self.play(|peer| drop(peer.handle_timeout(now)));
        }
        // After the handshake, and after the engine was let go.
        for wait in [Duration::from_secs(1), Duration::from_secs(11)] {
            self.now += wait;
            check(self.us.handle_timeout(self.now, &mut |_| {}));
            for change in changes {
                check(self.us.handle_datagram(self.now, &change.raw, &mut |_| {}));
            }
        }
        self.us.close(self.now, &mut |_| {});
    }

    fn on_the_way(&mut self, changes: &[Change], is_to_us: bool) -> Vec<Vec<u8>> {
        let sent = std::mem::take(if is_to_us { &mut self.to_us } else { &mut self.to_peer });
        let mut arriving = Vec::new();
        for datagram in sent {
            arriving.push(datagram);
            let number = self.number;
            self.number = self.number.saturating_add(1);
            changes.iter().filter(|change| change.number == number).for_each(|change| change.apply(&mut arriving));
        }
        arriving
    }

    /// A step of the peer, and what it sends then. The engine can't send every certificate that others can: where it
    /// panics, the peer falls silent.
    fn play(&mut self, step: impl FnOnce(&mut dimpl::Dtls)) {
        let Some(peer) = &mut self.peer else { return };
        let (to_us, mut buffer) = (&mut self.to_us, vec![0; 70_000]);
        let played = catch_unwind(AssertUnwindSafe(|| {
            step(peer);
            for _ in 0..OUTPUTS_MAX {
                match peer.poll_output(&mut buffer) {
                    Output::Packet(packet) => to_us.push(packet.to_vec()),
                    Output::Timeout(_) => return,
                    _ => {}
                }
            }
        }));
        if played.is_err() {
            self.peer = None;
        }
    }
}

/// The engine's panics are contained; here they count.
fn check<T>(result: Result<T, DtlsError>) {
    if let Err(DtlsError::EnginePanicked) = result {
        panic!("the DTLS engine panicked");
    }
}

/// Making one takes longer than a handshake.
fn ours() -> Certificate {
    static OURS: OnceLock<Certificate> = OnceLock::new();
    OURS.get_or_init(|| Certificate::generate().expect("a certificate")).clone()
}

/// The peer's: a good one, one with changes, or any bytes at all.
fn certificate(choice: u8, script: &mut Script<'_>) -> DtlsCertificate {
    static GOOD: OnceLock<DtlsCertificate> = OnceLock::new();
    let mut certificate = GOOD.get_or_init(|| generate_self_signed_certificate().expect("a certificate")).clone();
    let der = &mut certificate.certificate;
    match choice >> 5 & 3 {
        0 => {}
        1 => der.resize(usize::from(script.u16() % CERTIFICATE_BYTES_MAX), 0xA5),
        2 => {
            for _ in 0..script.u8() % 8 {
                let (at, value) = (usize::from(script.u16()) % der.len(), script.u8());
                der[at] = value;
            }
        }
        _ => *der = script.bytes().to_vec(),
    }
    // With none at all the engine won't begin.
    if der.is_empty() {
        der.push(0x30);
    }
    certificate
}

/// More than the engine as the peer can send.
const CERTIFICATE_BYTES_MAX: u16 = 12_000;
const CHANGES_MAX: usize = 16;
const ROUNDS_MAX: usize = 12;
const OUTPUTS_MAX: usize = 256;

//! Measures nanoseconds per sealed 1,200-byte packet over many keys round robin, next to the crypto library
//! alone: what our SRTP adds. Run on one pinned core: `taskset -c 1 cargo run --release --example seal_cost`.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chappe_sfu_core::rtp::{OutgoingHeader, Seq, Ssrc};
use chappe_sfu_core::srtp::{Profile, Sealer};

const KEYS: usize = 500;
const PAYLOAD_BYTES: usize = 1_200;
const ROUNDS: u64 = 200;
const REPEATS: usize = 7;

fn main() {
    let payload = [0x5a; PAYLOAD_BYTES];
    let plain: Vec<LessSafeKey> = (0..KEYS)
        .map(|key| LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[key as u8; 16]).expect("16 bytes")))
        .collect();
    let profiles = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];
    let sealers = profiles.map(|profile| {
        (0..KEYS)
            .map(|key| Sealer::new(profile, &vec![key as u8; profile.key_len()], &vec![1; profile.salt_len()]))
            .collect::<Result<Vec<_>, _>>()
            .expect("lengths fit")
    });
    // Interleaved, so that a slow moment of the machine hits all alike; the least of each counts.
    let mut least = [f64::MAX; 5];
    for _ in 0..REPEATS {
        let runs: [f64; 5] = [
            run(|key, index, out| plain_seal(&plain[key], index, &payload, out)),
            run(|key, index, out| our_seal(&sealers[0][key], index, &payload, out)),
            run(|key, index, out| our_parts(&sealers[0][key], index, &payload, out)),
            run(|key, index, out| our_seal(&sealers[1][key], index, &payload, out)),
            run(|key, index, out| our_seal(&sealers[2][key], index, &payload, out)),
        ];
        least.iter_mut().zip(runs).for_each(|(least, run)| *least = least.min(run));
    }
    let names = ["aws-lc-rs alone, GCM-128", "GCM-128", "GCM-128 in two parts", "GCM-256", "AES-CM SHA1-80"];
    for (name, ns) in names.iter().zip(least) {
        println!("{name:26} {ns:7.0} ns per packet");
    }
}

fn run(mut seal: impl FnMut(usize, u64, &mut [u8])) -> f64 {
    let mut out = [0; PAYLOAD_BYTES + 64];
    let start = Instant::now();
    for index in 0..ROUNDS {
        for key in 0..KEYS {
            seal(key, index, &mut out);
            black_box(&out);
        }
    }
    start.elapsed().as_nanos() as f64 / (ROUNDS as f64 * KEYS as f64)
}

fn header(index: u64) -> [u8; 12] {
    let mut header = [0; 12];
    let fields = OutgoingHeader {
        marker: false,
        payload_type: 96,
        seq: Seq((index & 0xffff) as u16),
        timestamp: index as u32,
        ssrc: Ssrc(1),
        extended: false,
        padded: false,
    };
    fields.write(&mut header);
    header
}

fn plain_seal(key: &LessSafeKey, index: u64, payload: &[u8], out: &mut [u8]) {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_be_bytes());
    let header = header(index);
    let (ciphertext, rest) = out.split_at_mut(payload.len());
    key.seal_out_of_place_scatter(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(&header),
        payload,
        ciphertext,
        &[],
        &mut rest[..16],
    )
    .expect("lengths fit");
}

fn our_seal(sealer: &Sealer, index: u64, payload: &[u8], out: &mut [u8]) {
    sealer.seal_rtp(index, &header(index), payload, out).expect("fits");
}

fn our_parts(sealer: &Sealer, index: u64, payload: &[u8], out: &mut [u8]) {
    sealer.seal_rtp_parts(index, &header(index), &[1, 2], payload, out).expect("fits");
}

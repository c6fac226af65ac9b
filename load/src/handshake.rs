//! Owns the floor of a join: the cryptography that one DTLS handshake costs its server, and nothing else.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use chappe_sfu_io::process::pin_to_core;

use crate::measure::thread_cpu;

/// Processor time of one, from `count` of them in a row on this core. RFC 5246 section 7.4: a key share is made and
/// agreed on (X25519), the server's is signed and the client's proof is verified (ECDSA, P-256).
pub fn floor(count: usize, core: usize) -> Result<Duration> {
    let handshakes = std::thread::spawn(move || -> Result<Duration> {
        pin_to_core(core).context("pinning the floor of joins")?;
        let random = SystemRandom::new();
        let own = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| anyhow!("no key pair"))?;
        let proof = own.sign(&random, TRANSCRIPT).map_err(|_| anyhow!("no signature"))?;
        let peer = EphemeralPrivateKey::generate(&X25519, &random).map_err(|_| anyhow!("no key share"))?;
        let share = peer.compute_public_key().map_err(|_| anyhow!("no public key share"))?;
        let before = thread_cpu();
        for _ in 0..count {
            one(&own, &random, share.as_ref(), proof.as_ref())?;
        }
        Ok((thread_cpu() - before) / u32::try_from(count.max(1))?)
    });
    handshakes.join().map_err(|_| anyhow!("the floor of joins panicked"))?
}

fn one(own: &EcdsaKeyPair, random: &SystemRandom, share: &[u8], proof: &[u8]) -> Result<()> {
    let key = EphemeralPrivateKey::generate(&X25519, random).map_err(|_| anyhow!("no key share"))?;
    key.compute_public_key().map_err(|_| anyhow!("no public key share"))?;
    let share = UnparsedPublicKey::new(&X25519, share);
    agreement::agree_ephemeral(key, share, anyhow!("no agreement"), |secret| {
        std::hint::black_box(secret);
        Ok(())
    })?;
    own.sign(random, TRANSCRIPT).map_err(|_| anyhow!("no signature"))?;
    let peer = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, own.public_key().as_ref());
    peer.verify(TRANSCRIPT, proof).map_err(|_| anyhow!("a wrong signature"))
}

const TRANSCRIPT: &[u8] = &[0x5a; 64];

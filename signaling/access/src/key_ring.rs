//! Owns all that tokens are checked with at one time.

use std::collections::BTreeMap;

use crate::issuer::Issuer;
use crate::key::{ApiKey, KeyId, Secret};

/// The keys of this server, whatever place they come from, and the foreign issuers.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: BTreeMap<KeyId, Secret>,
    issuers: Vec<Issuer>,
}

impl KeyRing {
    /// Of two keys of one id the first counts.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>, issuers: Vec<Issuer>) -> KeyRing {
        let mut all = BTreeMap::new();
        for key in keys {
            all.entry(key.id).or_insert(key.secret);
        }
        KeyRing { keys: all, issuers }
    }

    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.issuers.is_empty()
    }

    /// Whether tokens of this issuer are still taken.
    pub fn knows(&self, issuer: &str) -> bool {
        self.secret(issuer).is_some() || self.issuer(issuer).is_some()
    }

    /// Whether a key has another secret than it had in `before`, or is gone: its tokens are void.
    pub fn has_revoked(&self, before: &KeyRing, issuer: &str) -> bool {
        match (before.secret(issuer), self.secret(issuer)) {
            (Some(before), now) => now != Some(before),
            (None, _) => !self.knows(issuer),
        }
    }

    pub(crate) fn secret(&self, issuer: &str) -> Option<&Secret> {
        self.keys.get(&KeyId::parse(issuer).ok()?)
    }

    pub(crate) fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }
}

//! Owns gathering the keys that tokens are checked with: from a file, the environment, the store of the cluster and foreign
//! issuers, and following their changes. Never judges a token.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chappe_engine::{Change, Key};
use chappe_signaling_access::{ApiKey, Issuer, KeyRing, parse_keys};
use chappe_signaling_edge::admin::KEYS_STORED_BELOW;
use chappe_signaling_service::Service;
use hyper::Uri;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::config::KeySources;
use crate::issuer_fetch::follow_issuer;
use crate::issuer_source::IssuerSource;

/// Tells the public listener which keys there are.
pub struct KeyFollower {
    service: Arc<Service>,
    sources: KeySources,
    ring: watch::Sender<Arc<KeyRing>>,
    /// As last read; what can't be read stays as it was.
    file: Vec<ApiKey>,
    issuers: BTreeMap<String, Issuer>,
    stored: BTreeMap<Key, ApiKey>,
    seen: BTreeMap<PathBuf, Stamp>,
}

/// Tells whether a file is another one than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl KeyFollower {
    /// With what the files and the environment have.
    pub fn start(service: Arc<Service>, sources: KeySources, ring: watch::Sender<Arc<KeyRing>>) -> KeyFollower {
        let awaited = fetched_issuers(&sources).map(|(name, _)| (name.clone(), Issuer::awaited(name)));
        let mut follower = KeyFollower {
            issuers: awaited.collect(),
            service,
            sources,
            ring,
            file: Vec::new(),
            stored: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        follower.read_files();
        follower.publish();
        follower
    }

    /// Until the process ends.
    pub async fn follow(mut self) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.watch_store().await;
        let (told, mut fetched) = mpsc::channel(1);
        let mut fetching = JoinSet::new();
        for (name, at) in fetched_issuers(&self.sources) {
            fetching.spawn(follow_issuer(Arc::clone(&self.service), name.clone(), at.clone(), told.clone()));
        }
        loop {
            tokio::select! {
                Some(issuer) = fetched.recv() => {
                    self.issuers.insert(issuer.name.clone(), issuer);
                    self.publish();
                }
                _ = tick.tick() => {
                    if self.read_files() {
                        self.publish();
                    }
                }
                change = changes.recv() => match change {
                    Some(change) => self.handle_stored(change),
                    None => {
                        sleep(LOOK_EVERY).await;
                        changes = self.watch_store().await;
                    }
                }
            }
        }
    }

    /// A node that runs alone has no store that would outlive its process.
    async fn watch_store(&self) -> mpsc::Receiver<Change> {
        if !self.service.cluster.alone
            && let Ok(changes) = self.service.cluster.engine.watch(KEYS_STORED_BELOW).await
        {
            return changes;
        }
        let (never, changes) = mpsc::channel(1);
        if self.service.cluster.alone {
            // Nothing ever comes, and it does not end either.
            tokio::spawn(async move { never.closed().await });
        }
        changes
    }

    fn handle_stored(&mut self, change: Change) {
        match change {
            Change::Put(entry) => match serde_json::from_slice::<ApiKey>(&entry.value) {
                Ok(key) => drop(self.stored.insert(entry.key, key)),
                Err(_) => warn!(key = %entry.key, "a key in the store of the cluster can't be read"),
            },
            Change::Deleted { key, .. } => drop(self.stored.remove(&key)),
            // All there is comes again, and only then is it known what is gone.
            Change::Reset => {
                self.stored.clear();
                return;
            }
            Change::Synced => {}
        }
        self.publish();
    }

    /// Whether any is another than it was.
    fn read_files(&mut self) -> bool {
        let mut changed = false;
        if let Some(path) = self.sources.file.clone()
            && self.is_new(&path)
        {
            warn_of_permissions(&path);
            match read(&path).and_then(|text| parse_keys(&text).map_err(|error| error.to_string())) {
                Ok(keys) => {
                    info!(file = %path.display(), keys = keys.len(), "the file of keys is read");
                    self.file = keys;
                    changed = true;
                }
                Err(why) => warn!(file = %path.display(), why, "the file of keys can't be read: those of before stay"),
            }
        }
        for (name, source) in self.sources.issuers.clone() {
            let IssuerSource::File(path) = source else { continue };
            if !self.is_new(&path) {
                continue;
            }
            match read(&path).and_then(|text| Issuer::parse(&name, &text).map_err(|error| error.to_string())) {
                Ok(issuer) => {
                    info!(file = %path.display(), issuer = name, "the public keys of an issuer are read");
                    self.issuers.insert(name, issuer);
                    changed = true;
                }
                Err(why) => warn!(file = %path.display(), issuer = name, why, "the keys of an issuer can't be read"),
            }
        }
        changed
    }

    fn is_new(&mut self, path: &Path) -> bool {
        let stamp = std::fs::metadata(path).ok().map(|file| Stamp {
            inode: file.ino(),
            bytes: file.len(),
            changed: (file.mtime(), file.mtime_nsec()),
        });
        match stamp {
            Some(stamp) => self.seen.insert(path.to_owned(), stamp) != Some(stamp),
            // Said once; one that is replaced is gone for a moment.
            None => self.seen.remove(path).is_some(),
        }
    }

    /// Sessions and pages of keys that are gone end.
    fn publish(&mut self) {
        let keys = self.file.iter().chain(&self.sources.environment).chain(self.stored.values()).cloned();
        let ring = Arc::new(KeyRing::new(keys, self.issuers.values().cloned().collect()));
        let before = self.ring.send_replace(Arc::clone(&ring));
        if !before.is_empty() {
            self.service.end_revoked(|issuer| ring.has_revoked(&before, issuer));
        }
    }
}

/// Those whose keys are told over HTTP.
fn fetched_issuers(sources: &KeySources) -> impl Iterator<Item = (&String, &Uri)> {
    sources.issuers.iter().filter_map(|(name, source)| match source {
        IssuerSource::Url(at) => Some((name, at)),
        IssuerSource::File(_) => None,
    })
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Who can read the file can make tokens.
fn warn_of_permissions(path: &Path) {
    let mode = std::fs::metadata(path).map(|file| file.mode() & 0o777).unwrap_or_default();
    if mode & 0o077 != 0 {
        let file = path.display();
        warn!("{file} can be read or changed by other users of this machine (mode {mode:03o}): chmod 600 {file}");
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);

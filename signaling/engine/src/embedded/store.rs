//! Owns the values of an embedded engine and the order in which they were written. Never waits and never tells anyone:
//! who watches asks what came after a revision.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::engine::{Change, KeyValue, Revision};
use crate::error::EngineError;
use crate::key::{Key, Prefix};

#[derive(Debug, Default)]
pub(crate) struct Store {
    last: u64,
    /// What each key has; None was deleted.
    rows: BTreeMap<Key, Row>,
    /// The key that each revision wrote, for the newest revision of each key.
    written: BTreeMap<u64, Key>,
    /// Deletions, oldest first, as long as they are remembered; some keys may have been written again since.
    deletions: VecDeque<(u64, Key)>,
    /// The newest deletion that is no longer remembered.
    forgotten: u64,
}

#[derive(Debug)]
struct Row {
    value: Option<Bytes>,
    revision: u64,
}

impl Store {
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn entry(&self, key: &Key) -> Option<KeyValue> {
        let row = self.rows.get(key)?;
        let value = row.value.clone()?;
        Some(KeyValue { key: key.clone(), value, revision: Revision(row.revision) })
    }

    pub(crate) fn create(&mut self, key: &Key, value: Bytes) -> Result<Revision, EngineError> {
        match self.entry(key) {
            Some(_) => Err(EngineError::Exists),
            None => Ok(self.write(key, Some(value))),
        }
    }

    pub(crate) fn update(&mut self, key: &Key, value: Bytes, expected: Revision) -> Result<Revision, EngineError> {
        match self.entry(key) {
            Some(entry) if entry.revision == expected => Ok(self.write(key, Some(value))),
            _ => Err(EngineError::Conflict),
        }
    }

    pub(crate) fn delete(&mut self, key: &Key, expected: Option<Revision>) -> Result<(), EngineError> {
        let there = self.entry(key).map(|entry| entry.revision);
        if expected.is_some() && there != expected {
            return Err(EngineError::Conflict);
        }
        if there.is_some() {
            let revision = self.write(key, None);
            self.deletions.push_back((revision.0, key.clone()));
            if self.deletions.len() > DELETIONS_MAX {
                self.forget_oldest_deletion();
            }
        }
        Ok(())
    }

    /// All there is below `prefix`, in the order of revisions.
    pub(crate) fn all(&self, prefix: &Prefix) -> Vec<Change> {
        let all = self.written.values().filter(|key| key.is_below(prefix));
        all.filter_map(|key| self.entry(key).map(Change::Put)).collect()
    }

    /// What was written below `prefix` after `revision`; None when a deletion since then is no longer remembered.
    pub(crate) fn after(&self, revision: u64, prefix: &Prefix) -> Option<Vec<Change>> {
        if revision < self.forgotten {
            return None;
        }
        let newer = self.written.range(revision + 1..).filter(|(_, key)| key.is_below(prefix));
        let told = newer.map(|(revision, key)| match self.entry(key) {
            Some(entry) => Change::Put(entry),
            None => Change::Deleted { key: key.clone(), revision: Revision(*revision) },
        });
        Some(told.collect())
    }

    fn write(&mut self, key: &Key, value: Option<Bytes>) -> Revision {
        self.last += 1;
        let before = self.rows.insert(key.clone(), Row { value, revision: self.last });
        if let Some(before) = before {
            self.written.remove(&before.revision);
        }
        self.written.insert(self.last, key.clone());
        Revision(self.last)
    }

    fn forget_oldest_deletion(&mut self) {
        let Some((revision, key)) = self.deletions.pop_front() else { return };
        // The key may have a newer value or a newer deletion.
        if self.rows.get(&key).is_some_and(|row| row.revision == revision) {
            self.rows.remove(&key);
            self.written.remove(&revision);
            self.forgotten = revision;
        }
    }
}

/// Deletions that are remembered for watchers who have not heard of them. Who lags by more reads everything again.
const DELETIONS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::parse(&format!("k/{number}")).unwrap()
    }

    #[test]
    fn what_was_deleted_takes_no_room_for_ever() {
        let mut store = Store::default();
        for number in 0..10 * DELETIONS_MAX {
            store.create(&key(number), Bytes::new()).unwrap();
            store.delete(&key(number), None).unwrap();
        }
        assert_eq!(store.rows.len(), DELETIONS_MAX);
        assert_eq!(store.written.len(), DELETIONS_MAX);
        assert_eq!(store.all(&Prefix::parse("").unwrap()), []);
    }

    #[test]
    fn who_has_missed_a_forgotten_deletion_is_told_so() {
        let mut store = Store::default();
        let all = Prefix::parse("k").unwrap();
        let first = store.create(&key(0), Bytes::new()).unwrap();
        store.delete(&key(0), None).unwrap();
        assert_eq!(store.after(first.0, &all).unwrap().len(), 1);
        for number in 1..=DELETIONS_MAX {
            store.create(&key(number), Bytes::new()).unwrap();
            store.delete(&key(number), None).unwrap();
        }
        assert_eq!(store.after(first.0, &all), None);
        assert_eq!(store.after(store.last(), &all), Some(vec![]));
    }

    #[test]
    fn a_deletion_of_a_key_that_is_back_is_forgotten_without_loss() {
        let mut store = Store::default();
        let kept = Key::parse("kept").unwrap();
        store.create(&kept, Bytes::from_static(b"1")).unwrap();
        store.delete(&kept, None).unwrap();
        let revision = store.create(&kept, Bytes::from_static(b"2")).unwrap();
        for number in 0..DELETIONS_MAX {
            store.create(&key(number), Bytes::new()).unwrap();
            store.delete(&key(number), None).unwrap();
        }
        assert_eq!(store.entry(&kept).unwrap().revision, revision);
        assert_eq!(store.forgotten, 0);
    }
}

//! Owns the keys under which a worker finds what it has, a type for each kind of thing, and the table that gives them
//! out. Never leaves the process: outside there are ids.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};
use std::marker::PhantomData;

use slab::Slab;

use crate::spec::TRACKS_PER_SESSION_MAX;

/// Names one place of a table. A key is given out again once its thing is gone.
pub(crate) trait Key: Copy + Eq + Hash + Debug {
    fn new(place: usize) -> Self;

    /// Dense: what is kept beside a table is found by it.
    fn place(self) -> usize;
}

/// Writes a key for each kind of thing.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $key(u32);

        impl Key for $key {
            #[inline]
            fn new(place: usize) -> $key {
                $key(place as u32)
            }

            #[inline]
            fn place(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

keys! {
    /// One client.
    SessionKey,
    /// One audio or video source, wherever it is published.
    TrackKey,
    /// One encoding of a track.
    LayerKey,
    /// The association with one other worker.
    LinkKey,
    /// A track that comes from another worker.
    FeedKey,
    /// Another worker that gets a track from here.
    ChildKey,
    /// An m-line that is sent to a client: the session and its place there.
    SenderKey,
    /// An m-line that is received from a client, in the same way.
    SourceKey,
    /// The place of an m-line that is sent, within its session.
    SendLine,
    /// The place of one that is received.
    ReceiveLine,
    /// One SSRC of an m-line that is received, within that.
    StreamKey,
}

/// Writes the keys that are a session and a place within it.
macro_rules! line_keys {
    ($($key:ident: $line:ident,)*) => {$(
        impl $key {
            #[inline]
            pub fn of(session: SessionKey, line: $line) -> $key {
                debug_assert!(line.place() < TRACKS_PER_SESSION_MAX, "a session has no such m-line");
                $key(session.0 * TRACKS_PER_SESSION_MAX as u32 + line.0)
            }

            #[inline]
            pub fn session(self) -> SessionKey {
                SessionKey(self.0 / TRACKS_PER_SESSION_MAX as u32)
            }

            /// Its place among those of the session.
            #[inline]
            pub fn line(self) -> $line {
                $line(self.0 % TRACKS_PER_SESSION_MAX as u32)
            }
        }
    )*};
}

line_keys! {
    SenderKey: SendLine,
    SourceKey: ReceiveLine,
}

/// Things that come and go, under keys of their own type.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    places: Slab<V>,
    keys: PhantomData<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Table<K, V> {
        Table { places: Slab::new(), keys: PhantomData }
    }
}

impl<K: Key, V> Table<K, V> {
    pub fn insert(&mut self, value: V) -> K {
        K::new(self.places.insert(value))
    }

    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        self.places.get(key.place())
    }

    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.places.get_mut(key.place())
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        self.places.try_remove(key.place())
    }

    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> + Clone {
        self.places.iter().map(|(place, value)| (K::new(place), value))
    }

    /// The keys as they are now, for a loop that changes the table.
    pub fn keys(&self) -> Vec<K> {
        self.iter().map(|(key, _)| key).collect()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl<K: Key, V> std::ops::Index<K> for Table<K, V> {
    type Output = V;

    fn index(&self, key: K) -> &V {
        &self.places[key.place()]
    }
}

impl<K: Key, V> std::ops::IndexMut<K> for Table<K, V> {
    fn index_mut(&mut self, key: K) -> &mut V {
        &mut self.places[key.place()]
    }
}

/// From an id to a key. Ids from outside are authenticated or ours before they enter, so a fixed hash is safe.
pub(crate) type Index<I, K> = HashMap<I, K, FixedHash>;
pub(crate) type FixedHash = BuildHasherDefault<DefaultHasher>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_session_and_its_place() {
        for (session, line) in [(0, 0), (0, TRACKS_PER_SESSION_MAX - 1), (7, 3), (100_000, 31)] {
            let (session, line) = (SessionKey::new(session), SendLine::new(line));
            let key = SenderKey::of(session, line);
            assert_eq!((key.session(), key.line()), (session, line));
            assert_eq!(SenderKey::new(key.place()), key);
        }
    }

    #[test]
    fn a_key_leads_to_what_it_was_given_for_until_that_is_gone() {
        let mut table: Table<TrackKey, &str> = Table::default();
        let (a, b) = (table.insert("a"), table.insert("b"));
        assert_eq!((table.get(a), table.get(b), table.len()), (Some(&"a"), Some(&"b"), 2));
        assert_eq!((table.remove(a), table.remove(a), table.get(a)), (Some("a"), None, None));
        assert_eq!(table.keys(), [b]);
    }
}

//! Owns who is sent one track, in an order that a pass over them can be interrupted in. Never looks at a session.

use crate::keys::{Index, SenderKey, SessionKey};

/// Comes and goes in constant time: a stream has thousands, and they come, go and switch all at once.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    list: Vec<SenderKey>,
    /// Of each, where it stands in the list.
    places: Index<SenderKey, usize>,
}

impl Subscribers {
    /// Once, however often it comes.
    pub fn insert(&mut self, subscriber: SenderKey) {
        let last = self.list.len();
        if *self.places.entry(subscriber).or_insert(last) == last {
            self.list.push(subscriber);
        }
    }

    /// A pass that has served the first `served` of the list has served as many as are returned: nobody is skipped or
    /// repeated.
    pub fn remove(&mut self, subscriber: SenderKey, served: usize) -> usize {
        let Some(mut hole) = self.places.remove(&subscriber) else { return served };
        let mut remaining = served;
        if hole < served {
            remaining = served - 1;
            self.fill(hole, remaining);
            hole = remaining;
        }
        self.fill(hole, self.list.len() - 1);
        self.list.pop();
        remaining
    }

    /// Of a session that is gone in one piece. No pass is under way.
    pub fn forget_session(&mut self, session: SessionKey) {
        self.list.retain(|subscriber| subscriber.session() != session);
        self.places = self.list.iter().enumerate().map(|(place, subscriber)| (*subscriber, place)).collect();
    }

    /// The one that stands at `from` goes to `hole`.
    fn fill(&mut self, hole: usize, from: usize) {
        if hole != from {
            let moved = self.list[from];
            self.list[hole] = moved;
            self.places.insert(moved, hole);
        }
    }

    pub fn at(&self, place: usize) -> Option<SenderKey> {
        self.list.get(place).copied()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, SenderKey> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn subscriber(session: usize) -> SenderKey {
        SenderKey::of(SessionKey::new(session), 0)
    }

    proptest! {
        #[test]
        fn a_pass_serves_each_who_stays_once_whoever_comes_and_goes_meanwhile(
            steps in prop::collection::vec((0u8..4, 0usize..40), 0..200),
        ) {
            let (mut subscribers, mut there) = (Subscribers::default(), BTreeSet::new());
            (0..20).for_each(|number| subscribers.insert(subscriber(number)));
            there.extend(0..20);
            let (mut done, mut served, mut stayed) = (0, Vec::new(), there.clone());
            for (what, number) in steps {
                match what {
                    0 => {
                        // Who was served, left and came back is a new one.
                        if there.insert(number) {
                            served.retain(|known| *known != number);
                        }
                        subscribers.insert(subscriber(number));
                    }
                    1 => {
                        there.remove(&number);
                        stayed.remove(&number);
                        done = subscribers.remove(subscriber(number), done);
                    }
                    _ => {
                        if let Some(next) = subscribers.at(done) {
                            prop_assert!(!served.contains(&next.session().place()), "{next:?} is served twice");
                            served.push(next.session().place());
                            done += 1;
                        }
                    }
                }
                let listed: BTreeSet<usize> = subscribers.iter().map(|known| known.session().place()).collect();
                prop_assert_eq!((&listed, subscribers.len(), subscribers.places.len()), (&there, there.len(), there.len()));
                prop_assert!(subscribers.list.iter().enumerate().all(|(at, known)| subscribers.places[known] == at));
            }
            while let Some(next) = subscribers.at(done) {
                served.push(next.session().place());
                done += 1;
            }
            prop_assert!(stayed.iter().all(|number| served.contains(number)));
        }
    }
}

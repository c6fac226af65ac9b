//! Owns who reads one layer, and the pass in which those that are live read together. Never looks at a packet.

use crate::keys::{ChildKey, Index, Key, SenderKey, SessionKey};
use crate::readers::reader::{Pace, Reader, Wait};
use crate::readers::sending_time::SendingTime;
use crate::tracks::Layer;

/// The readers of one layer.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    pub viewers: ReaderSet<SenderKey>,
    pub workers: ReaderSet<ChildKey>,
    /// Viewers that are sent something else until there is something here to begin with.
    pub awaiting: ReaderSet<SenderKey>,
    /// Up to where all viewers that are live have read.
    live: u64,
    pass: Option<Pass>,
    /// Of what goes to the live viewers.
    pub sending: SendingTime,
}

/// The packets that the live viewers are reading, and where in their list it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub from: u64,
    pub to: u64,
    place: usize,
    /// Places that may still hold somebody who has not read them.
    left: usize,
}

impl Audience {
    /// Number of the first packet that no viewer has as live.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Number of the first packet of the pass under way.
    pub fn pass_start(&self) -> Option<u64> {
        self.pass.map(|pass| pass.from)
    }

    pub fn is_in_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// A viewer reads the layer from what comes next.
    pub fn subscribe(&mut self, viewer: SenderKey) {
        self.viewers.insert(viewer, self.live);
        self.look_again();
    }

    pub fn unsubscribe(&mut self, viewer: SenderKey) {
        self.viewers.remove(viewer);
        self.look_again();
    }

    /// True if it was among the viewers or waited to be.
    pub fn forget_session(&mut self, session: SessionKey) -> bool {
        let before = self.viewers.len() + self.awaiting.len();
        self.viewers.retain(|viewer| viewer.session() != session);
        self.awaiting.retain(|viewer| viewer.session() != session);
        self.look_again();
        before != self.viewers.len() + self.awaiting.len()
    }

    /// Whoever moved in the list is not to be missed by the pass under way; who has read it is told by its position.
    fn look_again(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.left = self.viewers.len();
        }
    }

    /// The packets of the next pass, at most `count_max`, and whether it just began: those of the pass under way, or
    /// a new one. `None` when the live viewers have read all there is.
    pub fn begin_pass(&mut self, layer: &mut Layer, count_max: u64) -> Option<(Pass, bool)> {
        if let Some(pass) = self.pass {
            return Some((pass, false));
        }
        let history = layer.history.as_ref()?;
        let from = self.live.max(history.oldest());
        let to = history.next().min(from + count_max);
        if from >= to {
            self.live = from;
            layer.note_read();
            return None;
        }
        let pass = Pass { from, to, place: 0, left: self.viewers.len() };
        self.pass = Some(pass);
        Some((pass, true))
    }

    /// The place of the next viewer that is live and has not read this pass.
    #[inline]
    pub fn next_of_pass(&mut self) -> Option<usize> {
        let pass = self.pass.as_mut()?;
        while pass.left > 0 {
            if pass.place >= self.viewers.len() {
                pass.place = 0;
            }
            let reader = self.viewers.at(pass.place)?;
            if reader.is_live() && reader.next < pass.to {
                return Some(pass.place);
            }
            pass.place += 1;
            pass.left -= 1;
        }
        None
    }

    /// Those in the list from this place on, so many at most.
    #[inline]
    pub fn upcoming(&self, place: usize, count: usize) -> impl Iterator<Item = SenderKey> {
        self.viewers.list.iter().skip(place).take(count).map(|reader| reader.sink)
    }

    /// The viewer at this place reads the pass.
    #[inline]
    pub fn read_pass(&mut self, place: usize) -> Option<SenderKey> {
        let pass = self.pass.as_mut()?;
        let reader = self.viewers.list.get_mut(place)?;
        reader.next = pass.to;
        pass.place = place + 1;
        pass.left = pass.left.saturating_sub(1);
        Some(reader.sink)
    }

    /// All live viewers have the packets of the pass.
    pub fn end_pass(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.live = pass.to;
        }
    }

    /// Nobody here watches: nothing waits for a pass.
    pub fn skip_to(&mut self, next: u64) {
        (self.live, self.pass) = (next, None);
    }

    /// The history begins anew, and all viewers with it.
    pub fn restart(&mut self) {
        self.skip_to(0);
        for reader in &mut self.viewers.list {
            *reader = Reader::new(reader.sink, 0);
        }
    }

    /// From now on nothing live is for this viewer until it has caught up.
    pub fn admit(&mut self, viewer: SenderKey) {
        if let Some(reader) = self.viewers.get_mut(viewer) {
            reader.pace = Pace::Admitted(Wait::default());
        }
    }

    /// From this packet on the viewer reads as its budget allows.
    pub fn pace(&mut self, viewer: SenderKey, next: u64) {
        if let Some(reader) = self.viewers.get_mut(viewer) {
            (reader.next, reader.pace) = (next, Pace::Paced);
        }
    }

    /// From now on nothing is for this viewer until it goes on with what is live then.
    pub fn silence(&mut self, viewer: SenderKey) {
        if let Some(reader) = self.viewers.get_mut(viewer) {
            reader.pace = Pace::Silenced;
        }
    }

    /// A viewer that was behind or silenced, or was to be, goes on with what is live.
    pub fn go_live(&mut self, viewer: SenderKey) {
        let live = self.live;
        if let Some(reader) = self.viewers.get_mut(viewer) {
            *reader = Reader::new(viewer, live);
            self.look_again();
        }
    }
}

/// Readers in an order that can be gone through piece by piece. They come and go in constant time: a stream has
/// thousands, and they come, go and switch all at once.
#[derive(Debug)]
pub(crate) struct ReaderSet<S> {
    list: Vec<Reader<S>>,
    /// Of each, where it stands in the list.
    places: Index<S, usize>,
}

impl<S> Default for ReaderSet<S> {
    fn default() -> ReaderSet<S> {
        ReaderSet { list: Vec::new(), places: Index::default() }
    }
}

impl<S: Key> ReaderSet<S> {
    /// Once, however often it comes.
    pub fn insert(&mut self, sink: S, next: u64) {
        let last = self.list.len();
        if *self.places.entry(sink).or_insert(last) == last {
            self.list.push(Reader::new(sink, next));
        }
    }

    /// The last one takes its place.
    pub fn remove(&mut self, sink: S) {
        let Some(place) = self.places.remove(&sink) else { return };
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.sink, place);
        }
    }

    fn retain(&mut self, stays: impl Fn(S) -> bool) {
        self.list.retain(|reader| stays(reader.sink));
        self.places = self.list.iter().enumerate().map(|(place, reader)| (reader.sink, place)).collect();
    }

    pub fn get_mut(&mut self, sink: S) -> Option<&mut Reader<S>> {
        self.list.get_mut(*self.places.get(&sink)?)
    }

    pub fn place(&self, sink: S) -> Option<usize> {
        self.places.get(&sink).copied()
    }

    #[inline]
    pub fn at_mut(&mut self, place: usize) -> Option<&mut Reader<S>> {
        self.list.get_mut(place)
    }

    #[inline]
    pub fn at(&self, place: usize) -> Option<&Reader<S>> {
        self.list.get(place)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Reader<S>> {
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
mod tests;

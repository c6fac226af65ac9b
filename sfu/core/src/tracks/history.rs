//! Owns the opened packets of one received track: the queue of the current tick and, behind it, what
//! viewers may still ask for again. Never decides what to send, and never allocates per packet.

use std::collections::VecDeque;

pub use budget::CacheBudget;
pub use entry::{Arrived, Entry};
pub use gop::{Gop, GopState, PACKETS_MAX as GOP_PACKETS_MAX};

/// A ring of packets in order of arrival, found again by number (tick) or by sequence (repairs).
///
/// What is kept is what viewers may ask for again, which is of the last seconds, and the last key frame with all
/// since then, as long as a viewer could begin with it and the worker's budget allows. Payloads lie in chunks that
/// are filled one after the other. The oldest chunk is filled again once nothing in it is to be kept; until then the
/// history grows by one chunk at a time, so that a quiet track stays small, and shrinks when it was too big for long.
pub struct History {
    limits: HistoryLimits,
    entries: Box<[Entry]>,
    /// Where a sequence was last stored: its low bits choose the place, the entry confirms it.
    by_sequence: Box<[u32]>,
    oldest: u64,
    next: u64,
    chunks: Vec<Box<[u8]>>,
    /// Chunk indices, oldest first; the last one is being filled.
    order: VecDeque<u16>,
    /// Indices of chunks that were given back.
    vacant: Vec<u16>,
    filled: usize,
    /// Times in a row that more than one chunk was left over when the next one was needed.
    surplus_turns: usize,
    /// Since the newest key frame; `None` when the newest packets are of a run that had none yet.
    gop: Option<Gop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// A power of two, as is the next.
    pub packets_max: usize,
    /// Places for packets at first; they double when they do not suffice.
    pub packets_first: usize,
    pub chunk_bytes: usize,
    pub chunks_max: usize,
    /// Older packets make room before the history grows, unless they belong to the cached group of pictures.
    pub keep_ms: u32,
}

impl HistoryLimits {
    /// The longest group of pictures that is cached, and what lies beside its payloads: 9 MB.
    pub const VIDEO: Self =
        Self { packets_max: 8_192, packets_first: 128, chunk_bytes: 32 << 10, chunks_max: 288, keep_ms: 2_000 };
    /// 2.5 s of 20 ms packets and never more than 256 KiB.
    pub const AUDIO: Self =
        Self { packets_max: 128, packets_first: 64, chunk_bytes: 16 << 10, chunks_max: 16, keep_ms: 2_000 };
}

impl History {
    pub fn new(limits: HistoryLimits) -> History {
        assert!(limits.packets_max.is_power_of_two() && limits.packets_first.is_power_of_two());
        assert!(limits.chunk_bytes <= 1 << 16, "an offset has 16 bits");
        assert!(limits.chunk_bytes >= PACKET_BYTES_MAX + EXTENSIONS_BYTES_MAX + PADDING_BYTES_MAX);
        History {
            limits,
            entries: vec![Entry::EMPTY; limits.packets_first].into(),
            by_sequence: vec![0; limits.packets_first].into(),
            oldest: 0,
            next: 0,
            chunks: Vec::new(),
            order: VecDeque::new(),
            vacant: Vec::new(),
            filled: 0,
            surplus_turns: 0,
            gop: None,
        }
    }

    /// Number of the next packet; numbers count arrivals and never repeat.
    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Keeps a packet, in memory that counts against `budget`. `None` when it is longer than a packet of ours may be.
    pub fn push(
        &mut self,
        budget: &mut CacheBudget,
        packet: Arrived,
        extensions: &[u8],
        payload: &[u8],
    ) -> Option<u64> {
        if payload.len() > PACKET_BYTES_MAX || extensions.len() > EXTENSIONS_BYTES_MAX {
            return None;
        }
        let len = extensions.len() + payload.len() + PADDING_BYTES_MAX;
        let (chunk, offset) = self.room_for(len, packet.at_ms, budget);
        let place = self.chunks.get_mut(usize::from(chunk))?.get_mut(offset..offset + len)?;
        let (head, tail) = place.split_at_mut(extensions.len());
        head.copy_from_slice(extensions);
        tail.get_mut(..payload.len())?.copy_from_slice(payload);
        self.make_place(packet.at_ms);
        let number = self.next;
        let place = self.place(number);
        self.entries[place] = Entry {
            packet,
            chunk,
            offset: offset as u16,
            payload_len: payload.len() as u16,
            extensions_len: extensions.len() as u8,
            padding: 0,
        };
        let place = self.place(packet.sequence);
        self.by_sequence[place] = number as u32;
        self.filled = offset + len;
        self.next += 1;
        self.note(number, &packet, payload.len());
        Some(number)
    }

    /// The last key frame and what is there of what followed it.
    pub fn newest_gop(&self) -> Option<Gop> {
        self.gop.filter(|gop| gop.number >= self.oldest)
    }

    /// Whether whoever joins can begin with what is here, and why not.
    pub fn gop_state(&self) -> GopState {
        self.gop.as_ref().map_or(GopState::NoKeyframe, Gop::state)
    }

    /// The last key frame and all that followed it, if nothing of it is missing and it is short enough to be sent
    /// at once to whoever joins.
    pub fn cached_gop(&self) -> Option<Gop> {
        self.newest_gop().filter(|gop| gop.state() == GopState::Cached)
    }

    fn note(&mut self, number: u64, packet: &Arrived, bytes: usize) {
        let known = self.gop.as_mut().filter(|gop| !gop.is_followed_by(packet));
        if let Some(gop) = known {
            if gop.is_outdated_by(packet) {
                self.gop = None;
            } else {
                gop.add(number, packet, bytes);
                return;
            }
        }
        if packet.starts_picture() {
            let mut gop = Gop::new(number, packet, bytes);
            for earlier in (self.oldest.max(number.saturating_sub(REORDERED_MAX))..number).rev() {
                let Some(entry) = self.entry(earlier) else { break };
                let are_its_sets = entry.packet.sets_only && entry.packet.timestamp == packet.timestamp;
                if entry.packet.sequence > packet.sequence || are_its_sets {
                    gop.add(earlier, &entry.packet, entry.payload_len());
                }
            }
            self.gop = Some(gop);
        }
    }

    /// The packet with this number, while it is kept.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        (self.oldest..self.next).contains(&number).then(|| &self.entries[self.place(number)])
    }

    /// The packet with this sequence, while it is kept.
    pub fn find(&self, sequence: u64) -> Option<&Entry> {
        let low = self.by_sequence[self.place(sequence)];
        let back = (self.next as u32).wrapping_sub(low);
        let entry = self.entry(self.next.checked_sub(u64::from(back))?)?;
        (entry.packet.sequence == sequence).then_some(entry)
    }

    /// Header extensions in the order and form they were pushed in.
    pub fn extensions(&self, entry: &Entry) -> &[u8] {
        let start = usize::from(entry.offset);
        &self.chunks[usize::from(entry.chunk)][start..start + entry.extensions_len()]
    }

    /// The payload and its padding.
    pub fn payload(&self, entry: &Entry) -> &[u8] {
        let start = usize::from(entry.offset) + entry.extensions_len();
        &self.chunks[usize::from(entry.chunk)][start..start + entry.payload_len()]
    }

    /// Header extensions and payload as they were pushed, without padding: what goes to another worker.
    pub fn body(&self, entry: &Entry) -> &[u8] {
        let start = usize::from(entry.offset);
        &self.chunks[usize::from(entry.chunk)][start..start + entry.body_len()]
    }

    /// Adds `count` bytes of RTP padding once. The packet keeps them for ever, because a packet that is
    /// sealed twice under one index must have the same bytes (RFC 7714 section 8.1).
    pub fn pad(&mut self, number: u64, count: u8) {
        if usize::from(count) > PADDING_BYTES_MAX || count == 0 || self.entry(number).is_none_or(Entry::is_padded) {
            return;
        }
        let place = self.place(number);
        let entry = &mut self.entries[place];
        let end = usize::from(entry.offset) + entry.extensions_len() + usize::from(entry.payload_len);
        let tail = &mut self.chunks[usize::from(entry.chunk)][end..end + usize::from(count)];
        tail.fill(0);
        tail[usize::from(count) - 1] = count;
        entry.padding = count;
    }

    /// Memory held for payloads, in bytes.
    pub fn bytes(&self) -> usize {
        (self.chunks.len() - self.vacant.len()) * self.limits.chunk_bytes
    }

    fn place(&self, number: u64) -> usize {
        number as usize & (self.entries.len() - 1)
    }

    /// A place among the entries for one more packet: that of one that is not to be kept, or a new one.
    fn make_place(&mut self, now_ms: u32) {
        let count = self.entries.len();
        if self.next - self.oldest < count as u64 {
            return;
        }
        let is_kept = self.entry(self.oldest).is_some_and(|entry| self.keeps(self.oldest, &entry.packet, now_ms));
        if !is_kept || count >= self.limits.packets_max {
            self.give_up_to(self.oldest + 1, GopState::TooBig);
            return;
        }
        let mut entries = vec![Entry::EMPTY; count * 2].into_boxed_slice();
        let mut by_sequence = vec![0; count * 2].into_boxed_slice();
        for number in self.oldest..self.next {
            let entry = self.entries[self.place(number)];
            entries[number as usize & (count * 2 - 1)] = entry;
            by_sequence[entry.packet.sequence as usize & (count * 2 - 1)] = number as u32;
        }
        (self.entries, self.by_sequence) = (entries, by_sequence);
    }

    /// Whether a packet is recent, or of a group of pictures that somebody may begin with.
    fn keeps(&self, number: u64, packet: &Arrived, now_ms: u32) -> bool {
        self.is_recent(packet, now_ms) || self.is_cached(number)
    }

    fn is_recent(&self, packet: &Arrived, now_ms: u32) -> bool {
        now_ms.wrapping_sub(packet.at_ms) <= self.limits.keep_ms
    }

    fn is_cached(&self, number: u64) -> bool {
        self.gop.is_some_and(|gop| number >= gop.number && gop.may_be_cached())
    }

    /// The chunk and offset for `len` more bytes; moves on to the next chunk when the current one is full.
    fn room_for(&mut self, len: usize, now_ms: u32, budget: &mut CacheBudget) -> (u16, usize) {
        if let Some(current) = self.order.back().filter(|_| self.filled + len <= self.limits.chunk_bytes) {
            return (*current, self.filled);
        }
        let chunk = match self.decide_chunk(now_ms, budget) {
            ChunkChoice::Grow => self.grow(budget),
            ChunkChoice::Reuse(reason) => {
                self.shrink(now_ms, budget);
                match self.order.pop_front() {
                    Some(front) => {
                        self.give_up(front, reason);
                        front
                    }
                    None => self.grow(budget),
                }
            }
        };
        self.order.push_back(chunk);
        (chunk, 0)
    }

    fn decide_chunk(&self, now_ms: u32, budget: &CacheBudget) -> ChunkChoice {
        let Some((number, last)) = self.order.front().and_then(|front| self.last_of(*front)) else {
            // Nothing is left of the oldest chunk, or there is none.
            return if self.order.is_empty() { ChunkChoice::Grow } else { ChunkChoice::Reuse(GopState::TooBig) };
        };
        let (is_recent, is_cached) = (self.is_recent(&last, now_ms), self.is_cached(number));
        if self.order.len() >= self.limits.chunks_max || !is_recent && !is_cached {
            ChunkChoice::Reuse(GopState::TooBig)
        } else if is_recent || budget.has_room(self.limits.chunk_bytes) {
            ChunkChoice::Grow
        } else {
            ChunkChoice::Reuse(GopState::OverBudget)
        }
    }

    fn grow(&mut self, budget: &mut CacheBudget) -> u16 {
        budget.take(self.limits.chunk_bytes);
        self.surplus_turns = 0;
        let chunk = vec![0; self.limits.chunk_bytes].into_boxed_slice();
        match self.vacant.pop() {
            Some(at) => {
                self.chunks[usize::from(at)] = chunk;
                at
            }
            None => {
                self.chunks.push(chunk);
                (self.chunks.len() - 1) as u16
            }
        }
    }

    /// Gives the oldest chunk back when another one would do, and did for twice as long as it takes to go round: a
    /// group of pictures that grows needs at its end what is left over at its start.
    fn shrink(&mut self, now_ms: u32, budget: &mut CacheBudget) {
        let second = self.order.get(1).copied().filter(|_| self.order.len() > CHUNKS_MIN);
        let is_left_over = second
            .is_some_and(|chunk| self.last_of(chunk).is_none_or(|(number, last)| !self.keeps(number, &last, now_ms)));
        self.surplus_turns = if is_left_over { self.surplus_turns + 1 } else { 0 };
        if self.surplus_turns > 2 * self.order.len()
            && let Some(front) = self.order.pop_front()
        {
            self.give_up(front, GopState::TooBig);
            self.chunks[usize::from(front)] = Box::default();
            self.vacant.push(front);
            budget.give_back(self.limits.chunk_bytes);
        }
    }

    /// The track is over. What its packets took is the worker's again.
    pub fn release(&self, budget: &mut CacheBudget) {
        budget.give_back(self.bytes());
    }

    /// Number and description of the newest packet of a chunk that is the oldest or the one after it.
    fn last_of(&self, chunk: u16) -> Option<(u64, Arrived)> {
        let first = (self.oldest..self.next).find(|n| self.entry(*n).is_some_and(|entry| entry.chunk == chunk))?;
        let of_chunk = |n: &u64| self.entry(*n).filter(|entry| entry.chunk == chunk).map(|entry| (*n, entry.packet));
        (first..self.next).map_while(|n| of_chunk(&n)).last()
    }

    fn give_up(&mut self, chunk: u16, reason: GopState) {
        let of_chunk = |number: &u64| self.entries[self.place(*number)].chunk == chunk;
        let end = (self.oldest..self.next).find(|number| !of_chunk(number)).unwrap_or(self.next);
        self.give_up_to(end, reason);
    }

    /// Forgets all packets before this number; if one of them is of the cached pictures, for this reason.
    fn give_up_to(&mut self, number: u64, reason: GopState) {
        self.oldest = self.oldest.max(number);
        if let Some(gop) = self.gop.as_mut().filter(|gop| gop.number < number) {
            gop.give_up(reason);
        }
    }
}

/// Where the next packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkChoice {
    Grow,
    /// Over the oldest packets; if they are of the cached pictures, for this reason.
    Reuse(GopState),
}

/// Longest payload that is kept and forwarded, in bytes: an Ethernet frame and then some.
pub const PACKET_BYTES_MAX: usize = 1600;
/// Most bytes of header extensions kept per packet.
pub const EXTENSIONS_BYTES_MAX: usize = 255;
/// A start of a key frame is overtaken by at most this many packets that follow it, or its picture counts as
/// incomplete.
const REORDERED_MAX: u64 = 64;
/// Chunks that a history keeps whatever it holds.
const CHUNKS_MIN: usize = 2;
/// Most RTP padding that may be added to a packet, in bytes.
pub const PADDING_BYTES_MAX: usize = 16;

mod budget;
mod entry;
mod gop;
#[cfg(test)]
mod tests;

//! Owns the opened packets of one received track: the queue of the current tick and, behind it, what
//! viewers may still ask for again. Never decides what to send, and never allocates per packet.

use std::collections::VecDeque;

pub use gop::{Gop, PACKETS_MAX as GOP_PACKETS_MAX};

/// A ring of packets in order of arrival, found again by number (tick) or by sequence (repairs).
///
/// Payloads lie in chunks that are filled one after the other. A full history gives up its oldest chunk;
/// until then it grows by one chunk at a time, so that a quiet track stays small.
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
    filled: usize,
    /// Since the newest key frame; `None` when the newest packets are of a run that had none yet.
    gop: Option<Gop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// A power of two.
    pub packets_max: usize,
    pub chunk_bytes: usize,
    pub chunks_max: usize,
    /// Older packets make room before the history grows.
    pub keep_ms: u32,
}

impl HistoryLimits {
    /// About 4 s at 5 Mbit/s and never more than 4 MiB: whoever joins starts at the last key frame in it.
    pub const VIDEO: Self = Self { packets_max: 2048, chunk_bytes: 64 << 10, chunks_max: 64, keep_ms: 4_000 };
    /// 2.5 s of 20 ms packets and never more than 256 KiB.
    pub const AUDIO: Self = Self { packets_max: 128, chunk_bytes: 16 << 10, chunks_max: 16, keep_ms: 2_000 };
}

/// What is remembered of a packet beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Sequence of the track: extended, and continuing upwards when the publisher changes its SSRC.
    pub sequence: u64,
    pub timestamp: u32,
    /// Which run of an SSRC this belongs to; a viewer starts afresh when it changes.
    pub generation: u32,
    pub payload_type: u8,
    pub marker: bool,
    /// A decoder can start here.
    pub keyframe: bool,
    /// It can if a key frame with the same timestamp follows: these are only its parameter sets.
    pub sets_only: bool,
    /// Nothing more is expected at once: the end of a frame, or audio.
    pub ends_burst: bool,
    /// Milliseconds on the owner's clock.
    pub at_ms: u32,
}

impl Arrived {
    pub fn starts_picture(&self) -> bool {
        self.keyframe && !self.sets_only
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub packet: Arrived,
    chunk: u16,
    offset: u16,
    payload_len: u16,
    extensions_len: u8,
    /// RTP padding (RFC 3550 section 5.1) behind the payload, its count included.
    padding: u8,
}

impl Entry {
    pub fn payload_len(&self) -> usize {
        usize::from(self.payload_len) + usize::from(self.padding)
    }

    pub fn body_len(&self) -> usize {
        usize::from(self.extensions_len) + usize::from(self.payload_len)
    }

    /// Whether there is no payload: the packet was padding alone.
    pub fn is_empty(&self) -> bool {
        self.payload_len == 0
    }

    pub fn extensions_len(&self) -> usize {
        usize::from(self.extensions_len)
    }

    /// For RTX: a repeat has an index of its own and need not be as long as the original.
    pub fn without_padding(&self) -> Entry {
        Entry { padding: 0, ..*self }
    }

    pub fn is_padded(&self) -> bool {
        self.padding > 0
    }
}

impl History {
    pub fn new(limits: HistoryLimits) -> History {
        assert!(limits.packets_max.is_power_of_two() && limits.chunk_bytes <= 1 << 16, "limits are constants of ours");
        assert!(limits.chunk_bytes >= PACKET_BYTES_MAX + EXTENSIONS_BYTES_MAX + PADDING_BYTES_MAX);
        History {
            limits,
            entries: vec![Entry::EMPTY; limits.packets_max].into(),
            by_sequence: vec![0; limits.packets_max].into(),
            oldest: 0,
            next: 0,
            chunks: Vec::with_capacity(limits.chunks_max),
            order: VecDeque::with_capacity(limits.chunks_max),
            filled: 0,
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

    /// Keeps a packet. `None` when it is longer than a packet of ours may be.
    pub fn push(&mut self, packet: Arrived, extensions: &[u8], payload: &[u8]) -> Option<u64> {
        if payload.len() > PACKET_BYTES_MAX || extensions.len() > EXTENSIONS_BYTES_MAX {
            return None;
        }
        let len = extensions.len() + payload.len() + PADDING_BYTES_MAX;
        let (chunk, offset) = self.room_for(len, packet.at_ms);
        let place = self.chunks.get_mut(usize::from(chunk))?.get_mut(offset..offset + len)?;
        let (head, tail) = place.split_at_mut(extensions.len());
        head.copy_from_slice(extensions);
        tail.get_mut(..payload.len())?.copy_from_slice(payload);
        if self.next - self.oldest == self.entries.len() as u64 {
            self.oldest += 1;
        }
        let number = self.next;
        let slot = self.slot(number);
        self.entries[slot] = Entry {
            packet,
            chunk,
            offset: offset as u16,
            payload_len: payload.len() as u16,
            extensions_len: extensions.len() as u8,
            padding: 0,
        };
        let slot = self.slot(packet.sequence);
        self.by_sequence[slot] = number as u32;
        self.filled = offset + len;
        self.next += 1;
        self.note(number, &packet, payload.len());
        Some(number)
    }

    /// The last key frame and what is there of what followed it.
    pub fn newest_gop(&self) -> Option<Gop> {
        self.gop.filter(|gop| gop.number >= self.oldest)
    }

    /// The last key frame and all that followed it, if nothing of it is missing and it is short enough to be sent
    /// at once to whoever joins.
    pub fn cached_gop(&self) -> Option<Gop> {
        self.newest_gop().filter(Gop::is_servable)
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
        (self.oldest..self.next).contains(&number).then(|| &self.entries[self.slot(number)])
    }

    /// The packet with this sequence, while it is kept.
    pub fn find(&self, sequence: u64) -> Option<&Entry> {
        let low = self.by_sequence[self.slot(sequence)];
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
        let slot = self.slot(number);
        let entry = &mut self.entries[slot];
        let end = usize::from(entry.offset) + entry.extensions_len() + usize::from(entry.payload_len);
        let tail = &mut self.chunks[usize::from(entry.chunk)][end..end + usize::from(count)];
        tail.fill(0);
        tail[usize::from(count) - 1] = count;
        entry.padding = count;
    }

    /// Memory held for payloads, in bytes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.chunks.len() * self.limits.chunk_bytes
    }

    fn slot(&self, number: u64) -> usize {
        number as usize & (self.entries.len() - 1)
    }

    /// The chunk and offset for `len` more bytes; moves on to the next chunk when the current one is full.
    fn room_for(&mut self, len: usize, now_ms: u32) -> (u16, usize) {
        if let Some(current) = self.order.back().filter(|_| self.filled + len <= self.limits.chunk_bytes) {
            return (*current, self.filled);
        }
        let full = self.chunks.len() >= self.limits.chunks_max;
        let reusable = self.order.front().copied().filter(|front| full || !self.holds_recent(*front, now_ms));
        let chunk = match reusable {
            Some(front) => {
                self.order.pop_front();
                self.give_up(front);
                front
            }
            None => {
                self.chunks.push(vec![0; self.limits.chunk_bytes].into());
                (self.chunks.len() - 1) as u16
            }
        };
        self.order.push_back(chunk);
        (chunk, 0)
    }

    /// Whether the oldest chunk still has packets worth keeping: its last one tells.
    fn holds_recent(&self, chunk: u16, now_ms: u32) -> bool {
        let last = (self.oldest..self.next).map_while(|n| self.entry(n).filter(|e| e.chunk == chunk)).last();
        last.is_some_and(|entry| now_ms.wrapping_sub(entry.packet.at_ms) <= self.limits.keep_ms)
    }

    fn give_up(&mut self, chunk: u16) {
        while self.oldest < self.next && self.entries[self.slot(self.oldest)].chunk == chunk {
            self.oldest += 1;
        }
    }
}

impl Entry {
    const EMPTY: Entry = Entry {
        packet: Arrived {
            sequence: u64::MAX,
            timestamp: 0,
            generation: 0,
            payload_type: 0,
            marker: false,
            keyframe: false,
            sets_only: false,
            ends_burst: false,
            at_ms: 0,
        },
        chunk: 0,
        offset: 0,
        payload_len: 0,
        extensions_len: 0,
        padding: 0,
    };
}

/// Longest payload that is kept and forwarded, in bytes: an Ethernet frame and then some.
pub const PACKET_BYTES_MAX: usize = 1600;
/// Most bytes of header extensions kept per packet.
pub const EXTENSIONS_BYTES_MAX: usize = 255;
/// A start of a key frame is overtaken by at most this many packets that follow it, or its picture counts as
/// incomplete.
const REORDERED_MAX: u64 = 64;
/// Most RTP padding that may be added to a packet, in bytes.
pub const PADDING_BYTES_MAX: usize = 16;

mod gop;
#[cfg(test)]
mod tests;

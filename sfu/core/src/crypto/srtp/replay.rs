//! Owns the SRTP index of one received SSRC: guessing the roll-over counter and refusing what was seen
//! before (RFC 3711 sections 3.3.1 and 3.3.2). Plain data.

/// Wide enough for a retransmission that comes a second late at 1,000 packets per second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayWindow {
    /// Highest index accepted; meaningful once `started`.
    highest: u64,
    started: bool,
    /// Bit n of the ring stands for the newest index ≡ n (mod [`WINDOW_BITS`]).
    seen: [u64; WINDOW_WORDS],
}

impl ReplayWindow {
    /// A stream whose roll-over counter is 0, as each SSRC has it at its start.
    pub fn new() -> ReplayWindow {
        ReplayWindow { highest: 0, started: false, seen: [0; WINDOW_WORDS] }
    }

    /// A stream that had come to `highest`; all up to it counts as received.
    pub fn resumed(highest: u64) -> ReplayWindow {
        ReplayWindow { highest, started: true, seen: [u64::MAX; WINDOW_WORDS] }
    }

    /// The index (ROC × 2^16 + SEQ) nearest to the highest so far (RFC 3711 appendix A). Below an index of
    /// 2^15 there is no earlier cycle to guess.
    pub fn guess(&self, seq: u16) -> u64 {
        if !self.started {
            return u64::from(seq);
        }
        let roc = self.highest >> 16;
        let last = (self.highest & 0xffff) as u16;
        let roc = if last < HALF_CIRCLE && seq.saturating_sub(last) > HALF_CIRCLE {
            roc.saturating_sub(1)
        } else if last >= HALF_CIRCLE && last - HALF_CIRCLE > seq {
            roc + 1
        } else {
            roc
        };
        (roc & ROC_MASK) << 16 | u64::from(seq)
    }

    /// Whether a packet with this index may be new: to ask before opening it.
    pub fn check(&self, index: u64) -> bool {
        if !self.started || index > self.highest {
            return true;
        }
        self.highest - index < WINDOW_BITS && !self.has(index)
    }

    /// To call once the packet's tag has proven genuine, never before.
    pub fn accept(&mut self, index: u64) {
        if !self.started {
            self.started = true;
            self.highest = index;
        } else if index > self.highest {
            self.forget(index);
            self.highest = index;
        } else if self.highest - index >= WINDOW_BITS {
            return;
        }
        let (word, bit) = place(index);
        self.seen[word] |= bit;
    }

    /// Highest index accepted so far.
    pub fn highest(&self) -> Option<u64> {
        self.started.then_some(self.highest)
    }

    fn has(&self, index: u64) -> bool {
        let (word, bit) = place(index);
        self.seen[word] & bit != 0
    }

    /// Clears the places of the indices between the highest and `index`, which they take over.
    fn forget(&mut self, index: u64) {
        if index - self.highest >= WINDOW_BITS {
            self.seen = [0; WINDOW_WORDS];
            return;
        }
        for skipped in self.highest + 1..=index {
            let (word, bit) = place(skipped);
            self.seen[word] &= !bit;
        }
    }
}

impl Default for ReplayWindow {
    fn default() -> ReplayWindow {
        ReplayWindow::new()
    }
}

/// The word and the bit in it; the modulus keeps the word inside the array.
fn place(index: u64) -> (usize, u64) {
    let bit = index % WINDOW_BITS;
    ((bit / 64) as usize, 1 << (bit % 64))
}

const WINDOW_WORDS: usize = 16;
const WINDOW_BITS: u64 = WINDOW_WORDS as u64 * 64;
const HALF_CIRCLE: u16 = 1 << 15;
const ROC_MASK: u64 = 0xffff_ffff;

#[cfg(test)]
mod tests;

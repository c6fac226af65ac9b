//! Owns how much memory the histories of one worker may take together for groups of pictures that somebody may begin
//! with. What repairs need is not refused: it is bounded by time.

/// Bytes in use by all histories of a worker.
#[derive(Debug)]
pub struct CacheBudget {
    used: usize,
    bytes_max: usize,
}

impl CacheBudget {
    pub fn new(bytes_max: usize) -> CacheBudget {
        CacheBudget { used: 0, bytes_max }
    }

    pub fn has_room(&self, bytes: usize) -> bool {
        self.used + bytes <= self.bytes_max
    }

    pub fn take(&mut self, bytes: usize) {
        self.used += bytes;
    }

    pub fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    pub fn used(&self) -> usize {
        self.used
    }
}

impl Default for CacheBudget {
    fn default() -> CacheBudget {
        CacheBudget::new(BYTES_MAX)
    }
}

/// 32 tracks with the longest group of pictures, or a thousand of 2 Mbit/s with one of a second.
const BYTES_MAX: usize = 256 << 20;

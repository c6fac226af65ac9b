//! Owns the measured rate of one encoding. Never decides what follows from it.

/// Bytes and frames of the last full interval.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayerMeter {
    began_ms: Option<u32>,
    bytes: u64,
    frames: u32,
    bits_per_second: u64,
    frames_per_second: u16,
}

impl LayerMeter {
    #[inline]
    pub fn add(&mut self, bytes: usize, ends_frame: bool, at_ms: u32) {
        let began_ms = *self.began_ms.get_or_insert(at_ms);
        let elapsed = at_ms.wrapping_sub(began_ms);
        if elapsed >= INTERVAL_MS {
            let elapsed = u64::from(elapsed);
            self.bits_per_second = self.bytes * 8_000 / elapsed;
            self.frames_per_second = (u64::from(self.frames) * 1_000).div_ceil(elapsed).min(u64::from(u16::MAX)) as u16;
            (self.began_ms, self.bytes, self.frames) = (Some(at_ms), 0, 0);
        }
        self.bytes += bytes as u64;
        self.frames += u32::from(ends_frame);
    }

    /// 0 before the first interval is over.
    pub fn bits_per_second(&self) -> u64 {
        self.bits_per_second
    }

    pub fn frames_per_second(&self) -> u16 {
        self.frames_per_second
    }
}

const INTERVAL_MS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_packets_gives_their_rate() {
        let mut meter = LayerMeter::default();
        for at in 0..=60 {
            meter.add(500, true, at * 33);
        }
        assert!((119_000..123_000).contains(&meter.bits_per_second()), "{}", meter.bits_per_second());
        assert!((30..=31).contains(&meter.frames_per_second()), "{}", meter.frames_per_second());
    }
}

//! Owns the measured rate of one encoding. Never decides what follows from it.

/// Bytes and frames of the last full intervals.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayerMeter {
    began_ms: Option<u32>,
    bytes: u64,
    frames: u32,
    /// Bits per second of the last intervals, the newest first; 0 for those that are still to come.
    rates: [u64; INTERVALS],
    frames_per_second: u16,
}

impl LayerMeter {
    /// True if an interval is over with that.
    #[inline]
    pub fn add(&mut self, bytes: usize, ends_frame: bool, at_ms: u32) -> bool {
        let began_ms = *self.began_ms.get_or_insert(at_ms);
        let elapsed = at_ms.wrapping_sub(began_ms);
        let is_over = elapsed >= INTERVAL_MS;
        if is_over {
            let elapsed = u64::from(elapsed);
            self.rates.rotate_right(1);
            self.rates[0] = self.bytes * 8_000 / elapsed;
            self.frames_per_second = (u64::from(self.frames) * 1_000).div_ceil(elapsed).min(u64::from(u16::MAX)) as u16;
            (self.began_ms, self.bytes, self.frames) = (Some(at_ms), 0, 0);
        }
        self.bytes += (bytes + HEADER_BYTES) as u64;
        self.frames += u32::from(ends_frame);
        is_over
    }

    /// It does not come for a while because nobody watches it. What it brought until then holds for when it does.
    pub fn pause(&mut self) {
        (self.began_ms, self.bytes, self.frames) = (None, 0, 0);
    }

    /// What it takes of a line, headers included: the second largest of the last intervals, so that one key frame more than
    /// usual says nothing, and a rise is believed when it lasts. 0 before the first interval is over.
    pub fn bits_per_second(&self) -> u64 {
        let mut rates = self.rates;
        rates.sort_unstable_by(|a, b| b.cmp(a));
        if rates[1] > 0 { rates[1] } else { rates[0] }
    }

    /// Of the last interval alone.
    pub fn last_bits_per_second(&self) -> u64 {
        self.rates[0]
    }

    pub fn frames_per_second(&self) -> u16 {
        self.frames_per_second
    }
}

const INTERVAL_MS: u32 = 1_000;
const INTERVALS: usize = 4;
/// Of IP, UDP, RTP with a few extensions, and SRTP.
pub(super) const HEADER_BYTES: usize = 68;

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty frames of one packet each second.
    fn play(meter: &mut LayerMeter, seconds: std::ops::Range<u32>, bytes: usize) {
        for at in seconds.start * 30..seconds.end * 30 {
            meter.add(bytes, true, at * 1_000 / 30);
        }
    }

    #[test]
    fn a_second_of_packets_gives_their_rate_with_their_headers() {
        let mut meter = LayerMeter::default();
        play(&mut meter, 0..2, 432);
        assert!((119_000..121_000).contains(&meter.bits_per_second()), "{}", meter.bits_per_second());
        assert!((30..=31).contains(&meter.frames_per_second()), "{}", meter.frames_per_second());
    }

    #[test]
    fn a_pause_says_nothing_of_what_an_encoding_takes() {
        let mut meter = LayerMeter::default();
        play(&mut meter, 0..5, 432);
        let before = (meter.bits_per_second(), meter.frames_per_second());
        meter.pause();
        play(&mut meter, 60..61, 432);
        assert_eq!((meter.bits_per_second(), meter.frames_per_second()), before);
        play(&mut meter, 61..65, 932);
        assert!((235_000..245_000).contains(&meter.bits_per_second()), "{}", meter.bits_per_second());
    }

    #[test]
    fn one_key_frame_does_not_change_the_rate_and_a_rise_that_lasts_does() {
        let mut meter = LayerMeter::default();
        play(&mut meter, 0..5, 432);
        let before = meter.bits_per_second();
        meter.add(30_000, true, 5_000);
        play(&mut meter, 5..8, 432);
        assert_eq!(meter.bits_per_second(), before);
        play(&mut meter, 8..11, 932);
        assert!((235_000..245_000).contains(&meter.bits_per_second()), "{}", meter.bits_per_second());
    }
}

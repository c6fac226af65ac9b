//! Owns reading transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1): which packets
//! arrived, and when. Never judges what it says.

use crate::wire::rtp::Seq;

/// One feedback packet, complete: its chunks tell of as many packets as it promises, and each one received has its
/// delta.
#[derive(Debug, Clone)]
pub struct TransportFeedback<'a> {
    /// In multiples of 64 ms, 24 bits.
    pub reference_time: u32,
    statuses: Statuses<'a>,
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// `body` begins behind the two SSRCs.
    pub(super) fn parse(body: &'a [u8]) -> Option<TransportFeedback<'a>> {
        let (&[b0, b1, c0, c1, r0, r1, r2, _], chunks) = body.split_first_chunk::<8>()?;
        let left = u16::from_be_bytes([c0, c1]);
        if left == 0 || left > STATUSES_MAX {
            return None;
        }
        let statuses = Statuses { seq: Seq(u16::from_be_bytes([b0, b1])), left, chunk: Chunk::default(), chunks };
        let (mut rest, mut bytes) = (statuses.clone(), 0);
        while rest.left > 0 {
            bytes += rest.next_status()?.1.delta_bytes()?;
        }
        let deltas = rest.chunks.get(..bytes)?;
        Some(TransportFeedback { reference_time: u32::from_be_bytes([0, r0, r1, r2]), statuses, deltas })
    }

    /// Each packet in the order of their numbers, with its arrival in microseconds after the reference time; `None` for
    /// one that was not received.
    pub fn arrivals(&self) -> impl Iterator<Item = (Seq, Option<i64>)> + 'a {
        let (mut statuses, mut deltas, mut ticks) = (self.statuses.clone(), self.deltas, 0_i64);
        std::iter::from_fn(move || {
            let (seq, status) = statuses.next_status()?;
            let delta = match status {
                Status::SmallDelta => {
                    let (delta, rest) = deltas.split_first()?;
                    deltas = rest;
                    i64::from(*delta)
                }
                Status::LargeDelta => {
                    let (delta, rest) = deltas.split_first_chunk::<2>()?;
                    deltas = rest;
                    i64::from(i16::from_be_bytes(*delta))
                }
                Status::NotReceived | Status::Reserved => return Some((seq, None)),
            };
            ticks += delta;
            Some((seq, Some(ticks * TICK_US)))
        })
    }
}

#[derive(Debug, Clone)]
struct Statuses<'a> {
    seq: Seq,
    left: u16,
    chunk: Chunk,
    chunks: &'a [u8],
}

#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    word: u16,
    /// Statuses of it that are still to be read.
    left: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    NotReceived,
    SmallDelta,
    LargeDelta,
    Reserved,
}

impl Statuses<'_> {
    fn next_status(&mut self) -> Option<(Seq, Status)> {
        if self.left == 0 {
            return None;
        }
        while self.chunk.left == 0 {
            let (word, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = Chunk::new(u16::from_be_bytes(*word));
        }
        let (seq, status) = (self.seq, self.chunk.take());
        self.seq = Seq(seq.0.wrapping_add(1));
        self.left -= 1;
        Some((seq, status))
    }
}

impl Chunk {
    fn new(word: u16) -> Chunk {
        let left = match word >> 14 {
            0b10 => 14,
            0b11 => 7,
            _ => word & 0x1fff,
        };
        Chunk { word, left }
    }

    /// The next status; there is one.
    fn take(&mut self) -> Status {
        self.left -= 1;
        let code = match self.word >> 14 {
            0b10 => self.word >> self.left & 1,
            0b11 => self.word >> (2 * self.left) & 3,
            _ => self.word >> 13 & 3,
        };
        match code {
            0 => Status::NotReceived,
            1 => Status::SmallDelta,
            2 => Status::LargeDelta,
            _ => Status::Reserved,
        }
    }
}

impl Status {
    fn delta_bytes(self) -> Option<usize> {
        match self {
            Status::NotReceived => Some(0),
            Status::SmallDelta => Some(1),
            Status::LargeDelta => Some(2),
            Status::Reserved => None,
        }
    }
}

/// Packets that one feedback may tell of: four times as many as a sender remembers, so that few bytes of run lengths
/// don't keep it busy.
const STATUSES_MAX: u16 = 8_192;
const TICK_US: i64 = 250;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Option<Vec<(u16, Option<i64>)>> {
        Some(TransportFeedback::parse(body)?.arrivals().map(|(seq, at)| (seq.0, at)).collect())
    }

    #[test]
    fn runs_and_vectors_give_each_packet_its_arrival() {
        // From 65535 on: a run of two small deltas, then seven two-bit statuses of which three count.
        let chunks = [0x20, 0x02, 0b1100_1001, 0];
        let deltas = [4, 8, 0xff, 0xfc, 12];
        let body = [&[0xff, 0xff, 0, 5, 0, 0, 7, 1][..], &chunks, &deltas].concat();
        let expected = [(65_535, Some(1_000)), (0, Some(3_000)), (1, None), (2, Some(2_000)), (3, Some(5_000))];
        assert_eq!(read(&body).as_deref(), Some(&expected[..]));
        assert_eq!(TransportFeedback::parse(&body).map(|feedback| feedback.reference_time), Some(7));
        // One-bit statuses.
        let body = [0, 1, 0, 3, 0, 0, 0, 0, 0b1010_1000, 0, 1, 2];
        assert_eq!(read(&body), Some(vec![(1, Some(250)), (2, None), (3, Some(750))]));
    }

    #[test]
    fn what_does_not_keep_its_promises_is_refused() {
        let whole = [0, 1, 0, 2, 0, 0, 0, 0, 0x20, 0x02, 1, 2];
        assert!(read(&whole).is_some());
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{len} bytes");
        }
        let reserved = [0, 1, 0, 2, 0, 0, 0, 0, 0x60, 0x02, 1, 2];
        let of_nothing = [0, 1, 0, 0, 0, 0, 0, 0, 0x20, 0x02, 1, 2];
        let of_too_many = [0, 1, 0x20, 1, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff];
        assert_eq!((read(&reserved), read(&of_nothing), read(&of_too_many)), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(arrivals) = read(&body) {
                prop_assert!(arrivals.len() <= usize::from(STATUSES_MAX));
            }
        }
    }
}

//! Reads the video layers allocation, a header extension by which a publisher announces how much each layer of its
//! streams is to take (<https://webrtc.googlesource.com/src/+/main/docs/native-code/rtp-hdrext/video-layers-allocation00>).
//! Never judges whether that is true.
//!
//! | field | bits | |
//! |---|---|---|
//! | stream | 2 | which of the streams of its track the packet is of |
//! | streams | 2 | how many there are, less one |
//! | spatial layers | 4 | a bit for each that is active in all streams; 0: masks of each stream follow, two in a byte |
//! | temporal layers | 2 for each spatial layer | how many it has, less one; filled up to a byte |
//! | rates | LEB128 for each temporal layer | kbit/s, of all that is needed to decode it |
//! | sizes | 40 for each spatial layer | width and height, less one each, and frames per second; may be absent |
//!
//! A single zero byte says that nothing is sent.

use arrayvec::ArrayVec;

use crate::codec::layers::{LAYERS, OperatingPoint};

/// What a packet announces of the stream that it is of: kbit/s by spatial and temporal layer, 0 where it says nothing.
/// What lies above the highest temporal layer is as the highest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LayersAllocation {
    rates: [[u32; LAYERS as usize]; LAYERS as usize],
}

impl LayersAllocation {
    /// `None` for what is malformed. It speaks of all streams of the track: of the others it is only looked at whether it
    /// is well-formed, since packets of theirs say the same.
    pub fn parse(value: &[u8]) -> Option<LayersAllocation> {
        let mut allocation = LayersAllocation::default();
        if value == NOTHING {
            return Some(allocation);
        }
        let (first, mut rest) = value.split_first()?;
        let (own, streams) = (first >> 6, (first >> 4 & 0b11) + 1);
        let masks = match first & 0xf {
            0 => take_masks(&mut rest, streams)?,
            all => [all; STREAMS_MAX],
        };
        let streams = (0..streams).zip(masks);
        let layers = streams.flat_map(|(stream, mask)| (0..LAYERS).map(move |spatial| (stream, spatial, mask)));
        let active = layers.filter(|(_, spatial, mask)| mask >> spatial & 1 != 0);
        let active: ArrayVec<(u8, u8), LAYERS_MAX> = active.map(|(stream, spatial, _)| (stream, spatial)).collect();
        let counts = take(&mut rest, active.len().div_ceil(COUNTS_PER_BYTE))?;
        for (at, (stream, spatial)) in active.iter().enumerate() {
            let shift = 6 - 2 * (at % COUNTS_PER_BYTE);
            let highest = counts.get(at / COUNTS_PER_BYTE)? >> shift & 0b11;
            let row = take_row(&mut rest, highest)?;
            if *stream == own {
                *allocation.rates.get_mut(usize::from(*spatial))? = row;
            }
        }
        let has_sizes = rest.len() == SIZE_BYTES * active.len();
        (rest.is_empty() || has_sizes).then_some(allocation)
    }

    /// Of all that is needed for an operating point.
    pub fn kbps_at(&self, point: OperatingPoint) -> u32 {
        let row = self.rates.get(usize::from(point.spatial));
        row.and_then(|row| row.get(usize::from(point.temporal))).copied().unwrap_or(0)
    }

    /// Of all that is sent, if that has one spatial layer: of several it is not said whether the higher ones include the
    /// lower ones (K-SVC).
    pub fn kbps(&self) -> Option<u32> {
        let mut active = self.highest().filter(|kbps| *kbps > 0);
        let only = active.next()?;
        active.next().is_none().then_some(only)
    }

    /// No less than all that is sent.
    pub fn kbps_max(&self) -> u32 {
        self.highest().sum()
    }

    /// Of each spatial layer with all its temporal ones.
    fn highest(&self) -> impl Iterator<Item = u32> + '_ {
        self.rates.iter().filter_map(|row| row.last().copied())
    }
}

/// The spatial layers of each stream.
fn take_masks(rest: &mut &[u8], streams: u8) -> Option<[u8; STREAMS_MAX]> {
    let [first, second] = match *take(rest, usize::from(streams.div_ceil(2)))? {
        [first] => [first, 0],
        [first, second] => [first, second],
        _ => return None,
    };
    Some([first >> 4, first & 0xf, second >> 4, second & 0xf])
}

/// The rates of the temporal layers of one spatial layer. Each includes those below it.
fn take_row(rest: &mut &[u8], highest: u8) -> Option<[u32; LAYERS as usize]> {
    let (mut row, mut below) = ([0; LAYERS as usize], 0);
    for (temporal, rate) in (0..).zip(&mut row) {
        if temporal <= highest {
            below = take_kbps(rest).filter(|kbps| *kbps >= below)?;
        }
        *rate = below;
    }
    Some(row)
}

fn take_kbps(rest: &mut &[u8]) -> Option<u32> {
    let mut kbps = 0;
    for at in 0..LEB128_BYTES_MAX {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        kbps |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return u32::try_from(kbps).ok().filter(|kbps| *kbps <= KBPS_MAX);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

/// The value of who sends nothing.
const NOTHING: [u8; 1] = [0];
const STREAMS_MAX: usize = 4;
/// Spatial ones of all streams.
const LAYERS_MAX: usize = STREAMS_MAX * LAYERS as usize;
const COUNTS_PER_BYTE: usize = 4;
const SIZE_BYTES: usize = 5;
/// Of 32 bits.
const LEB128_BYTES_MAX: u32 = 5;
/// What no encoder for conversations sends: 1 Gbit/s.
pub(super) const KBPS_MAX: u32 = 1_000_000;

#[cfg(test)]
mod tests;

//! Owns what the publisher of an encoding announces that it is to take (the video-layers-allocation extension), and
//! whether what it sends bears that out. Never measures, and never decides what a viewer gets.

use crate::codec::layers::OperatingPoint;
use crate::codec::layers_allocation::LayersAllocation;
use crate::stats::DropReason;
use crate::tracks::history::Arrived;
use crate::tracks::meter::HEADER_BYTES;

/// Publishers announce what changes, on packets that they repeat where they are lost, and all of it with key frames:
/// what was announced holds until something else is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Targets {
    announced: LayersAllocation,
    /// Of the packet that said so.
    sequence: u64,
    generation: u32,
    /// Grows with each second in which more was sent than that, and is less after each other one.
    excess: u8,
    is_exceeded: bool,
    objection: Option<DropReason>,
}

/// What is measured of an operating point, or of all of an encoding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MeasuredRate {
    /// 0 before the first second is over.
    pub bits_per_second: u64,
    pub frames_per_second: u16,
}

impl Targets {
    /// What a packet announces, unless it comes late. Who starts over has announced nothing yet.
    #[inline]
    pub fn note(&mut self, packet: &Arrived, value: Option<&[u8]>) {
        if packet.generation != self.generation {
            let (generation, objection) = (packet.generation, self.objection);
            *self = Targets { generation, objection, ..Targets::default() };
        }
        let Some(value) = value.filter(|value| !value.is_empty() && packet.sequence > self.sequence) else { return };
        match LayersAllocation::parse(value) {
            Some(announced) => (self.announced, self.sequence) = (announced, packet.sequence),
            None => self.objection = Some(DropReason::TargetsUnread),
        }
    }

    /// What came in about a second, of the whole encoding.
    pub fn note_interval(&mut self, measured: MeasuredRate) {
        let announced = with_headers(self.announced.kbps_max(), measured.frames_per_second);
        let is_over = announced > 0 && measured.bits_per_second > announced / 100 * EXCESS_PERCENT;
        self.excess = match is_over {
            true => (self.excess + EXCESS_STEP).min(EXCESS_MAX),
            false => self.excess.saturating_sub(1),
        };
        if self.excess == EXCESS_MAX && !self.is_exceeded {
            (self.is_exceeded, self.objection) = (true, Some(DropReason::TargetsExceeded));
        }
        self.is_exceeded &= self.excess > 0;
    }

    /// What an operating point, or else all of the encoding, takes of a line. A screen takes next to nothing most of the
    /// time, and what is announced when it changes: that counts. The encoder of a camera that takes less than announced
    /// goes on to do so.
    pub fn rate(&self, point: Option<OperatingPoint>, measured: MeasuredRate, is_detail: bool) -> u64 {
        match self.announced(point, measured.frames_per_second).filter(|_| !self.is_exceeded) {
            None => measured.bits_per_second,
            Some(target) if is_detail || measured.bits_per_second == 0 => target,
            Some(target) => target.min(measured.bits_per_second),
        }
    }

    /// What is announced of the same, with the headers that it takes.
    pub fn announced(&self, point: Option<OperatingPoint>, frames_per_second: u16) -> Option<u64> {
        let kbps = match point {
            Some(point) => Some(self.announced.kbps_at(point)),
            None => self.announced.kbps(),
        };
        kbps.filter(|kbps| *kbps > 0).map(|kbps| with_headers(kbps, frames_per_second))
    }

    /// What was wrong with what it announced, once.
    pub fn take_objection(&mut self) -> Option<DropReason> {
        self.objection.take()
    }
}

/// Bits per second on the wire of payloads that take this much.
fn with_headers(kbps: u32, frames_per_second: u16) -> u64 {
    let bits = u64::from(kbps) * 1_000;
    let packets = if bits == 0 { 0 } else { (bits / 8).div_ceil(PAYLOAD_BYTES).max(frames_per_second.into()) };
    bits + packets * HEADER_BYTES as u64 * 8
}

/// Of packets of a frame that has several.
const PAYLOAD_BYTES: u64 = 1_100;
/// Encoders miss their target by less.
const EXCESS_PERCENT: u64 = 125;
const EXCESS_STEP: u8 = 2;
/// After five seconds on end, or more with pauses, what was announced is not believed until it is kept to for ten.
const EXCESS_MAX: u8 = 10;

#[cfg(test)]
mod tests;

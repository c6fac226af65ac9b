//! Owns what the media plane must see of a payload: whether a decoder can start at it, and its parameter sets.
//! Never changes or decodes a payload.

use crate::codec::nal::NalFormat;

mod av1;
mod bits;
pub(crate) mod dependency;
pub(crate) mod frame;
pub(crate) mod layer_reader;
pub(crate) mod layers;
pub(crate) mod layers_allocation;
pub(crate) mod nal;
pub(crate) mod narrowing;
mod number_places;
pub(crate) mod parameter_sets;
mod picture_size;
pub(crate) mod set_id;
mod size_of;
mod vp8;
mod vp9;

mod fuzz;

pub use fuzz::{read_allocation, read_descriptors};
pub use picture_size::PictureSize;
pub(crate) use size_of::find_size;

/// What a payload type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    Opus,
    /// RFC 2198 redundancy around Opus.
    Red,
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
}

impl Codec {
    pub(crate) const ALL: [Codec; 7] =
        [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

    pub fn is_video(self) -> bool {
        !matches!(self, Codec::Opus | Codec::Red)
    }
}

/// Whether a decoder that has seen nothing can start with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    No,
    /// Parameter sets without a picture: the key frame follows, if it has the same timestamp.
    ParameterSets,
    /// The first packet of a key frame, or of what follows its parameter sets.
    Picture,
}

impl Codec {
    pub(crate) fn nal_format(self) -> Option<NalFormat> {
        match self {
            Codec::H264 => Some(NalFormat::H264),
            Codec::H265 => Some(NalFormat::H265),
            Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => None,
        }
    }
}

/// More than one packet of a key frame may be a start (parameter sets apart from the picture); the first of them is
/// the one to start with. Each packet of audio is a start.
pub fn find_start(codec: Codec, payload: &[u8]) -> Start {
    let is_picture = match codec {
        Codec::Opus | Codec::Red => true,
        Codec::Vp8 => vp8::is_keyframe_start(payload),
        Codec::Vp9 => vp9::is_keyframe_start(payload),
        Codec::Av1 => av1::is_keyframe_start(payload),
        Codec::H264 => return find_nal_start(NalFormat::H264, payload),
        Codec::H265 => return find_nal_start(NalFormat::H265, payload),
    };
    if is_picture { Start::Picture } else { Start::No }
}

/// Senders that give the parameter sets in the SDP, or gave them before, start with the slice itself.
fn find_nal_start(format: NalFormat, payload: &[u8]) -> Start {
    format.units(payload).fold(Start::No, |found, unit| match found {
        Start::No | Start::ParameterSets if unit.starts_picture() => Start::Picture,
        Start::No if unit.starts_sets() => Start::ParameterSets,
        found => found,
    })
}

#[cfg(test)]
mod tests;

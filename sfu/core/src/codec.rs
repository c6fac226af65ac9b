//! Owns what the media plane must see of a payload: whether a decoder can start at it. Never changes or
//! decodes a payload.

mod av1;
mod h264;
mod h265;
mod vp8;
mod vp9;

/// What a payload type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    pub fn is_video(self) -> bool {
        !matches!(self, Codec::Opus | Codec::Red)
    }
}

/// Whether a decoder that has seen nothing can start with this packet. More than one packet of a key frame
/// may say so (parameter sets apart from the picture); the first of them is the one to start with. Each
/// packet of audio is a start.
pub fn is_keyframe_start(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus | Codec::Red => true,
        Codec::Vp8 => vp8::is_keyframe_start(payload),
        Codec::Vp9 => vp9::is_keyframe_start(payload),
        Codec::H264 => h264::is_keyframe_start(payload),
        Codec::H265 => h265::is_keyframe_start(payload),
        Codec::Av1 => av1::is_keyframe_start(payload),
    }
}

#[cfg(test)]
mod tests;

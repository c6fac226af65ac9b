//! Owns the target of RFC 4571 framing: a byte stream in pieces of any length gives frames that lie in it.

use chappe_sfu_io::tcp::{FRAME_BYTES_MAX, FrameReader};

pub(crate) fn run(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let mut reader = FrameReader::new();
    let mut left = stream;
    while !left.is_empty() {
        let spare = reader.spare();
        assert!(!spare.is_empty(), "all complete frames were taken");
        let len = (usize::from(*piece) * 17 + 1).min(left.len()).min(spare.len());
        let (now, later) = left.split_at(len);
        spare[..len].copy_from_slice(now);
        reader.advance(len);
        left = later;
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => assert!((1..=FRAME_BYTES_MAX).contains(&frame.len())),
                Ok(None) => break,
                // The connection would end here.
                Err(_) => return,
            }
        }
    }
}

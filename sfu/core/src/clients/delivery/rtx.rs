//! Owns the form of a packet that is sent once more on an SSRC of its own (RFC 4588): as a repair, or as padding. Never
//! chooses which one.

use std::time::Instant;

use arrayvec::ArrayVec;
use chappe_sfu_rate::PacketClass;

use crate::clients::delivery::rewrite::Rewritten;
use crate::clients::delivery::template::{HEADER_BYTES_MAX, patch, patch_frame, patch_number, write_header};
use crate::clients::delivery::{Delivery, Original};
use crate::codec::frame::{HEAD_BYTES_MAX, Renumbered, renumber};
use crate::egress::Arena;
use crate::keys::{Key, SendLine};
use crate::tracks::history::{Entry, History};

/// A packet of a sender, and its numbers there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeat<'a> {
    pub entry: &'a Entry,
    pub payload_type: u8,
    /// On the SSRC for repeats.
    pub index: u64,
    /// The sequence number under which it left.
    pub original: u16,
    pub timestamp: u32,
}

impl Delivery {
    /// The bytes that left; `None` when there was no room or no way.
    pub(super) fn push_rtx(
        &mut self,
        line: SendLine,
        repeat: &Repeat<'_>,
        class: PacketClass,
        (now, history): (Instant, &History),
        arena: &mut Arena,
    ) -> Option<usize> {
        let (route, sealer) = (self.path.route?, self.path.sealer.as_ref()?);
        let sender = self.senders.get(line.place())?.as_ref()?;
        let ssrc = sender.spec.rtx_ssrc?;
        let mut bandwidth = self.bandwidth.as_deref_mut();
        let is_numbered = bandwidth.is_some() && self.acknowledgement.numbers(sender);
        let ids = if is_numbered { &self.extensions } else { &self.unnumbered };
        let bare = repeat.entry.without_padding();
        let mut header = [0; HEADER_BYTES_MAX];
        let len = write_header(&mut header, history, &bare, ids, sender.own(&bare.packet, ids));
        let header = &mut header[..len];
        let numbers = Rewritten { index: repeat.index, timestamp: repeat.timestamp };
        patch(header, ssrc, repeat.payload_type, sender.ends_picture(&bare.packet), numbers);
        let payload = history.payload(&bare);
        let renumbered = sender.renumber(&bare.packet).and_then(|frame| {
            patch_frame(header, ids, &frame);
            renumber(bare.packet.codec, payload, &frame)
        });
        let Renumbered { head: numbers, replaced } = renumbered.unwrap_or_default();
        let payload = payload.get(replaced..)?;
        let mut head: ArrayVec<u8, RTX_HEAD_BYTES_MAX> = repeat.original.to_be_bytes().into_iter().collect();
        head.extend(numbers);
        let len_max = len + head.len() + payload.len() + sealer.rtp_overhead();
        if !arena.has_room(len_max) {
            return None;
        }
        match bandwidth.as_mut() {
            Some(bandwidth) if is_numbered => {
                let at = bandwidth.time(now);
                let original = Original::of(line, repeat.original.into());
                patch_number(header, bandwidth.number(at, len_max, class, original, Some(repeat.index)));
            }
            Some(bandwidth) => bandwidth.note_sent(len_max),
            None => {}
        }
        let is_sent =
            arena.push(route, len_max, |out| sealer.seal_rtp_parts(repeat.index, header, &head, payload, out));
        is_sent.then_some(len_max)
    }
}

/// The number of the original, and what takes the place of the start of its payload.
const RTX_HEAD_BYTES_MAX: usize = 2 + HEAD_BYTES_MAX;

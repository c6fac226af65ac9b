//! Owns what one m-line says of the layers of its source: which packets leave, and whether a key frame is lacking. Never
//! decides it: that is [`LayerSelection`](crate::clients::delivery::layer_selection::LayerSelection).

use std::time::Instant;

use super::Sender;
use crate::clients::delivery::template::Own;
use crate::codec::layers::{ActiveTargets, OperatingPoint};
use crate::spec::MediaKind;
use crate::tracks::history::{Arrived, Entry};
use crate::wire::rtp::{ExtensionKind, ExtensionMap};

impl Sender {
    /// Up to which layers of its source it sends them.
    pub fn set_point(&mut self, point: OperatingPoint) {
        self.layers.set_target(point);
    }

    /// The highest spatial layer of its source that it sends; `None` where that has no layers.
    pub fn spatial(&self) -> Option<u8> {
        self.layers.current().map(|point| point.spatial)
    }

    /// Whether it sends a packet of its source, if that is not too late.
    #[inline]
    pub fn wants(&self, packet: &Arrived) -> bool {
        !packet.layers.is_layered() || self.layers.wants(packet.sequence, &packet.layers)
    }

    /// Whether it has sent a packet of its source, as far as that is known.
    pub(super) fn has_sent(&self, packet: &Arrived) -> bool {
        self.wants(packet) && self.knows(packet)
    }

    /// What it has sent of a packet whose number is spent: all of it, or of one that was left out when that was so already
    /// nothing. `None` where that is not known.
    pub(super) fn sent_under_number(&self, entry: &Entry) -> Option<Entry> {
        let sent = if self.wants(&entry.packet) { *entry } else { entry.emptied() };
        self.knows(&entry.packet).then_some(sent)
    }

    fn knows(&self, packet: &Arrived) -> bool {
        !packet.layers.is_layered() || self.layers.knows(packet.sequence)
    }

    /// Whether a packet is the last one of its picture for this viewer.
    #[inline]
    pub fn ends_picture(&self, packet: &Arrived) -> bool {
        packet.marker || packet.layers.is_layered() && self.layers.ends_picture(packet.sequence, &packet.layers)
    }

    /// What the header of a packet says to its viewer alone.
    #[inline]
    pub fn own(&self, packet: &Arrived, ids: &ExtensionMap) -> Own<'_> {
        let mid = ids.id(ExtensionKind::Mid).filter(|_| self.names_mid);
        Own { mid: mid.map(|id| (id, self.spec.mid.as_bytes())), active: self.active_targets(packet) }
    }

    /// The decode targets that its viewer gets, where a packet has to say so.
    #[inline]
    fn active_targets(&self, packet: &Arrived) -> Option<ActiveTargets> {
        let layers = Some(&packet.layers).filter(|layers| layers.is_layered())?;
        self.layers.active_targets(packet.sequence, layers)
    }

    /// Whether it needs a key frame to get the layers that it should have.
    pub fn lacks_layers(&self, newest: &Arrived, now: Instant) -> bool {
        newest.layers.is_layered() && self.layers.awaits_keyframe(now)
    }

    /// The same, or to go on at all.
    pub fn wants_keyframe(&self, newest: &Arrived, now: Instant) -> bool {
        let helps = self.is_waiting(newest) || self.lacks_layers(newest, now);
        self.spec.kind == MediaKind::Video && helps
    }
}

//! Owns what a viewer gets of what it watches: which tracks, as its page shows them, and which of their layers, as its line
//! carries them. Never switches a layer, and never numbers or seals a packet.

use arrayvec::ArrayVec;
use chappe_sfu_rate as rate;
use chappe_sfu_rate::allocation::LAYERS_MAX;
use chappe_sfu_rate::{Bitrate, TRACKS_MAX};

use crate::clients::{Allotment, Limits};
use crate::keys::{Key, SendLine, SenderKey, SessionKey, TrackKey};
use crate::readers::point::needs_descriptors;
use crate::readers::{Parts, Readers};
use crate::relief::Relief;
use crate::spec::{ENCODINGS_MAX, MediaKind, Shown};
use crate::tracks::{LayerChoice, OfferedLayer, PointRates, Tracks};

/// One video track of a viewer, with those of its layers that it can have.
struct Watched {
    viewer: SenderKey,
    shown: Shown,
    offered: Choosable,
    layers: ArrayVec<rate::Layer, LAYERS_MAX>,
    limits: Limits,
    is_detail: bool,
}

/// Encodings of a track and operating points within them, lowest first.
type Choosable = ArrayVec<OfferedLayer, LAYERS_MAX>;

impl Readers {
    /// Something new is known of a viewer's line, of its page, or of what it watches.
    pub(super) fn adapt(&mut self, session: SessionKey, parts: &mut Parts<'_>) {
        self.show(session, parts);
        let watched = watched(session, self.relief, parts);
        let shown: ArrayVec<rate::Shown<'_>, TRACKS_MAX> = watched.iter().map(Watched::shown).collect();
        if parts.clients.get(session).is_none_or(|client| client.delivery.senders.is_empty()) {
            return;
        }
        let choices = parts.clients.allot(parts.now, session, &shown);
        for (watched, choice) in watched.iter().zip(choices) {
            // A line that does not carry the lowest gets of it what its budget allows: a picture now and then.
            let layer = choice.layer.unwrap_or(0);
            let Some(offered) = watched.offered.get(usize::from(layer)) else { continue };
            if let Some(sender) = parts.clients.sender_mut(watched.viewer) {
                let (place, count) = (watched.place(layer), watched.place(u8::MAX) + 1);
                sender.allotment = Some(Allotment::new(place, usize::from(count), choice.reason, watched.limits));
            }
            self.choose(watched.viewer, Some(offered.choice), parts);
        }
        parts.clients.rearm(session);
    }

    /// What the page does not show is not sent, and what it shows again is.
    fn show(&mut self, session: SessionKey, parts: &mut Parts<'_>) {
        let count = parts.clients.get(session).map_or(0, |session| session.delivery.senders.len());
        for line in (0..count).map(SendLine::new) {
            let viewer = SenderKey::of(session, line);
            let Some(sender) = parts.clients.sender(viewer) else { continue };
            let (is_hidden, is_fed, has_source) =
                (sender.is_hidden(), sender.layer.is_some(), sender.spec.source.is_some());
            if is_hidden && is_fed {
                self.hide(viewer, parts);
            } else if !is_hidden && !is_fed && has_source {
                let spec = sender.spec.clone();
                self.follow(viewer, spec, parts);
            }
        }
    }
}

impl Watched {
    /// Which of its pictures this layer is of, which has them at more or fewer frames a second: that of the lowest is 0.
    fn place(&self, layer: u8) -> u8 {
        let up_to = self.offered.iter().take(usize::from(layer).saturating_add(1));
        let kind = |layer: &OfferedLayer| (layer.choice.encoding, layer.choice.spatial);
        let kinds: ArrayVec<_, LAYERS_MAX> = up_to.map(kind).collect();
        kinds.windows(2).filter(|pair| pair.first() != pair.last()).count() as u8
    }

    fn shown(&self) -> rate::Shown<'_> {
        // Where other layers are alive than before what was chosen of them says nothing.
        let alive = self.offered.iter().fold(0, |bits, layer| bits | 1 << layer.choice.encoding);
        let kind = (self.viewer.line().place() * LAYERS_MAX + self.offered.len()) as u32;
        rate::Shown {
            track: kind << ENCODINGS_MAX | alive,
            pixels: self.shown.pixels,
            is_visible: true,
            is_pinned: self.shown.is_pinned,
            priority: self.shown.priority,
            is_detail: self.is_detail,
            layers: &self.layers,
        }
    }
}

fn watched(session: SessionKey, relief: Relief, parts: &mut Parts<'_>) -> ArrayVec<Watched, TRACKS_MAX> {
    let mut all = ArrayVec::new();
    let Some(client) = parts.clients.get_mut(session) else { return all };
    let has_descriptors = client.delivery.has_descriptors();
    for (at, sender) in client.delivery.senders.iter_mut().enumerate() {
        let Some(sender) = sender.as_mut().filter(|sender| sender.spec.kind == MediaKind::Video) else { continue };
        sender.allotment = None;
        let awaited = sender.awaited.as_ref().map(|awaited| awaited.layer);
        let Some(track) = awaited.or(sender.layer).and_then(|layer| parts.tracks.track_of(layer)) else { continue };
        let is_detail = parts.tracks.is_detail(track);
        let mut known = choosable(track, is_detail, parts.tracks);
        if !has_descriptors && needs_descriptors(track, parts.tracks) {
            let lowest = known.first().map(|layer| layer.choice.spatial);
            known.retain(|layer| [Some(u8::MAX), lowest].contains(&Some(layer.choice.spatial)));
        }
        let (offered, limits) = eligible(&known, sender.next_spec().height_max, relief);
        if offered.is_empty() || all.is_full() {
            continue;
        }
        let layers = rates(&offered);
        let viewer = SenderKey::of(session, SendLine::new(at));
        let shown = sender.shown;
        all.push(Watched { viewer, shown, offered, layers, limits, is_detail });
    }
    all
}

/// What there is of a track: its encodings, and within them the layers that can be left out. Of encodings above the lowest
/// that lives fewer frames are worth less than all of the one below, but for a screen, which is to be read.
fn choosable(track: TrackKey, is_detail: bool, tracks: &Tracks) -> Choosable {
    let offered = tracks.offered(track);
    let lowest = offered.iter().find(|layer| layer.flows()).map(|layer| layer.choice.encoding);
    let mut all = Choosable::new();
    for layer in offered {
        let encoding = layer.choice.encoding;
        let rates = if layer.flows() { tracks.point_rates(track, encoding) } else { PointRates::new() };
        let mut places = rates.iter().peekable();
        let has_one_size = rates.first().map(|rate| rate.point.spatial) == rates.last().map(|rate| rate.point.spatial);
        while let Some(rate) = places.next() {
            // All frames of its size, whatever temporal layers there are.
            let is_whole = places.peek().is_none_or(|next| next.point.spatial > rate.point.spatial);
            let has_rates = is_detail || Some(encoding) == lowest;
            if has_one_size && is_whole || !has_rates && !is_whole {
                continue;
            }
            let spatial = if has_one_size { u8::MAX } else { rate.point.spatial };
            let temporal = if is_whole { u8::MAX } else { rate.point.temporal };
            let _ = all.try_push(OfferedLayer {
                choice: LayerChoice { encoding, spatial, temporal },
                bits_per_second: rate.bits_per_second,
                measured: rate.measured,
                frames_per_second: rate.frames_per_second,
                size: rate.size,
                ..layer
            });
        }
        // As a whole it is measured as a whole.
        if has_one_size {
            let size = layer.size.or(rates.last().and_then(|rate| rate.size));
            let _ = all.try_push(OfferedLayer { size, ..layer });
        }
    }
    all
}

/// The layers that a viewer can have: those that are alive and have no more lines than it asked for, or the lowest that is
/// alive; and of these what the worker has room for.
fn eligible(known: &[OfferedLayer], height_max: Option<u16>, relief: Relief) -> (Choosable, Limits) {
    let alive: Choosable = known.iter().filter(|layer| layer.is_alive).copied().collect();
    let is_too_high =
        |layer: &OfferedLayer| height_max.is_some_and(|max| layer.size.is_some_and(|size| size.lines() > max));
    let mut offered: Choosable = alive.iter().filter(|layer| !is_too_high(layer)).copied().collect();
    if let Some(lowest) = alive.first().filter(|_| offered.is_empty()) {
        let is_lowest = |layer: &&OfferedLayer| {
            (layer.choice.encoding, layer.choice.spatial) == (lowest.choice.encoding, lowest.choice.spatial)
        };
        offered.extend(alive.iter().filter(is_lowest).copied());
    }
    let has_max = offered.len() < alive.len();
    let before = offered.len();
    let given_up = alive.get(relief.layers_of(alive.len())..).unwrap_or(&[]);
    offered.retain(|layer| !given_up.iter().any(|other| other.choice == layer.choice));
    if offered.is_empty() {
        offered.extend(alive.first().copied());
    }
    let is_relieved = offered.len() < before;
    let lacks_source = known.last().is_some_and(|highest| !highest.is_alive);
    let limits = Limits { has_max, lacks_source, is_relieved };
    (offered, limits)
}

/// What each takes of a line. The lowest is sent whether it fits or not: of it counts what it takes now.
fn rates(offered: &Choosable) -> ArrayVec<rate::Layer, LAYERS_MAX> {
    let mut layers: ArrayVec<_, LAYERS_MAX> = offered.iter().map(layer).collect();
    let measured = offered.first().map_or(0, |lowest| lowest.measured);
    if let Some(lowest) = layers.first_mut().filter(|_| measured > 0) {
        lowest.rate = lowest.rate.min(Bitrate::from_bps(measured));
    }
    layers
}

fn layer(offered: &OfferedLayer) -> rate::Layer {
    let pixels = offered.size.map_or(0, |size| size.pixels());
    let rate = match offered.bits_per_second {
        // Not measured yet.
        0 if pixels == 0 => USUAL_BITS_PER_SECOND,
        0 => u64::from(pixels) * USUAL_BITS_PER_PIXEL,
        measured => measured,
    };
    rate::Layer { rate: Bitrate::from_bps(rate), pixels, frames_per_second: offered.frames_per_second }
}

const USUAL_BITS_PER_SECOND: u64 = 1_000_000;
/// Of a second of video: 2.8 Mbit/s for 720 lines.
const USUAL_BITS_PER_PIXEL: u64 = 3;

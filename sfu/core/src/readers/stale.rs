//! Owns what live viewers are not sent any more because it waited too long, with the kernel or here: they go on with what
//! is younger, video with a key frame. Never looks at who reads the past or is behind its own line.

use std::time::{Duration, Instant};

use crate::keys::LayerKey;
use crate::readers::audience::Audience;
use crate::readers::paced::may_age;
use crate::readers::{Parts, Readers};
use crate::relief::Relief;
use crate::stats::DropReason;
use crate::tracks::Layer;

impl Readers {
    /// Live viewers of the layer miss all before this packet, and are not to take that for a loss.
    pub(super) fn go_on_at(&mut self, key: LayerKey, resume: u64, parts: &mut Parts<'_>) {
        let Some(layer) = parts.tracks.layer_mut(key) else { return };
        let (is_video, is_all) = (layer.is_video(), resume == layer.next());
        let audience = self.audience(key);
        let missed = resume - audience.live();
        audience.skip_to(resume);
        for reader in audience.viewers.iter().filter(|reader| reader.is_live()) {
            if let Some(sender) = parts.clients.sender_mut(reader.sink) {
                sender.interrupt();
            }
        }
        parts.out.counters.drop_many(DropReason::MediaStale, missed);
        if is_video && is_all {
            parts.tracks.want_keyframe(key);
        }
    }
}

/// With which packet the live viewers of a layer go on because what comes before it waited too long. `None` while all of it
/// is to be sent, or is being sent.
#[inline]
pub(super) fn decide_resume(layer: &Layer, audience: &Audience, now: Instant, relief: Relief) -> Option<u64> {
    let since = layer.waiting_since().filter(|_| !audience.is_in_pass())?;
    let waited_max = if relief == Relief::None { WAITED_MAX } else { waited_max_behind(layer, audience) };
    if now <= since + waited_max {
        return None;
    }
    let live = audience.live();
    find_resume(layer, live, now, waited_max).filter(|resume| *resume > live)
}

/// The same of a worker that has more to send than its core can: how long what is sent next may have waited, if all viewers
/// are to have its picture in time. One that some of them have the beginning of is sent to its end, or that was in vain.
fn waited_max_behind(layer: &Layer, audience: &Audience) -> Duration {
    let Some(history) = layer.history.as_ref().filter(|_| layer.is_video()) else { return WAITED_MAX_BEHIND };
    let picture = |number: u64| history.entry(number).map(|entry| (entry.packet.timestamp, entry.packet.generation));
    let (live, next) = (audience.live(), picture(audience.live()));
    if live.checked_sub(1).is_some_and(|last| next.is_some() && picture(last) == next) {
        return SENT_WITHIN;
    }
    let takes = audience.sending.of(packets_of_picture(layer, live) as u32);
    SENT_WITHIN.saturating_sub(takes).clamp(WAITED_MIN_BEHIND, WAITED_MAX_BEHIND)
}

/// How many packets from this one on are of its picture; of sound as many as there may be.
pub(super) fn packets_of_picture(layer: &Layer, from: u64) -> u64 {
    let Some(history) = layer.history.as_ref().filter(|_| layer.is_video()) else { return PICTURE_PACKETS_MAX };
    let from = from.max(history.oldest());
    let picture = |number: u64| history.entry(number).map(|entry| (entry.packet.timestamp, entry.packet.generation));
    let Some(first) = picture(from) else { return 0 };
    (from..from + PICTURE_PACKETS_MAX).take_while(|number| picture(*number) == Some(first)).count() as u64
}

/// With which packet those go on who have read up to `live`: sound with the first that is young enough, video with the
/// newest key frame if that is. `None` while all is to be sent.
fn find_resume(layer: &Layer, live: u64, now: Instant, waited_max: Duration) -> Option<u64> {
    let history = layer.history.as_ref()?;
    let from = live.max(history.oldest());
    let mut entries = (from..history.next()).map_while(|number| Some((number, history.entry(number)?)));
    let is_young = |since: Option<Instant>| since.is_none_or(|since| now <= since + waited_max);
    let young = entries.find(|(_, entry)| {
        let since = layer.arrived_at(entry);
        is_young(since) || since.is_some_and(|since| !may_age(history, entry, since, now))
    });
    let young = young.map_or(history.next(), |(number, _)| number);
    if young == from || !layer.is_video() {
        return Some(young);
    }
    let gop = history.newest_gop().filter(|gop| gop.number >= young);
    Some(gop.map_or(history.next(), |gop| gop.number))
}

/// What is older is not sent as if it were new: a picture that stands still for longer is noticed either way.
const WAITED_MAX: Duration = Duration::from_millis(200);
/// Of a worker that has more to send than its core can: what it still delivers is to come within 100 ms, but for the key
/// frame that all begin with, which is sent to its end (`may_age`).
const SENT_WITHIN: Duration = Duration::from_millis(80);
/// What waits for as long could be sent in time to few viewers, and would push what follows further back.
const WAITED_MAX_BEHIND: Duration = Duration::from_millis(45);
/// Where sending alone takes that long, some pictures are sent all the same.
const WAITED_MIN_BEHIND: Duration = Duration::from_millis(15);
/// What is looked at of a picture to tell how long it takes: more is as good as this.
const PICTURE_PACKETS_MAX: u64 = 64;

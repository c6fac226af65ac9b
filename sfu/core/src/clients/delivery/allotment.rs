//! Owns the choice of layers for one client: of what its line carries, of how its page shows what it watches, of the layers
//! there are. Never switches to one.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chappe_sfu_rate::{Bitrate, Choice, Shown, TRACKS_MAX, Taken, allocate};

use crate::clients::delivery::Delivery;
use crate::spec::MediaKind;

impl Delivery {
    /// What it takes of its line, if that can be chosen.
    pub fn taken(&self, shown: &[Shown<'_>]) -> Option<Taken> {
        let demand = self.allotter.as_ref()?.allocator.present().demand;
        let bandwidth = self.bandwidth.as_ref().filter(|_| is_layered(shown))?;
        Some(bandwidth.taken(demand))
    }

    /// The layers of these tracks, in their order; of a line that is shared this part is its own. A client of whose line
    /// nothing is known gets what its page shows, and one that will tell of it nothing but the lowest until then.
    pub fn allot(&mut self, now: Instant, shown: &[Shown<'_>], part: Option<Bitrate>) -> ArrayVec<Choice, TRACKS_MAX> {
        let audio = self.audio();
        let unknown = if self.will_estimate() { Bitrate::ZERO } else { Bitrate::from_bps(u64::MAX) };
        let is_layered = is_layered(shown);
        let allotter = self.allotter.get_or_insert_default();
        (allotter.decided, allotter.is_layered, allotter.look_at) = (Some(now), is_layered, None);
        let Some(bandwidth) = &mut self.bandwidth else {
            return allocate(unknown, audio, shown).choices;
        };
        let line = bandwidth.line(now).at_most(part);
        let allocation = allotter.allocator.decide(bandwidth.time(now), line, audio, shown);
        bandwidth.want(part.map_or(allocation.demand, |part| part.min(allocation.demand)), is_layered);
        let could_change = allocation.total > line.estimate || allocation.total < allocation.demand;
        allotter.look_at = (is_layered && could_change).then_some(now + LOOK_INTERVAL);
        allocation.choices.clone()
    }

    /// Whether layers are to be chosen after something new was heard of the line: at once what a probe has just measured, which
    /// counts for more than what is known of it later.
    pub fn is_allotment_due(&self, now: Instant) -> bool {
        let Some(allotter) = &self.allotter else { return true };
        let interval = if allotter.is_layered { LAYERED_INTERVAL } else { PLAIN_INTERVAL };
        let is_measured = self.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.line(now).is_measured);
        allotter.is_layered && is_measured || allotter.decided.is_none_or(|decided| now >= decided + interval)
    }

    /// When they are chosen again though nothing is heard.
    pub fn allotment_at(&self) -> Option<Instant> {
        self.allotter.as_ref()?.look_at
    }

    /// What is kept free for sound: of a crowd for that of those who are heard.
    fn audio(&self) -> Bitrate {
        let sounds = self.senders.iter().flatten().filter(|sender| sender.spec.kind == MediaKind::Audio);
        let heard = sounds.filter(|sender| sender.spec.source.is_some() && !sender.hearing.is_silenced());
        let rates = heard.map(|sender| Bitrate::from_bps(sender.traffic.bits_per_second).max(AUDIO));
        rates.fold(Bitrate::ZERO, |sum, rate| sum + rate)
    }
}

fn is_layered(shown: &[Shown<'_>]) -> bool {
    shown.iter().any(|shown| shown.layers.len() > 1)
}

/// Of one track before it is measured: Opus at 32 kbit/s with what carries it.
const AUDIO: Bitrate = Bitrate::from_kbps(48);
/// Feedback comes each 50 to 100 ms; where nothing can be chosen only the demand follows from it.
const LAYERED_INTERVAL: Duration = Duration::from_millis(40);
const PLAIN_INTERVAL: Duration = Duration::from_millis(500);
/// The patience of the allocator runs out between two reports, too.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

//! Owns what was sent to one viewer, by transport-wide sequence number, until feedback tells its fate. Never holds a
//! payload, and never more than [`ENTRIES_MAX`] packets.

use std::time::Duration;

use crate::time::Time;

/// A ring by sequence number. It grows with what is in flight, to a limit, and never by feedback.
#[derive(Debug, Clone)]
pub(crate) struct SendHistory {
    ring: Vec<CompactPacket>,
    /// The extended sequence number of the next packet; the wire carries its low 16 bits.
    next: u64,
    last_sent: Option<Time>,
}

/// What the history knows of a packet that feedback names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Received(SentPacket),
    /// Named as lost before, received after all.
    ReceivedLate(SentPacket),
    Lost(SentPacket),
    /// Its fate was known already.
    Repeated,
    /// Never sent, or longer ago than the history reaches.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SentPacket {
    pub sent: Time,
    pub bytes: u32,
    /// The probe cluster it belongs to, 0 for none.
    pub cluster: u8,
}

/// A [`SentPacket`] and its fate in eight bytes, because each viewer has hundreds.
#[derive(Debug, Clone, Copy, Default)]
struct CompactPacket {
    /// The low 32 bits of the moment in microseconds: unambiguous for 71 minutes.
    sent: u32,
    bytes: u16,
    state: State,
    cluster: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Empty,
    InFlight,
    Lost,
    Received,
}

impl SendHistory {
    pub fn new() -> SendHistory {
        SendHistory { ring: vec![CompactPacket::default(); ENTRIES_MIN], next: 0, last_sent: None }
    }

    /// Notes a packet and gives its sequence number.
    #[inline]
    pub fn insert(&mut self, now: Time, bytes: u32, cluster: u8) -> u16 {
        if self.last_sent.is_some_and(|last| now.since(last) > FORGOTTEN_AFTER) {
            self.ring.fill(CompactPacket::default());
        }
        let mut place = self.place(self.next);
        let oldest = self.ring[place];
        if oldest.state == State::InFlight
            && self.ring.len() < ENTRIES_MAX
            && now.since(moment(now, oldest.sent)) < KEPT_FOR
        {
            self.grow();
            place = self.place(self.next);
        }
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.ring[place] = CompactPacket { sent: now.as_micros() as u32, bytes, state: State::InFlight, cluster };
        self.last_sent = Some(now);
        let seq = self.next as u16;
        self.next += 1;
        seq
    }

    /// Learns the fate of one packet.
    #[inline]
    pub fn resolve(&mut self, now: Time, seq: u16, received: bool) -> Fate {
        let Some(newest) = self.next.checked_sub(1) else { return Fate::Unknown };
        let back = u64::from((newest as u16).wrapping_sub(seq));
        if back > newest || back >= self.ring.len() as u64 {
            return Fate::Unknown;
        }
        let place = self.place(newest - back);
        let entry = &mut self.ring[place];
        let packet =
            SentPacket { sent: moment(now, entry.sent), bytes: u32::from(entry.bytes), cluster: entry.cluster };
        match (entry.state, received) {
            (State::Empty, _) => Fate::Unknown,
            (State::Received, _) | (State::Lost, false) => Fate::Repeated,
            (State::InFlight, true) => {
                entry.state = State::Received;
                Fate::Received(packet)
            }
            (State::Lost, true) => {
                entry.state = State::Received;
                Fate::ReceivedLate(packet)
            }
            (State::InFlight, false) => {
                entry.state = State::Lost;
                Fate::Lost(packet)
            }
        }
    }

    /// Reads what is noted of the last packets, so many of them, and what the next one is noted over.
    #[inline]
    pub fn read(&self, packets: usize) -> u64 {
        let places =
            (0..=packets).step_by(ENTRIES_PER_LINE).map(|back| self.place(self.next.wrapping_sub(back as u64)));
        places.fold(self.next, |sum, place| sum ^ u64::from(self.ring[place].sent))
    }

    pub fn last_sent(&self) -> Option<Time> {
        self.last_sent
    }

    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<CompactPacket>()
    }

    fn place(&self, seq: u64) -> usize {
        // The length is a power of two.
        seq as usize & (self.ring.len() - 1)
    }

    #[cold]
    fn grow(&mut self) {
        let old = self.ring.len() as u64;
        let before = std::mem::replace(&mut self.ring, vec![CompactPacket::default(); 2 * old as usize]);
        for seq in self.next.saturating_sub(old)..self.next {
            let place = self.place(seq);
            self.ring[place] = before[(seq % old) as usize];
        }
    }
}

/// The latest moment up to `now` whose low 32 bits are `low`.
fn moment(now: Time, low: u32) -> Time {
    Time::from_micros(now.as_micros().saturating_sub(u64::from((now.as_micros() as u32).wrapping_sub(low))))
}

/// In 64 bytes, which is what a processor fetches at a time.
const ENTRIES_PER_LINE: usize = 8;

const ENTRIES_MIN: usize = 128;

/// 16 kB: two seconds of 10 Mbit/s in packets of 1200 bytes.
pub(crate) const ENTRIES_MAX: usize = 2048;

/// A packet whose fate is not known is kept this long if there is room to grow.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// Well below the 71 minutes that a moment of 32 bits is good for.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fate_of_a_packet_is_learned_once_and_late_arrivals_count() {
        let mut history = SendHistory::new();
        let now = Time::from_millis(5_000_000);
        let seq = history.insert(now, 1200, 3);
        let packet = SentPacket { sent: now, bytes: 1200, cluster: 3 };
        let later = now + Duration::from_millis(80);
        assert_eq!(history.resolve(later, seq, false), Fate::Lost(packet));
        assert_eq!(history.resolve(later, seq, false), Fate::Repeated);
        assert_eq!(history.resolve(later, seq, true), Fate::ReceivedLate(packet));
        assert_eq!(history.resolve(later, seq, true), Fate::Repeated);
    }

    #[test]
    fn what_was_not_sent_is_unknown() {
        let mut history = SendHistory::new();
        assert_eq!(history.resolve(Time::default(), 0, true), Fate::Unknown);
        let seq = history.insert(Time::default(), 100, 0);
        for ahead in [1, 2, 1000, 40_000] {
            assert_eq!(history.resolve(Time::default(), seq.wrapping_add(ahead), true), Fate::Unknown);
        }
    }

    #[test]
    fn it_grows_to_its_limit_with_what_is_in_flight_and_keeps_what_it_has() {
        let mut history = SendHistory::new();
        for index in 0..100_000_u64 {
            history.insert(Time::from_micros(index * 100), 1200, 0);
        }
        assert_eq!(history.bytes(), ENTRIES_MAX * 8);
        let now = Time::from_micros(100_000 * 100);
        let newest = 99_999_u64 as u16;
        assert!(matches!(history.resolve(now, newest.wrapping_sub(2047), true), Fate::Received(_)));
        assert_eq!(history.resolve(now, newest.wrapping_sub(2048), true), Fate::Unknown);
    }
}

//! Owns which packet of which stream each of the last transport-wide numbers was given to, for a client that names packets
//! by SSRC and sequence number (RFC 8888). Never judges what it says.

use crate::keys::{Key, SendLine};
use crate::spec::TRACKS_PER_SESSION_MAX;
use crate::wire::rtcp::{Metric, StreamReport};
use crate::wire::rtp::Seq;

/// One SSRC of ours: an m-line, or its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentStream {
    line: u8,
    is_rtx: bool,
}

impl SentStream {
    #[inline]
    pub fn media(line: SendLine) -> SentStream {
        SentStream { line: line.place() as u8, is_rtx: false }
    }

    #[inline]
    pub fn rtx(line: SendLine) -> SentStream {
        SentStream { line: line.place() as u8, is_rtx: true }
    }

    #[inline]
    fn place(self) -> usize {
        2 * usize::from(self.line) + usize::from(self.is_rtx)
    }
}

/// What one feedback packet says of each of our streams.
#[derive(Debug)]
pub(crate) struct ReportsByStream<'a>([Option<StreamReport<'a>>; STREAMS_MAX]);

impl Default for ReportsByStream<'_> {
    fn default() -> Self {
        ReportsByStream([None; STREAMS_MAX])
    }
}

impl<'a> ReportsByStream<'a> {
    /// A packet has one report of each (RFC 8888 section 3.1); the last one counts.
    pub fn note(&mut self, stream: SentStream, report: StreamReport<'a>) {
        if let Some(place) = self.0.get_mut(stream.place()) {
            *place = Some(report);
        }
    }

    fn of(&self, stream: SentStream) -> Option<&StreamReport<'a>> {
        self.0.get(stream.place())?.as_ref()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// What became of one packet that left under this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToldFate {
    pub number: u16,
    pub metric: Metric,
    /// It was sent again under the same sequence number, because it was missed: nobody knows which of them arrived.
    pub is_repeated: bool,
}

/// The last [`KEPT`] numbers. A report is read by going through them and not through it, so that what it names costs
/// nothing that was not sent, and fates are told in the order in which packets left.
pub(super) struct StreamLog {
    ring: [Record; KEPT],
    /// The first number whose fate may be unknown, and the one after the newest.
    begin: u16,
    end: u16,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    stream: SentStream,
    seq: Seq,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In flight, or lost.
    Awaited,
    /// In flight or lost, and sent again.
    Repeated,
    /// It arrived, or nobody asks any more.
    Settled,
}

impl Default for StreamLog {
    /// The numbers of a line begin with 0.
    fn default() -> StreamLog {
        StreamLog::new(0)
    }
}

impl StreamLog {
    /// `number` is the first that it is told of.
    pub fn new(number: u16) -> StreamLog {
        let unused = Record { stream: SentStream::media(SendLine::new(0)), seq: Seq(0), state: State::Settled };
        StreamLog { ring: [unused; KEPT], begin: number, end: number }
    }

    /// Numbers come one after the other.
    #[inline]
    pub fn note_sent(&mut self, number: u16, stream: SentStream, seq: Seq) {
        self.ring[place(number)] = Record { stream, seq, state: State::Awaited };
        self.end = number.wrapping_add(1);
        if usize::from(self.end.wrapping_sub(self.begin)) > KEPT {
            self.begin = self.begin.wrapping_add(1);
        }
    }

    /// A packet leaves once more as it was.
    pub fn note_repeated(&mut self, stream: SentStream, seq: Seq) {
        let is_it = |record: &&mut Record| (record.stream, record.seq) == (stream, seq);
        if let Some(record) = self.ring.iter_mut().find(is_it).filter(|record| record.state == State::Awaited) {
            record.state = State::Repeated;
        }
    }

    /// An m-line is gone, and another one may take its place.
    pub fn forget(&mut self, line: SendLine) {
        for record in self.ring.iter_mut().filter(|record| usize::from(record.stream.line) == line.place()) {
            record.state = State::Settled;
        }
    }

    /// What these reports say of packets that have not been said to have arrived.
    pub fn fates<'a>(&'a mut self, reports: &'a ReportsByStream<'_>) -> impl Iterator<Item = ToldFate> + 'a {
        while self.begin != self.end && self.ring[place(self.begin)].state == State::Settled {
            self.begin = self.begin.wrapping_add(1);
        }
        let (ring, begin) = (&mut self.ring, self.begin);
        let count = if reports.is_empty() { 0 } else { self.end.wrapping_sub(begin) };
        let numbers = (0..count).map(move |step| begin.wrapping_add(step));
        numbers.filter_map(move |number| {
            let record = &mut ring[place(number)];
            if record.state == State::Settled {
                return None;
            }
            let metric = reports.of(record.stream)?.metric(record.seq)?;
            let is_repeated = record.state == State::Repeated;
            if metric != Metric::NotReceived {
                record.state = State::Settled;
            }
            Some(ToldFate { number, metric, is_repeated })
        })
    }
}

#[inline]
fn place(number: u16) -> usize {
    usize::from(number) % KEPT
}

/// 6 kB: half a second of 20 Mbit/s. Feedback comes within a round trip and 250 ms.
const KEPT: usize = 1_024;
/// Of one client: each m-line has that of its media and that of its repeats.
const STREAMS_MAX: usize = 2 * TRACKS_PER_SESSION_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtcp::{Compound, Packet};
    use crate::wire::rtp::Ssrc;

    const VIDEO: SentStream = SentStream { line: 3, is_rtx: false };
    const RTX: SentStream = SentStream { line: 3, is_rtx: true };

    /// What a report says of packets from `begin` on: whether each arrived.
    fn told(log: &mut StreamLog, stream: SentStream, begin: u16, arrived: &[bool]) -> Vec<(u16, bool)> {
        let mut packet = vec![0x8b, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        packet.extend(begin.to_be_bytes());
        packet.extend((arrived.len() as u16).to_be_bytes());
        packet.extend(arrived.iter().flat_map(|arrived| [if *arrived { 0x80 } else { 0 }, 5]));
        packet.resize(packet.len().next_multiple_of(4) + 4, 0);
        packet[3] = (packet.len() / 4 - 1) as u8;
        let Some(Ok(Packet::CongestionFeedback { feedback, .. })) = Compound::new(&packet).next() else {
            panic!("not read: {packet:?}")
        };
        let mut reports = ReportsByStream::default();
        for report in feedback.streams() {
            assert_eq!(report.ssrc, Ssrc(9));
            reports.note(stream, report);
        }
        let fates = log.fates(&reports);
        fates.map(|fate| (fate.number, fate.metric != Metric::NotReceived)).collect()
    }

    #[test]
    fn packets_of_two_streams_are_told_by_their_numbers_in_the_order_in_which_they_left() {
        let mut log = StreamLog::new(65_530);
        for step in 0..10_u16 {
            let stream = if step % 3 == 2 { RTX } else { VIDEO };
            let seq = if step % 3 == 2 { 7 + step / 3 } else { 65_533_u16.wrapping_add(step - step / 3) };
            log.note_sent(65_530_u16.wrapping_add(step), stream, Seq(seq));
        }
        assert_eq!(told(&mut log, RTX, 7, &[true, false]), [(65_532, true), (65_535, false)]);
        let video = [true, true, false, true, true, true, true];
        let expected =
            [(65_530, true), (65_531, true), (65_533, false), (65_534, true), (0, true), (1, true), (3, true)];
        assert_eq!(told(&mut log, VIDEO, 65_533, &video), expected);
    }

    #[test]
    fn what_was_lost_may_still_arrive_and_what_arrived_is_not_told_again() {
        let mut log = StreamLog::new(0);
        (0..4).for_each(|number| log.note_sent(number, VIDEO, Seq(100 + number)));
        assert_eq!(told(&mut log, VIDEO, 100, &[true, false, true]), [(0, true), (1, false), (2, true)]);
        assert_eq!(told(&mut log, VIDEO, 100, &[true, true, true, true]), [(1, true), (3, true)]);
        assert_eq!(told(&mut log, VIDEO, 100, &[true, true, true, true]), []);
    }

    #[test]
    fn packets_that_were_never_sent_or_long_ago_tell_nothing() {
        let mut log = StreamLog::new(0);
        (0..2_000).for_each(|number| log.note_sent(number, VIDEO, Seq(number)));
        assert_eq!(told(&mut log, VIDEO, 2_000, &[true; 40]), []);
        assert_eq!(
            told(&mut log, VIDEO, 970, &[true; 10]),
            (976..980).map(|number| (number, true)).collect::<Vec<_>>()
        );
        assert_eq!(told(&mut log, RTX, 1_500, &[true; 40]), []);
    }

    #[test]
    fn a_packet_that_was_repeated_as_it_was_says_so_and_one_of_an_m_line_that_went_is_not_told() {
        let mut log = StreamLog::new(0);
        (0..3).for_each(|number| log.note_sent(number, VIDEO, Seq(number)));
        log.note_repeated(VIDEO, Seq(1));
        let reported = |log: &mut StreamLog| told(log, VIDEO, 0, &[false, false, false]);
        assert_eq!(reported(&mut log).len(), 3);
        assert_eq!(log.ring[1].state, State::Repeated);
        log.forget(SendLine::new(3));
        assert_eq!(reported(&mut log), []);
    }
}

//! Owns reading congestion control feedback (RFC 8888 section 3.1): which packets of each stream arrived, and when. Never
//! judges what it says, and leaves out what it says of ECN.

use crate::wire::rtp::{Seq, Ssrc};

/// One feedback packet, complete: the report of each stream has as many packets as it promises.
#[derive(Debug, Clone)]
pub struct CongestionFeedback<'a> {
    /// When it was made: the middle 32 bits of the receiver's NTP time, in 1/65536 s.
    pub report_time: u32,
    streams: StreamReports<'a>,
}

/// What a feedback packet says of the packets of one SSRC, from one sequence number on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamReport<'a> {
    pub ssrc: Ssrc,
    pub begin: Seq,
    /// Two bytes each.
    metrics: &'a [u8],
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// It was not received.
    NotReceived,
    /// So long before the report was made, in 1/1024 s.
    Before(u16),
    /// It was received, too long ago for the field or at an unknown time.
    Untimed,
}

impl<'a> CongestionFeedback<'a> {
    /// `body` begins behind the SSRC of its sender.
    pub(super) fn parse(body: &'a [u8]) -> Option<CongestionFeedback<'a>> {
        let (reports, report_time) = body.split_last_chunk::<4>()?;
        let streams = StreamReports { rest: reports };
        let mut unread = streams.clone();
        while !unread.rest.is_empty() {
            unread.take_report()?;
        }
        Some(CongestionFeedback { report_time: u32::from_be_bytes(*report_time), streams })
    }

    pub fn streams(&self) -> StreamReports<'a> {
        self.streams.clone()
    }
}

/// Of each stream, in the order of the packet.
#[derive(Debug, Clone)]
pub struct StreamReports<'a> {
    rest: &'a [u8],
}

impl<'a> StreamReports<'a> {
    /// Nothing is taken where the next one is not complete.
    fn take_report(&mut self) -> Option<StreamReport<'a>> {
        let (&[s0, s1, s2, s3, b0, b1, n0, n1], rest) = self.rest.split_first_chunk::<8>()?;
        let count = usize::from(u16::from_be_bytes([n0, n1]));
        if count > PACKETS_MAX {
            return None;
        }
        let metrics = rest.get(..2 * count)?;
        // An odd number of packets is followed by two bytes of padding.
        self.rest = rest.get((2 * count).next_multiple_of(4)..)?;
        let ssrc = Ssrc(u32::from_be_bytes([s0, s1, s2, s3]));
        Some(StreamReport { ssrc, begin: Seq(u16::from_be_bytes([b0, b1])), metrics })
    }
}

impl<'a> Iterator for StreamReports<'a> {
    type Item = StreamReport<'a>;

    fn next(&mut self) -> Option<StreamReport<'a>> {
        self.take_report()
    }
}

impl StreamReport<'_> {
    /// None for a packet that it says nothing of.
    #[inline]
    pub fn metric(&self, seq: Seq) -> Option<Metric> {
        let at = 2 * usize::from(seq.steps_after(self.begin));
        let metric = u16::from_be_bytes(*self.metrics.get(at..)?.first_chunk()?);
        Some(match (metric & RECEIVED_BIT != 0, metric & OFFSET_MASK) {
            (false, _) => Metric::NotReceived,
            (true, OVER_RANGE..) => Metric::Untimed,
            (true, offset) => Metric::Before(offset),
        })
    }

    /// The last packet that it says was received.
    pub fn newest_received(&self) -> Option<Seq> {
        let (metrics, _) = self.metrics.as_chunks::<2>();
        let at = metrics.iter().rposition(|metric| u16::from_be_bytes(*metric) & RECEIVED_BIT != 0)?;
        Some(Seq(self.begin.0.wrapping_add(at as u16)))
    }
}

/// Of one stream (RFC 8888 section 3.1), so that no number stands for two packets.
const PACKETS_MAX: usize = 16_384;
const RECEIVED_BIT: u16 = 0x8000;
/// The two bits above it are of ECN.
const OFFSET_MASK: u16 = 0x1fff;
/// Of the offset: more than 8,189/1,024 s; one more says that it is not known.
const OVER_RANGE: u16 = 0x1ffe;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said of each packet of each stream, in order.
    fn read(body: &[u8]) -> Option<Vec<(u32, u16, Metric)>> {
        let told = |report: StreamReport<'_>| -> Vec<_> {
            let numbers = (0..PACKETS_MAX as u16).map(|step| Seq(report.begin.0.wrapping_add(step)));
            numbers.map_while(|seq| Some((report.ssrc.0, seq.0, report.metric(seq)?))).collect()
        };
        Some(CongestionFeedback::parse(body)?.streams().flat_map(told).collect())
    }

    /// Of two streams: three packets around the wrap of the numbers with padding behind them, then two.
    const WHOLE: [u8; 32] = [
        0, 0, 0, 5, 0xff, 0xff, 0, 3, 0x80, 0x10, 0, 0, 0xff, 0xfd, 0, 0, // and the second stream
        0, 0, 0, 9, 0, 7, 0, 2, 0x9f, 0xfe, 0x9f, 0xff, 0x12, 0x34, 0x56, 0x78,
    ];

    #[test]
    fn each_packet_of_each_stream_has_its_metric_also_where_the_numbers_wrap() {
        let expected = [
            (5, 65_535, Metric::Before(16)),
            (5, 0, Metric::NotReceived),
            (5, 1, Metric::Before(0x1ffd)),
            (9, 7, Metric::Untimed),
            (9, 8, Metric::Untimed),
        ];
        assert_eq!(read(&WHOLE).as_deref(), Some(&expected[..]));
        let feedback = CongestionFeedback::parse(&WHOLE).expect("complete");
        assert_eq!(feedback.report_time, 0x1234_5678);
        let newest: Vec<_> = feedback.streams().map(|report| report.newest_received()).collect();
        assert_eq!(newest, [Some(Seq(1)), Some(Seq(8))]);
    }

    #[test]
    fn a_report_of_no_stream_or_of_no_packet_is_complete_and_says_nothing() {
        assert_eq!(read(&[1, 2, 3, 4]), Some(Vec::new()));
        let of_nothing = [0, 0, 0, 5, 0, 1, 0, 0, 1, 2, 3, 4];
        assert_eq!(read(&of_nothing), Some(Vec::new()));
        let feedback = CongestionFeedback::parse(&of_nothing).expect("complete");
        let reports: Vec<_> = feedback.streams().collect();
        assert_eq!((reports.len(), reports[0].newest_received()), (1, None));
    }

    #[test]
    fn what_does_not_keep_its_promises_is_refused() {
        for len in 0..WHOLE.len() {
            // Without the second stream the first is complete, and so is the report time alone.
            assert_eq!(read(&WHOLE[..len]).is_some(), [4, 20].contains(&len), "{len} bytes");
        }
        let of_too_many = [&[0, 0, 0, 5, 0, 0, 0x40, 1][..], &[0; 2 * 16_386], &[0; 4]].concat();
        assert_eq!(read(&of_too_many), None);
    }

    #[test]
    fn a_report_of_many_streams_is_read_to_its_end() {
        let report = |ssrc: u8| [0, 0, 0, ssrc, 0, ssrc, 0, 1, 0x80, ssrc, 0, 0];
        let body = [(0..100).flat_map(report).collect(), vec![0; 4]].concat();
        let told = read(&body).expect("complete");
        assert_eq!(told.len(), 100);
        assert!(told.iter().enumerate().all(|(at, told)| *told == (at as u32, at as u16, Metric::Before(at as u16))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..96)) {
            if let Some(told) = read(&body) {
                prop_assert!(told.len() <= body.len() / 2);
            }
        }
    }
}

use super::*;
use crate::sim::start;
use crate::wire::rtp::Ssrc;

const RATE: u32 = 90_000;

/// A publisher whose packets arrive as they are made, and what is known of its clock.
struct Reported {
    wall: WallClock,
    publisher: PublisherClock,
    stream: StreamClock,
    clock: Option<MediaClock>,
}

impl Reported {
    fn new() -> Reported {
        let wall = WallClock::new(Now { mono: start(), unix: Duration::from_secs(1_700_000_000) });
        Reported { wall, publisher: PublisherClock::default(), stream: StreamClock::default(), clock: None }
    }

    /// A report `at` seconds after the start that is wrong by these seconds. Returns by how much the clock of the
    /// track is wrong after it.
    fn report(&mut self, at: u64, ntp_error: f64, media_error: f64) -> (Verdict, f64) {
        let now = start() + Duration::from_secs(at);
        let media = |error: f64| ((at as f64 + error) * f64::from(RATE)) as i64 as u32;
        let ntp = ((at as f64 + 3_000_000_000.0 + ntp_error) * 2f64.powi(32)) as u64;
        let report = SenderReport { ssrc: Ssrc(1), ntp, rtp_timestamp: media(media_error), packets: 0, bytes: 0 };
        let arrival = MediaClock::of_arrival(&self.wall, media(0.0), now);
        self.judge(report, arrival)
    }

    fn judge(&mut self, report: SenderReport, arrival: MediaClock) -> (Verdict, f64) {
        let verdict = self.publisher.judge(&mut self.stream, &self.wall, &report, (arrival, RATE));
        match verdict {
            Verdict::Believed(clock) | Verdict::Arrival(clock) => self.clock = Some(clock),
            Verdict::Doubted => {}
        }
        let error = self.clock.map_or(0.0, |clock| clock.distance(&arrival, RATE).as_secs_f64());
        (verdict, error)
    }
}

#[test]
fn reports_of_a_clock_that_is_an_hour_off_are_as_good_as_any() {
    let mut reported = Reported::new();
    for at in 0..20 {
        let (verdict, error) = reported.report(at, 3_600.0, 0.0);
        assert!(matches!(verdict, Verdict::Believed(_)) && error < 0.001, "{at}: {verdict:?}");
    }
}

#[test]
fn a_clock_that_is_set_while_it_runs_moves_nothing_and_is_believed_again_later() {
    let mut reported = Reported::new();
    for at in 0..60 {
        let (verdict, error) = reported.report(at, if at < 10 { 0.0 } else { 3_600.0 }, 0.0);
        assert!(error < 0.001, "{at}: wrong by {error} s");
        assert_eq!(matches!(verdict, Verdict::Believed(_)), !(10..20).contains(&at), "{at}: {verdict:?}");
    }
}

#[test]
fn reports_that_contradict_the_media_or_jump_are_never_handed_on() {
    let mut reported = Reported::new();
    for at in 0..60 {
        let wrong = if at % 2 == 0 { 30.0 } else { -50.0 };
        let (_, error) = reported.report(at, 0.0, wrong);
        assert!(error < 0.001, "{at}: wrong by {error} s");
    }
    let mut reported = Reported::new();
    for at in 0..60 {
        let (_, error) = reported.report(at, if at % 3 == 1 { 3_600.0 * at as f64 } else { 0.0 }, 0.0);
        assert!(error < 0.001, "{at}: wrong by {error} s");
    }
}

#[test]
fn a_smaller_jump_counts_when_it_is_reported_twice() {
    let mut reported = Reported::new();
    reported.report(0, 0.0, 0.0);
    assert_eq!(reported.report(1, 0.0, 0.8).0, Verdict::Doubted);
    assert!(reported.report(2, 0.0, 0.0).1 < 0.001);
    assert_eq!(reported.report(3, 0.0, 0.8).0, Verdict::Doubted);
    assert!(matches!(reported.report(4, 0.0, 0.8).0, Verdict::Believed(_)), "an encoder looks ahead further");
}

#[test]
fn one_stream_that_contradicts_the_other_does_not_move_it() {
    let mut reported = Reported::new();
    let (mut other, mut other_clock) = (StreamClock::default(), None);
    for at in 0..60 {
        assert!(matches!(reported.report(at, 0.0, 0.0).0, Verdict::Believed(_)), "{at}");
        std::mem::swap(&mut reported.stream, &mut other);
        std::mem::swap(&mut reported.clock, &mut other_clock);
        assert_eq!(reported.report(at, 100.0, 0.0).0, Verdict::Doubted);
        std::mem::swap(&mut reported.stream, &mut other);
        std::mem::swap(&mut reported.clock, &mut other_clock);
    }
}

#[test]
fn a_publisher_without_a_wall_clock_is_taken_by_arrival() {
    let mut reported = Reported::new();
    let arrival = MediaClock::of_arrival(&reported.wall, 90_000, start());
    let report = SenderReport { ssrc: Ssrc(1), ntp: 0, rtp_timestamp: 90_000, packets: 0, bytes: 0 };
    assert_eq!(reported.judge(report, arrival).0, Verdict::Doubted);
    assert_eq!(reported.clock, None);
}

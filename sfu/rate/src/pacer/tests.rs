use super::*;
use crate::config::{Known, RateConfig};

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

/// Of a line that is known to carry so much.
fn known(estimate: Bitrate) -> RateConfig {
    RateConfig { known: Some(Known { estimate }), ..RateConfig::default() }
}

fn idle() -> Prober {
    let mut prober = Prober::new(Time::default(), &RateConfig { max: kbps(300), ..known(kbps(300)) });
    prober.handle_timeout(Time::from_millis(600));
    assert!(prober.is_idle());
    prober
}

/// Polls each millisecond with all of `bytes` of video waiting at first, and gives when how much left.
fn leaving(estimate: Bitrate, bytes: u64) -> Vec<(u64, u64)> {
    let mut pacer = Pacer::new(Time::default());
    let (prober, mut waiting, mut left) = (idle(), bytes, Vec::new());
    for millis in 0..2000 {
        let now = Time::from_millis(millis);
        let backlog = Backlog { video_bytes: waiting, ..Backlog::default() };
        let grant = pacer.poll_grant(now, estimate, &backlog, &prober);
        if grant.video_bytes > 0 {
            left.push((millis, grant.video_bytes));
            waiting -= grant.video_bytes;
            pacer.handle_sent(grant.video_bytes as u32);
        }
    }
    assert_eq!(waiting, 0);
    left
}

#[test]
fn a_small_frame_leaves_as_one_run() {
    assert_eq!(leaving(kbps(2500), 9600), [(0, 9600)]);
}

/// Viewers of a stream whose frames just fit in the run would else wait for a turn with each of them.
#[test]
fn a_frame_of_eight_full_packets_leaves_at_once_and_so_does_the_next() {
    let (mut pacer, estimate, frame) = (Pacer::new(Time::default()), kbps(2500), 8 * 1276);
    for number in 0..30 {
        assert!(pacer.covers(Time::from_micros(number * 33_333), estimate, frame), "frame {number}");
        pacer.handle_sent(frame as u32);
    }
}

#[test]
fn a_key_frame_is_spread_at_1_1_to_2_5_times_the_estimate() {
    for (estimate, bytes) in [(kbps(2500), 60_000), (kbps(700), 20_000), (kbps(8000), 200_000)] {
        let left = leaving(estimate, bytes);
        let (last, _) = left[left.len() - 1];
        // The first run is free.
        let paced = bytes - left[0].1;
        let factor = paced as f64 * 8.0 / last as f64 / estimate.kbps();
        assert!((1.05..2.6).contains(&factor), "{factor} of {estimate}");
        let most = left.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
        assert!(most <= 10_240.max(estimate.scaled(2.5).bytes_in(Duration::from_millis(5))), "a run of {most} bytes");
    }
}

#[test]
fn a_queue_of_more_than_250_ms_is_given_up() {
    let mut pacer = Pacer::new(Time::default());
    let backlog = |oldest| Backlog { video_bytes: 5000, oldest_video: Some(oldest), repair_bytes: 100 };
    let now = Time::from_millis(1000);
    assert!(!pacer.poll_grant(now, kbps(1000), &backlog(Time::from_millis(750)), &idle()).gives_up);
    let grant = pacer.poll_grant(now, kbps(1000), &backlog(Time::from_millis(749)), &idle());
    assert_eq!((grant.gives_up, grant.video_bytes, grant.repair_bytes), (true, 0, 100));
}

#[test]
fn repairs_leave_before_video_and_padding_fills_what_a_probe_lacks() {
    let mut pacer = Pacer::new(Time::default());
    let backlog = Backlog { repair_bytes: 2500, video_bytes: 50_000, oldest_video: None };
    let grant = pacer.poll_grant(Time::default(), kbps(300), &backlog, &idle());
    assert_eq!((grant.repair_bytes, grant.video_bytes, grant.padding_bytes), (2500, 0, 0));
    let prober = Prober::new(Time::default(), &known(kbps(2000)));
    let grant = pacer.poll_grant(Time::default(), kbps(300), &Backlog::default(), &prober);
    assert_eq!(grant.padding_bytes, 750, "15 ms of 2 Mbit/s in five packets");
}

#[test]
fn audio_leaves_whatever_the_debt_and_counts() {
    let mut pacer = Pacer::new(Time::default());
    pacer.handle_sent(20_000);
    let backlog = Backlog { video_bytes: 1200, ..Backlog::default() };
    assert_eq!(pacer.poll_grant(Time::from_millis(1), kbps(1000), &backlog, &idle()).video_bytes, 0);
}

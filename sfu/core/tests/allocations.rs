//! Forwarding and relaying allocate nothing once they run, and a viewer costs little memory.

mod harness;
#[path = "allocations/layering.rs"]
mod layering;
#[path = "allocations/numbers.rs"]
mod numbers;
#[path = "allocations/relaying.rs"]
mod relaying;
#[path = "allocations/stream_reports.rs"]
mod stream_reports;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chappe_sfu_core::rtp::Ssrc;
use chappe_sfu_core::{Media, SendTrack};
use harness::*;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

struct Counting;

// SAFETY: every call is passed on to the system allocator unchanged; counting has no effect on memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of GlobalAlloc.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of GlobalAlloc.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Sealed datagrams of frames, prepared so that only the SFU runs while we count.
fn film(harness: &mut Harness, publisher: Who, camera: &mut Camera, frames: usize) -> Vec<Vec<Vec<u8>>> {
    let mut film = Vec::new();
    for at in 0..frames {
        let packets = camera.frame(8, at % 30 == 0);
        film.push(packets.iter().map(|packet| harness.clients[publisher].seal(packet)).collect());
    }
    film
}

/// Plays the frames, one each 5 ms (so that nobody misses a consent check), and returns the datagrams that left.
fn play(harness: &mut Harness, publisher: Who, film: &mut [Vec<Vec<u8>>]) -> usize {
    let route = harness.clients[publisher].route;
    let mut left = 0;
    for frame in film {
        for datagram in frame {
            harness.sfu.handle_datagram(harness.now, route, datagram);
        }
        harness.now = harness.now.after(Duration::from_millis(5));
        harness.sfu.handle_timeout(harness.now);
        loop {
            let more = harness.sfu.flush(harness.now);
            left += harness.sfu.egress().runs().map(|run| run.segments().count()).sum::<usize>();
            harness.sfu.egress().clear();
            if !more {
                break;
            }
        }
    }
    left
}

// One test, because the counters are the process's.
#[test]
fn forwarding_and_relaying_allocate_nothing_and_a_viewer_takes_less_than_32_kilobytes() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_100;
    camera.extensions = vec![(MID, b"0".to_vec()), (ORIENTATION, vec![1])];
    let lines = || vec![video_out(Some(CAMERA), 0x9000), audio_out(Some(MICROPHONE), 0x9100)];
    let viewers: Vec<Who> = (0..50).map(|_| harness.join(watches(lines()))).collect();
    // Until the history is as long as it gets.
    let mut warm_up = film(&mut harness, publisher, &mut camera, 500);
    play(&mut harness, publisher, &mut warm_up);
    let mut measured = film(&mut harness, publisher, &mut camera, 500);
    // Ten start afresh, with what is there.
    for viewer in &viewers[..10] {
        harness.set_media(*viewer, watches(vec![video_out(None, 0x9000)]));
        harness.set_media(*viewer, watches(lines()));
    }
    let before = COUNT.load(Ordering::Relaxed);
    let left = play(&mut harness, publisher, &mut measured);
    let allocations = COUNT.load(Ordering::Relaxed) - before;
    assert!(left >= 500 * 8 * 50, "{left} datagrams left");
    assert_eq!(allocations, 0, "in {left} forwarded packets");

    viewers_take_little();
    relaying::relaying_allocates_nothing();
    layering::leaving_layers_out_allocates_nothing();
    stream_reports::reports_by_stream_allocate_nothing();
    numbers::numbered_packets_allocate_nothing();
}

fn viewers_take_little() {
    let silent = bytes_per_viewer(watches, 100, |_, _| {});
    let estimating = bytes_per_viewer(watches, 100, |harness, viewer| {
        harness.clients[viewer].send_rtcp(|writer| writer.remb(Ssrc(1), 5_000_000, &[Ssrc(0x9000)]));
    });
    // 96 packets are on their way, more than a camera sends between two feedbacks.
    let numbered = bytes_per_viewer(watches_and_tells, 12, |_, _| {});
    println!(
        "{silent} bytes per viewer, {estimating} of one that says what its line carries, {numbered} of one whose \
         packets are numbered"
    );
    assert!((1_000..32 << 10).contains(&silent), "{silent} bytes per viewer");
    assert!((silent + (2 << 10)..32 << 10).contains(&numbered), "{numbered} bytes of one whose packets are numbered");
    // Without transport-wide numbers nothing is kept of what they named.
    let estimate = estimating - silent;
    assert!((100..4 << 10).contains(&estimate), "{estimate} bytes for an estimate");
}

/// What the SFU holds for 500 viewers that watch a camera and a microphone, after so many frames and what they say then:
/// counted as what is given back when their sessions close, which leaves out the clients of the harness.
fn bytes_per_viewer(media: fn(Vec<SendTrack>) -> Media, frames: usize, say: fn(&mut Harness, Who)) -> i64 {
    const VIEWERS: usize = 500;
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewers: Vec<Who> = (0..VIEWERS)
        .map(|_| harness.join(media(vec![video_out(Some(CAMERA), 0x9000), audio_out(Some(MICROPHONE), 0x9100)])))
        .collect();
    let mut camera = Camera::new(VIDEO_SSRC);
    let mut warm_up = film(&mut harness, publisher, &mut camera, frames);
    play(&mut harness, publisher, &mut warm_up);
    for viewer in &viewers {
        say(&mut harness, *viewer);
    }
    harness.exchange();
    let before = BYTES.load(Ordering::Relaxed);
    for viewer in viewers {
        let closed = chappe_sfu_core::CloseReason::Requested;
        harness.sfu.close_session(harness.now, session(viewer), chappe_sfu_core::Epoch(1), closed).expect("open");
        harness.sfu.egress().clear();
    }
    (before - BYTES.load(Ordering::Relaxed)) / VIEWERS as i64
}

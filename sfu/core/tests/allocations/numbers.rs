//! To send to viewers that tell of each packet by its transport-wide number, and to read what they tell, allocates nothing
//! once it runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chappe_sfu_core::rtcp::RtcpWriter;
use chappe_sfu_core::rtp::{Header, Seq, Ssrc};
use chappe_sfu_core::twcc::ArrivalLog;
use chappe_sfu_core::{DatagramKind, ExtensionKind, ExtensionMap, LineBasis, classify};

use crate::harness::*;
use crate::{COUNT, film};

const SEEN: u32 = 0x9000;
/// Of eight packets each, one each 5 ms.
const FRAMES: usize = 500;
/// On the line to the viewer.
const DELAY: Duration = Duration::from_millis(20);

pub fn numbered_packets_allocate_nothing() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches_and_tells(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    let mut log = ArrivalLog::new(harness.now.mono);
    // Until what is remembered of what was sent is as much as it gets.
    run(&mut harness, (publisher, viewer), &mut camera, &mut log);
    let (left, allocations) = run(&mut harness, (publisher, viewer), &mut camera, &mut log);
    assert!(left >= FRAMES * 4, "{left} packets had a number");
    assert_eq!(allocations, 0, "in {left} packets that were told of");
    let line = harness.sfu.session_stats(session(viewer)).expect("open").line.expect("an estimate");
    assert_eq!(line.basis, LineBasis::Feedback);
}

/// Plays frames, and says how many packets with a number left and how often the worker allocated meanwhile.
fn run(
    harness: &mut Harness,
    (publisher, viewer): (Who, Who),
    camera: &mut Camera,
    log: &mut ArrivalLog,
) -> (usize, u64) {
    let mut frames = film(harness, publisher, camera, FRAMES);
    let (from, to) = (harness.clients[publisher].route, harness.clients[viewer].route);
    let numbers = ExtensionMap::empty().with(ExtensionKind::TransportCc, Some(NUMBER));
    let (mut left, mut allocations) = (0, 0);
    for frame in &mut frames {
        let mut feedback = told(harness, viewer, log);
        let before = COUNT.load(Ordering::Relaxed);
        if let Some(datagram) = &mut feedback {
            harness.sfu.handle_datagram(harness.now, to, datagram);
        }
        for datagram in frame {
            harness.sfu.handle_datagram(harness.now, from, datagram);
        }
        harness.now = harness.now.after(Duration::from_millis(5));
        harness.sfu.handle_timeout(harness.now);
        loop {
            let more = harness.sfu.flush(harness.now);
            let arrival = harness.now.mono + DELAY;
            for run in harness.sfu.egress().runs() {
                for number in run.segments().filter_map(|segment| number_of(segment, &numbers)) {
                    log.record(arrival, number);
                    left += 1;
                }
            }
            harness.sfu.egress().clear();
            if !more {
                break;
            }
        }
        allocations += COUNT.load(Ordering::Relaxed) - before;
    }
    (left, allocations)
}

fn number_of(datagram: &[u8], numbers: &ExtensionMap) -> Option<Seq> {
    let header = Header::parse(datagram).ok().filter(|_| classify(datagram) == Some(DatagramKind::Rtp))?;
    numbers.find(header.extensions(datagram)).transport_seq().map(Seq)
}

/// What the viewer tells by now of what had arrived by then.
fn told(harness: &mut Harness, viewer: Who, log: &mut ArrivalLog) -> Option<Vec<u8>> {
    log.poll_timeout().filter(|at| *at <= harness.now.mono)?;
    let mut plain = [0; 1_200];
    let mut writer = RtcpWriter::new(&mut plain);
    log.poll_feedback(harness.now.mono, Ssrc(1), Ssrc(SEEN), &mut writer).then_some(())?;
    let len = writer.len();
    Some(harness.clients[viewer].seal_rtcp(&plain[..len]))
}

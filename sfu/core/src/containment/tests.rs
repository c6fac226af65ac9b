use super::*;
use crate::codec::Codec;
use crate::dtls::{Certificate, DtlsRole};
use crate::ice::IceCredentials;
use crate::net::Now;
use crate::rtp::ExtensionMap;
use crate::sfu::SfuConfig;
use crate::spec::{Epoch, Feedback, Media, MediaKind, ReceiveCodec, ReceiveTrack, SessionId, SessionSpec, TrackId};

const TRACK: TrackId = TrackId(7);

fn now() -> Now {
    Now { mono: crate::sim::start(), unix: std::time::Duration::from_secs(1_700_000_000) }
}

/// Sessions 0 and 1, of which the first publishes.
fn sfu() -> Sfu {
    let certificate = Certificate::generate().expect("a certificate");
    let mut sfu = Sfu::new(SfuConfig { certificate, sessions_max: 10, seed: 1 });
    for who in 0..2 {
        let credentials = |side: &str| IceCredentials { ufrag: format!("{side}{who}"), pwd: "p".repeat(22) };
        let (codec, feedback) = (Codec::Vp8, Feedback::default());
        let codec = ReceiveCodec { payload_type: 96, rtx: None, codec, clock_rate: 90_000, feedback };
        let track = ReceiveTrack {
            track: TRACK,
            mid: "0".into(),
            kind: MediaKind::Video,
            codecs: vec![codec],
            ssrcs: Vec::new(),
            rids: Vec::new(),
            parameter_sets: Vec::new(),
        };
        let receive = if who == 0 { vec![track] } else { Vec::new() };
        let spec = SessionSpec {
            session: SessionId(0, who),
            epoch: Epoch(1),
            local_ice: credentials("ours"),
            remote_ice: credentials("theirs"),
            dtls_role: DtlsRole::Server,
            remote_fingerprints: Vec::new(),
            media: Media { extensions: ExtensionMap::empty(), receive, send: Vec::new() },
            alive: None,
        };
        sfu.open_session(now(), spec).expect("it opens");
    }
    sfu
}

/// Sessions that are there, after a panic while `culprit` was at work.
fn after(culprit: Option<AtWork>) -> (Sfu, Vec<u128>) {
    let mut sfu = sfu();
    let done = sfu.contained(now().mono, |sfu| {
        if let Some(culprit) = culprit {
            sfu.containment.note(culprit);
        }
        panic!("an assertion about what a peer sent")
    });
    assert_eq!(done, None::<()>);
    assert_eq!(sfu.counters.dropped(DropReason::SessionFault), 1);
    let left = sfu.sessions.iter().map(|(_, session)| session.id.1).collect();
    (sfu, left)
}

#[test]
fn a_panic_costs_the_session_at_work() {
    let (mut sfu, left) = after(Some(AtWork::Session(1)));
    assert_eq!(left, [0]);
    assert_eq!(sfu.poll_event(), Some(Event::Closed { session: SessionId(0, 1), reason: CloseReason::Fault }));
}

#[test]
fn a_panic_on_the_way_out_costs_whoever_publishes_the_track() {
    let (sfu, left) = after(Some(AtWork::Track(0)));
    assert_eq!(left, [1]);
    assert!(sfu.tracks.is_empty(), "its track goes with it");
}

#[test]
fn a_panic_that_is_nobodys_is_counted() {
    let (_, left) = after(None);
    assert_eq!(left, [0, 1]);
}

#[test]
fn a_session_that_cannot_be_closed_is_forgotten() {
    let mut sfu = sfu();
    sfu.forget_session(0);
    assert!(sfu.tracks.is_empty() && !sfu.by_ufrag.contains_key("ours0"));
    assert_eq!(sfu.poll_event(), Some(Event::Closed { session: SessionId(0, 0), reason: CloseReason::Fault }));
}

#[test]
#[should_panic(expected = "again")]
fn a_panic_that_does_not_stop_ends_the_process() {
    let mut sfu = sfu();
    for _ in 0..=FAULTS_IN_A_ROW_MAX {
        sfu.contained(now().mono, |_| panic!("again"));
    }
}

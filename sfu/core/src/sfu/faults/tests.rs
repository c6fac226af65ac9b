use super::*;
use crate::blame::FLUSH_FAULTS_MAX;
use crate::codec::Codec;
use crate::crypto::dtls::{Certificate, DtlsRole};
use crate::keys::Key;
use crate::net::Now;
use crate::sfu::SfuConfig;
use crate::spec::{
    Epoch, Event, Feedback, Media, MediaKind, ReceiveCodec, ReceiveTrack, SessionId, SessionSpec, TrackId,
};
use crate::transport::ice::IceCredentials;
use crate::wire::rtp::ExtensionMap;

const TRACK: TrackId = TrackId(7);

fn now() -> Now {
    Now { mono: crate::sim::start(), unix: std::time::Duration::from_secs(1_700_000_000) }
}

/// Sessions 0 and 1, of which the first publishes.
fn sfu() -> Sfu {
    let certificate = Certificate::generate().expect("a certificate");
    let mut sfu = Sfu::new(SfuConfig { certificate, sessions_max: 10, loudest: 0, seed: 1 });
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
            muted: false,
        };
        let receive = if who == 0 { vec![track] } else { Vec::new() };
        let spec = SessionSpec {
            session: SessionId(0, who),
            epoch: Epoch(1),
            local_ice: credentials("ours"),
            remote_ice: credentials("theirs"),
            dtls_role: DtlsRole::Server,
            remote_fingerprints: Vec::new(),
            media: Media { extensions: ExtensionMap::empty(), reports_streams: false, receive, send: Vec::new() },
            alive: None,
        };
        sfu.open_session(now(), spec).expect("it opens");
    }
    sfu
}

fn fail(sfu: &mut Sfu, culprit: Option<AtWork>) {
    let done = sfu.contained(now().mono, |sfu| {
        if let Some(culprit) = culprit {
            sfu.out.note(culprit);
        }
        panic!("an assertion about what a peer sent")
    });
    assert_eq!(done, None::<()>);
}

/// Sessions that are there, after a panic while `culprit` was at work.
fn after(culprit: Option<AtWork>) -> (Sfu, Vec<u128>) {
    let mut sfu = sfu();
    fail(&mut sfu, culprit);
    assert_eq!(sfu.counters().dropped(DropReason::SessionFault), 1);
    let left = sfu.clients.iter().map(|session| session.id.1).collect();
    (sfu, left)
}

#[test]
fn a_panic_costs_the_session_at_work() {
    let (mut sfu, left) = after(Some(AtWork::Session(SessionKey::new(1))));
    assert_eq!(left, [0]);
    assert_eq!(sfu.poll_event(), Some(Event::Closed { session: SessionId(0, 1), reason: CloseReason::Fault }));
}

#[test]
fn a_panic_on_the_way_out_costs_whoever_publishes_the_track() {
    let (sfu, left) = after(Some(AtWork::Track(TrackKey::new(0))));
    assert_eq!(left, [1]);
    assert!(sfu.tracks.is_empty(), "its track goes with it");
}

#[test]
fn a_panic_on_a_copy_costs_its_viewer_and_the_next_one_the_publisher() {
    let copy = Some(AtWork::Copy { track: TrackKey::new(0), viewer: SessionKey::new(1) });
    let (mut sfu, left) = after(copy);
    assert_eq!(left, [0]);
    fail(&mut sfu, copy);
    assert!(sfu.clients.len() == 0, "what it publishes panics for everybody");
}

#[test]
fn a_copy_for_one_viewer_says_nothing_of_the_publisher_once_others_have_theirs() {
    let copy = Some(AtWork::Copy { track: TrackKey::new(0), viewer: SessionKey::new(1) });
    let (mut sfu, _) = after(copy);
    sfu.flush(now());
    fail(&mut sfu, copy);
    assert_eq!(sfu.clients.len(), 1);
}

#[test]
fn a_command_that_panics_ends_its_session_and_is_refused() {
    let mut sfu = sfu();
    let refused = sfu.contained_command(now().mono, |sfu| {
        sfu.out.note(AtWork::Session(SessionKey::new(1)));
        panic!("half of the m-lines are replaced")
    });
    assert_eq!((refused, sfu.clients.len()), (Err(ControlError::Fault), 1));
}

#[test]
fn panics_of_strangers_end_nobody_however_many_they_are() {
    let mut sfu = sfu();
    for _ in 0..10 * FLUSH_FAULTS_MAX {
        fail(&mut sfu, None);
    }
    assert_eq!(sfu.clients.len(), 2);
}

#[test]
fn a_session_that_cannot_be_closed_is_forgotten() {
    let mut sfu = sfu();
    sfu.forget_session(now().mono, SessionKey::new(0));
    assert!(sfu.tracks.is_empty() && !sfu.clients.is_taken(SessionId(9, 9), "ours0"));
    assert_eq!(sfu.poll_event(), Some(Event::Closed { session: SessionId(0, 0), reason: CloseReason::Fault }));
}

#[test]
#[should_panic(expected = "again")]
fn a_flush_that_panics_for_ever_ends_the_process() {
    let mut sfu = sfu();
    for _ in 0..=FLUSH_FAULTS_MAX {
        // What arrives between them changes nothing.
        sfu.contained(now().mono, |_| ());
        sfu.contained_flush(now().mono, |_| panic!("again"));
    }
}

//! Owns the target of SDP: an offer of anybody's, answered as a publisher's and as a viewer's, then once more as the
//! renegotiation of a session that began with a good one.

use chappe_sfu_api::TrackId;
use chappe_signaling_sdp::{Local, Offer, SlotSource, answer_publish, answer_watch, attach, parse_fragment};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_fragment(&text);
    let Ok(offer) = Offer::parse(&text) else { return };
    let mut next = 0;
    let mut draw = || {
        next += 1;
        next
    };
    let good = Offer::parse(GOOD).expect("a recorded offer");
    let before = answer_publish(&good, &Local::sample(), None, &mut || TrackId(draw().into())).expect("it is answered");
    let _ = answer_publish(&offer, &Local::sample(), Some(&before.note), &mut || TrackId(draw().into()));
    let published = answer_publish(&offer, &Local::sample(), None, &mut || TrackId(draw().into()));
    if let Ok(answer) = &published {
        let _ = answer_publish(&good, &Local::sample(), Some(&answer.note), &mut || TrackId(draw().into()));
    }
    let note = published.as_ref().map_or(&before.note, |answer| &answer.note);
    let mut tracks = note.tracks().map(|(_, track)| track);
    let slot = |mid: &str| {
        let source = tracks.next();
        SlotSource { mid: mid.to_owned(), stream: "camera".to_owned(), source, height_max: None }
    };
    let slots: Vec<SlotSource> = offer.mids().map(slot).collect();
    if let Ok(answer) = answer_watch(&offer, &Local::sample(), &slots, None, &mut draw) {
        let _ = attach(&answer.note, &slots);
        let _ = answer_watch(&good, &Local::sample(), &slots, Some(&answer.note), &mut draw);
    }
}

const GOOD: &str = include_str!("../../signaling/sdp/tests/data/chromium-whip.sdp");

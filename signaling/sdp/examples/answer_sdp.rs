//! Answers SDP offers from standard input without a worker: tests/browser/answers.test.mjs puts the answers before browsers.
//!
//! One JSON object per line: `{"use": "publish", "sdp": …}` or `{"use": "watch", "sdp": …, "waiting": bool}`.
//! An offer renegotiates the session of its use unless it has `"new": true`. A viewer is shown the tracks of the last
//! publisher, unless `waiting`. One JSON object per line comes back: `sdp` and `media`, or `error`.

use std::io::{BufRead, Write};

use chappe_sfu_api::TrackId;
use chappe_signaling_sdp::{
    Local, Offer, PublishNote, SdpError, Showing, SlotSource, WatchNote, answer_publish, answer_watch,
};
use serde_json::{Value, json};

fn main() {
    let mut session = Session::default();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let reply = session
            .answer(&request)
            .unwrap_or_else(|error| json!({"error": error.code(), "message": error.to_string()}));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{reply}").and_then(|()| out.flush()).expect("a reader");
    }
}

#[derive(Default)]
struct Session {
    publish: Option<PublishNote>,
    watch: Option<WatchNote>,
    next_id: u32,
}

impl Session {
    fn answer(&mut self, request: &Value) -> Result<Value, SdpError> {
        let offer = Offer::parse(request["sdp"].as_str().expect("sdp"))?;
        let new = request["new"] == true;
        let mut next = self.next_id;
        let mut draw = || {
            next += 1;
            next
        };
        let reply = if request["use"] == "publish" {
            let previous = self.publish.as_ref().filter(|_| !new);
            let answer = answer_publish(&offer, &Local::sample(), previous, &mut || TrackId(u64::from(draw())))?;
            self.publish = Some(answer.note);
            json!({"sdp": answer.sdp, "media": answer.media})
        } else {
            let slots = self.slots(&offer, request["waiting"] == true);
            let previous = self.watch.as_ref().filter(|_| !new);
            let answer = answer_watch(&offer, &Local::sample(), &slots, previous, &mut draw)?;
            let states: Vec<&str> = answer.states.iter().map(state_name).collect();
            self.watch = Some(answer.note);
            json!({"sdp": answer.sdp, "media": answer.media, "states": states})
        };
        self.next_id = next;
        Ok(reply)
    }

    /// The nth m-line shows the nth published track.
    fn slots(&self, offer: &Offer, waiting: bool) -> Vec<SlotSource> {
        let mut tracks = self.publish.iter().flat_map(PublishNote::tracks).map(|(_, track)| track);
        let slot = |mid: &str| SlotSource {
            mid: mid.to_owned(),
            stream: "camera".to_owned(),
            source: tracks.next().filter(|_| !waiting),
            height_max: None,
        };
        offer.mids().map(slot).collect()
    }
}

fn state_name(state: &Showing) -> &str {
    match state {
        Showing::Live => "live",
        Showing::Waiting => "waiting",
        Showing::Unsupported(message) => message,
    }
}

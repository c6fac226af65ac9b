//! One session that is there, looked at and ended by command; and a drain that is taken back while there is one.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::operates::{operator, printed, run, serving};
use crate::running::{Running, eventually};

/// One publisher and one viewer in each room of a node, until this is dropped.
pub struct Audience(Child);

impl Audience {
    /// In one room. Returns when both are connected and media has come to the viewer.
    pub fn of(node: &Running) -> Audience {
        Audience::in_rooms(node, 1)
    }

    /// Returns when those of one room are.
    pub fn in_rooms(node: &Running, rooms: u32) -> Audience {
        let url = format!("http://{}", node.state()["http"].as_str().unwrap());
        let mut command: Command = operator(&node.dir, &["load", &url, "--viewers", "1", "--profile", "360p"]);
        command.args(["--duration", "1h", "--rooms", &rooms.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let audience = Audience(command.spawn().unwrap());
        eventually("media", || {
            let sent = |session: &Value| session["stats"]["sent"][0]["packets"].as_u64();
            let viewer = session(node, "whep")?;
            let publisher = session(node, "whip")?;
            let is_known = publisher["stats"]["round_trip_ms"].is_number() || publisher["state"] == "connected";
            let is_active =
                node.admin("/api/v1/streams")[0]["tracks"].as_array()?.iter().all(|it| it["active"] == true);
            (is_known && is_active && sent(&viewer)? > 0).then_some(())
        });
        audience
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of this kind that is connected, with its counters.
pub fn session(node: &Running, kind: &str) -> Option<Value> {
    let sessions = node.admin("/api/v1/sessions");
    let is_meant = |session: &&Value| session["kind"] == kind && session["state"] == "connected";
    let id = sessions.as_array().unwrap().iter().find(is_meant)?["id"].as_str()?.to_owned();
    Some(node.admin(&format!("/api/v1/sessions/{id}")))
}

#[test]
fn a_session_that_is_there_is_shown_and_ended() {
    let node = Running::start(&["--workers", "1", "--node", "here", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let audience = Audience::of(&node);
    let viewer = session(&node, "whep").unwrap();
    let id = viewer["id"].as_str().unwrap();
    let told = printed(&node, &["session", id]);
    for expected in [id, "whep", "connected", "here/0", "client at", "127.0.0.1:", "packets", "video", "live"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let json: Value = serde_json::from_str(&printed(&node, &["session", id, "--json"])).unwrap();
    assert_eq!((&json["id"], &json["room"]), (&viewer["id"], &viewer["room"]));
    assert!(printed(&node, &["session", "--list"]).contains(id));
    assert_eq!(printed(&node, &["kick", id]), format!("{id} has ended\n"));
    assert_eq!(run(&node.dir, &["session", id]).2, "chappe: there is no such session now\n");
    let id = eventually("its client is back", || Some(session(&node, "whep")?["id"].as_str()?.to_owned()));
    drop(audience);
    let told: Value = serde_json::from_str(&printed(&node, &["kick", &id, "--json"])).unwrap();
    assert_eq!(told, serde_json::json!({ "session": id, "ended": true }));
}

#[test]
fn a_drain_is_taken_back() {
    let node = Running::start(&["--workers", "1", "--node", "here", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let _audience = Audience::of(&node);
    let state = || node.admin("/api/v1/nodes")[0]["state"].clone();
    let told = printed(&node, &["drain", "--deadline", "10m", "--no-wait"]);
    assert_eq!((told.as_str(), state()), ("here drains, for 10m at most\n", "draining".into()));
    let (code, _, trouble) = run(&node.dir, &["reload", "--deadline", "0s"]);
    assert!(code == 1 && trouble.contains("`chappe drain here --cancel` comes first"), "{trouble}");
    assert_eq!(printed(&node, &["drain", "--cancel"]), "here takes sessions again\n");
    assert_eq!(state(), "serving");
    // Who was there still is.
    assert!(session(&node, "whip").is_some() && session(&node, "whep").is_some());
}

#[test]
fn what_an_operator_mutes_reaches_nobody_whatever_is_sent_until_it_is_undone() {
    let node = Running::start(&["--workers", "1", "--node", "here", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let _audience = Audience::of(&node);
    let id = session(&node, "whip").unwrap()["id"].as_str().unwrap().to_owned();
    let packets = |kind: &str, way: &str| session(&node, kind)?["stats"][way][0]["packets"].as_u64();
    let told = printed(&node, &["mute", &id, "--video"]);
    assert_eq!(told, format!("{id} is muted until --undo: video 0\n"));
    let (sent, received) = (packets("whep", "sent").unwrap(), packets("whip", "received").unwrap());
    eventually("the publisher sends on", || (packets("whip", "received")? > received + 100).then_some(()));
    assert_eq!(packets("whep", "sent"), Some(sent), "and the viewer gets nothing");
    eventually("the drops are counted", || node.metrics().contains("reason=\"rtp_muted\"").then_some(()));
    let track = node.admin("/api/v1/streams")[0]["tracks"][0].clone();
    assert_eq!((&track["muted"], &track["moderated"], &track["active"]), (&true.into(), &true.into(), &true.into()));
    let told: Value = serde_json::from_str(&printed(&node, &["mute", &id, "--undo", "--json"])).unwrap();
    assert_eq!((&told["id"], &told["tracks"][0]["moderated"]), (&id.as_str().into(), &false.into()));
    eventually("the viewer sees it again", || (packets("whep", "sent")? > sent + 100).then_some(()));
}

//! Owns a synthetic member of a room who sees or hears several others over one session, as a page does: one
//! WebSocket, one offer with an m-line for each.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;
use serde_json::{Value, json};

use crate::client::{Client, identity};
use crate::http::{Created, Server};
use crate::offer::{self, Kind};
use crate::socket::Socket;
use crate::stage::Watcher;
use crate::tally::Tally;

pub struct Party {
    client: Client,
    /// By SSRC, as they turn up.
    tracks: BTreeMap<u32, Track>,
    awaited: usize,
    socket: Socket,
}

#[derive(Default)]
struct Track {
    window: ReplayWindow,
    tally: Tally,
}

impl Party {
    /// Watches these live streams of the room, one track of this kind each.
    pub fn join(
        server: &Server,
        certificate: &Certificate,
        room: &str,
        streams: &[String],
        kind: Kind,
    ) -> Result<Party> {
        let identity = identity(certificate);
        let mut socket = Socket::enter(server, room)?;
        let slot =
            |(mid, stream): (usize, &String)| json!({ "mid": mid.to_string(), "stream": stream, "track": kind.name() });
        let slots: Vec<Value> = streams.iter().enumerate().map(slot).collect();
        let sdp = offer::watch_many(&identity, kind, streams.len());
        let answer = socket.ask(json!({ "type": "watch", "sdp": sdp, "slots": slots }))?;
        let sdp = answer.get("sdp").and_then(Value::as_str).context("an answer without SDP")?.to_owned();
        let client = Client::new(identity, certificate, Created { sdp, location: String::new() })?;
        Ok(Party { client, tracks: BTreeMap::new(), awaited: streams.len(), socket })
    }

    /// Every stream that it watches has been seen.
    pub fn has_all(&self) -> bool {
        self.tallies().filter(|tally| tally.first_packet.is_some()).count() >= self.awaited
    }
}

impl Watcher for Party {
    fn turn(&mut self) -> Result<()> {
        let tracks = &mut self.tracks;
        self.client.turn(|opener, arrival| {
            if arrival.kind != DatagramKind::Rtp {
                return;
            }
            let Ok(header) = Header::parse(arrival.bytes) else { return };
            let track = tracks.entry(header.ssrc.0).or_default();
            track.tally.receive(&mut track.window, opener, &header, arrival);
        })
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.tracks.values().map(|track| &track.tally)
    }

    fn forget(&mut self) {
        self.tracks.values_mut().for_each(|track| track.tally = track.tally.anew());
    }

    fn leave(mut self, _: &Server) -> Result<()> {
        self.client.close();
        self.socket.close();
        Ok(())
    }
}

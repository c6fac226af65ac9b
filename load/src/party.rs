//! Owns a synthetic member of a room who sees or hears several others over one session, as a page does: one
//! WebSocket, one offer with an m-line for each.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::client::{Client, identity};
use crate::http::{Created, Server};
use crate::offer::{self, Kind};
use crate::viewer::Tally;

pub struct Party {
    client: Client,
    /// By SSRC, as they turn up.
    tracks: BTreeMap<u32, Track>,
    awaited: usize,
    socket: WebSocket<TcpStream>,
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
        let mut socket = connect(server.public())?;
        ask(&mut socket, json!({ "type": "hello", "id": 0, "version": 1, "room": room }))?;
        let seat =
            |(mid, stream): (usize, &String)| json!({ "mid": mid.to_string(), "stream": stream, "track": kind.name() });
        let slots: Vec<Value> = streams.iter().enumerate().map(seat).collect();
        let sdp = offer::watch_many(&identity, kind, streams.len());
        let answer = ask(&mut socket, json!({ "type": "watch", "id": 1, "sdp": sdp, "slots": slots }))?;
        let sdp = answer.get("sdp").and_then(Value::as_str).context("an answer without SDP")?.to_owned();
        let client = Client::new(identity, certificate, Created { sdp, location: String::new() })?;
        Ok(Party { client, tracks: BTreeMap::new(), awaited: streams.len(), socket })
    }

    pub fn turn(&mut self) -> Result<()> {
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

    /// Every stream that it watches has been seen.
    pub fn has_all(&self) -> bool {
        self.tracks.values().filter(|track| track.tally.first_packet.is_some()).count() >= self.awaited
    }

    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.tracks.values().map(|track| &track.tally)
    }

    /// Starts counting anew, as at the start of a measurement.
    pub fn forget(&mut self) {
        self.tracks.values_mut().for_each(|track| track.tally = track.tally.anew());
    }

    /// Closing the WebSocket ends the session.
    pub fn leave(mut self) {
        self.client.close();
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
    }
}

/// `public` as `http://host:port`.
fn connect(public: &str) -> Result<WebSocket<TcpStream>> {
    let address = public.strip_prefix("http://").context("a server over plain HTTP")?;
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    let (socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).context("upgrade to a WebSocket")?;
    Ok(socket)
}

/// Sends a request and waits for its reply; events that come before it are passed over.
fn ask(socket: &mut WebSocket<TcpStream>, request: Value) -> Result<Value> {
    socket.send(Message::text(request.to_string()))?;
    loop {
        let Message::Text(text) = socket.read().context("no reply over the WebSocket")? else { continue };
        let reply: Value = serde_json::from_str(&text)?;
        if reply.get("id") != request.get("id") {
            continue;
        }
        if reply.get("type").and_then(Value::as_str) == Some("error") {
            bail!("refused: {reply}");
        }
        return Ok(reply);
    }
}

const REPLY_LIMIT: Duration = Duration::from_secs(10);

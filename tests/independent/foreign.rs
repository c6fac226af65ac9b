//! Owns a WHIP and WHEP server that shares no code with ours: the PeerConnection of the `webrtc` crate, a full ICE agent
//! that wants to be the DTLS client, behind URLs of its own. It passes on what comes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{PeerConnection, PeerConnectionEventHandler, RTCIceGatheringState};

use super::peer::{LOOPBACK, built, vp8, within};

/// Until the test's runtime ends.
pub struct Foreign {
    pub address: SocketAddr,
}

/// Streams by the rest of their URL, and all connections by their number.
#[derive(Default)]
struct Rooms {
    viewers: Mutex<HashMap<String, Vec<Outgoing>>>,
    sessions: Mutex<Vec<Option<Box<dyn PeerConnection>>>>,
}

#[derive(Clone)]
struct Outgoing {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
}

struct Handler {
    gathered: watch::Sender<bool>,
    /// What comes goes to the viewers of this stream.
    publishes: Option<(Arc<Rooms>, String)>,
}

impl Foreign {
    pub async fn start() -> Result<Foreign> {
        let listener = TcpListener::bind((LOOPBACK, 0)).await?;
        let address = listener.local_addr()?;
        let rooms = Arc::new(Rooms::default());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let rooms = Arc::clone(&rooms);
                tokio::spawn(async move {
                    if let Err(error) = serve(socket, rooms).await {
                        eprintln!("the foreign server: {error:#}");
                    }
                });
            }
        });
        Ok(Foreign { address })
    }

    /// As `--whip` and `--whep` name it.
    pub fn url(&self, what: &str) -> String {
        format!("http://{}/{what}?in={{room}}&named={{stream}}", self.address)
    }
}

/// One request after the other on a connection of HTTP/1.1.
async fn serve(socket: TcpStream, rooms: Arc<Rooms>) -> Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut first = String::new();
        if socket.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            socket.read_line(&mut line).await?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let mut words = first.split_ascii_whitespace();
        let (method, target) = (words.next().context("a method")?, words.next().context("a target")?);
        let answer = match (method, target.split_once('?')) {
            ("POST", Some((kind, stream))) => rooms.join(kind, stream, String::from_utf8(body)?).await?,
            ("DELETE", None) => rooms.leave(target).await?,
            _ => "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        socket.write_all(answer.as_bytes()).await?;
    }
}

impl Rooms {
    async fn join(self: &Arc<Self>, kind: &str, stream: &str, offer: String) -> Result<String> {
        let publishes = match kind {
            "/in" => Some((Arc::clone(self), stream.to_owned())),
            "/out" => None,
            other => bail!("there is no {other}"),
        };
        let is_viewer = publishes.is_none();
        let gathered = watch::Sender::new(false);
        let mut all_gathered = gathered.subscribe();
        let connection = built(Vec::new(), LOOPBACK, Arc::new(Handler { gathered, publishes })).await?;
        if is_viewer {
            let outgoing = Outgoing::new();
            connection.add_track(Arc::clone(&outgoing.track) as Arc<dyn TrackLocal>).await?;
            let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
            viewers.entry(stream.to_owned()).or_default().push(outgoing);
        }
        connection.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
        let answer = connection.create_answer(None).await?;
        connection.set_local_description(answer).await?;
        within("ICE gathering", all_gathered.wait_for(|done| *done)).await??;
        let sdp = connection.local_description().await.context("no local description")?.sdp;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(Some(connection));
        Ok(format!(
            "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /{}\r\nContent-Length: {}\r\n\r\n{sdp}",
            sessions.len() - 1,
            sdp.len()
        ))
    }

    async fn leave(&self, target: &str) -> Result<String> {
        let number: usize = target.trim_start_matches('/').parse()?;
        let session = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.get_mut(number).and_then(Option::take)
        };
        session.context("no such session")?.close().await?;
        Ok("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned())
    }

    async fn pass_on(&self, stream: &str, packet: &rtp::Packet) {
        let viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner).get(stream).cloned();
        for Outgoing { track, ssrc } in viewers.into_iter().flatten() {
            let mut packet = packet.clone();
            packet.header.ssrc = ssrc;
            // Who is not connected yet, or has left, gets none.
            let _ = track.write_rtp(packet).await;
        }
    }
}

impl Outgoing {
    fn new() -> Outgoing {
        let ssrc = rand::random::<u32>();
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let encoding = RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec: vp8(), ..Default::default() };
        let name = || "video".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, vec![encoding]);
        Outgoing { track: Arc::new(TrackLocalStaticRTP::new(track)), ssrc }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let Some((rooms, stream)) = self.publishes.clone() else { return };
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    rooms.pass_on(&stream, &packet).await;
                }
            }
        });
    }
}

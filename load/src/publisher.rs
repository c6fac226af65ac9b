//! Owns a synthetic publisher: VP8 or Opus frames of equal packets, each with the time at which it was sent.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtcp::{Compound, Packet};
use chappe_sfu_core::rtp::{FIXED_HEADER_BYTES, OutgoingHeader, Seq, Ssrc};
use rand::RngExt;

use crate::arrival::unix_nanos;
use crate::client::{Client, identity};
use crate::http::{Created, Server};
use crate::offer::{self, Kind};

pub struct Publisher {
    client: Client,
    ssrc: u32,
    /// Index of the next packet: roll-over counter and sequence number.
    index: u64,
    frames: u64,
    /// Packets of the current frame that have left.
    position: usize,
    is_key: bool,
    keyframe_wanted: bool,
    shape: Shape,
}

/// What a publisher's frames look like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub kind: Kind,
    pub packets_per_frame: usize,
    /// RTP header and payload, before sealing.
    pub packet_bytes: usize,
    pub frame_period: Duration,
    pub pacing: Pacing,
}

/// How a publisher spreads the packets of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// All at once, when the frame is due.
    Burst,
    /// Evenly over the time to the next frame.
    Even,
}

impl Shape {
    /// Packets that leave together.
    pub fn burst(&self) -> usize {
        match self.pacing {
            Pacing::Burst => self.packets_per_frame,
            Pacing::Even => 1,
        }
    }

    /// From one burst to the next.
    pub fn step(&self) -> Duration {
        self.frame_period.mul_f64(self.burst() as f64 / self.packets_per_frame.max(1) as f64)
    }
}

impl Publisher {
    pub fn join(
        server: &Server,
        certificate: &Certificate,
        room: &str,
        stream: &str,
        shape: Shape,
    ) -> Result<Publisher> {
        Publisher::offer(certificate, shape, |offer| server.whip(room, stream, offer))
    }

    /// Under a name that this client has already published under, in place of its earlier session at this URL.
    pub fn join_again(
        server: &Server,
        certificate: &Certificate,
        (room, stream): (&str, &str),
        earlier: &str,
        shape: Shape,
    ) -> Result<Publisher> {
        Publisher::offer(certificate, shape, |offer| server.whip_again(room, stream, earlier, offer))
    }

    /// URL of its session.
    pub fn location(&self) -> &str {
        &self.client.created.location
    }

    fn offer(certificate: &Certificate, shape: Shape, post: impl FnOnce(&str) -> Result<Created>) -> Result<Publisher> {
        let identity = identity(certificate);
        let ssrc = rand::rng().random();
        let created = post(&offer::publish(&identity, ssrc, shape.kind))?;
        let client = Client::new(identity, certificate, created)?;
        Ok(Publisher { client, ssrc, index: 1, frames: 0, position: 0, is_key: true, keyframe_wanted: true, shape })
    }

    pub fn turn(&mut self) -> Result<()> {
        let wanted = &mut self.keyframe_wanted;
        self.client.turn(|opener, arrival| {
            if arrival.kind != DatagramKind::Rtcp {
                return;
            }
            let Ok(length) = opener.open_rtcp(arrival.bytes) else { return };
            *wanted |=
                Compound::new(&arrival.bytes[..length]).flatten().any(|packet| matches!(packet, Packet::Pli { .. }));
        })
    }

    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// See [`Client::last_heard`].
    pub fn last_heard(&self) -> Instant {
        self.client.last_heard()
    }

    /// See [`Client::probe`].
    pub fn probe(&mut self) {
        self.client.probe();
    }

    /// What is due at once: a frame, or one packet of it. To be called again after [`Shape::step`].
    pub fn send_burst(&mut self) {
        let kind = self.shape.kind;
        let millis = self.shape.frame_period.mul_f64(self.frames as f64).as_secs_f64() * 1e3;
        let timestamp = (millis * f64::from(kind.clock_khz())) as u64 as u32;
        if self.position == 0 {
            let is_due = self.frames.is_multiple_of(KEYFRAME_PERIOD_FRAMES);
            self.is_key = std::mem::take(&mut self.keyframe_wanted) || is_due;
        }
        for position in self.position..self.position + self.shape.burst() {
            let header = OutgoingHeader {
                marker: position + 1 == self.shape.packets_per_frame,
                payload_type: kind.payload_type(),
                seq: Seq(self.index as u16),
                timestamp,
                ssrc: Ssrc(self.ssrc),
                extended: false,
                padded: false,
            };
            let mut bytes = [0u8; FIXED_HEADER_BYTES];
            header.write(&mut bytes).expect("the buffer has the size of a header");
            let mut payload = payload(self.shape.packet_bytes - FIXED_HEADER_BYTES);
            if kind == Kind::Video {
                describe(&mut payload, position == 0, self.is_key);
            }
            self.client.send_rtp(self.index, &bytes, &payload);
            self.index += 1;
        }
        self.position += self.shape.burst();
        if self.position >= self.shape.packets_per_frame {
            (self.position, self.frames) = (0, self.frames + 1);
        }
    }

    /// Says goodbye over the media path alone, so that nobody waits for an answer.
    pub fn close(&mut self) {
        self.client.close();
    }

    pub fn leave(mut self, server: &Server) -> Result<()> {
        self.close();
        server.delete(&self.client.created)
    }
}

/// When a packet was sent, as its payload says.
pub fn sent_at(payload: &[u8]) -> Option<SystemTime> {
    let stamp = payload.get(STAMP_AT..STAMP_AT + 8)?.try_into().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from_be_bytes(stamp)))
}

/// What a VP8 parser looks at.
fn describe(payload: &mut [u8], starts_frame: bool, is_key: bool) {
    payload[0] = if starts_frame { VP8_START } else { 0 };
    payload[1] = u8::from(!is_key); // RFC 6386 section 9.1: the lowest bit is 0 in a key frame.
}

fn payload(length: usize) -> Vec<u8> {
    let mut payload = vec![0x55u8; length];
    payload[STAMP_AT..STAMP_AT + 8].copy_from_slice(&unix_nanos(SystemTime::now()).to_be_bytes());
    payload
}

/// RFC 7741 section 4.2: start of a partition, partition 0.
const VP8_START: u8 = 0x10;
/// Behind what a VP8 parser looks at in a key frame.
const STAMP_AT: usize = 16;
const KEYFRAME_PERIOD_FRAMES: u64 = 90;

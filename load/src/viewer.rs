//! Owns a synthetic viewer: it opens every packet and keeps count. Never decodes.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;

use crate::client::{Client, identity};
use crate::http::Server;
use crate::offer;
use crate::publisher::sent_at;

pub struct Viewer {
    client: Client,
    window: ReplayWindow,
    tally: Tally,
}

/// What one viewer has seen.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub packets: u64,
    /// Packets that did not open.
    pub broken: u64,
    /// Sequence numbers that never came, from the first to the last seen.
    pub missing: u64,
    pub first_packet: Option<Instant>,
    /// From the publisher's send call to this viewer's socket, in microseconds.
    pub latencies_us: Vec<f64>,
    first_index: u64,
    last_index: u64,
}

impl Viewer {
    pub fn join(server: &Server, certificate: &Certificate, room: &str, stream: &str) -> Result<Viewer> {
        let identity = identity(certificate);
        let created = server.whep(room, stream, &offer::watch(&identity))?;
        let client = Client::new(identity, certificate, created)?;
        Ok(Viewer { client, window: ReplayWindow::new(), tally: Tally::default() })
    }

    pub fn turn(&mut self) -> Result<()> {
        let (window, tally) = (&mut self.window, &mut self.tally);
        self.client.turn(|opener, arrival| {
            if arrival.kind != DatagramKind::Rtp {
                return;
            }
            let Ok(header) = Header::parse(arrival.bytes) else {
                tally.broken += 1;
                return;
            };
            let index = window.guess(header.seq.0);
            let opened = opener.open_rtp(index, header.header_len, arrival.bytes);
            match opened {
                Ok(length) if window.check(index) => {
                    window.accept(index);
                    tally.note(index, &arrival.bytes[header.header_len..header.header_len + length], arrival.at);
                }
                _ => tally.broken += 1,
            }
        })
    }

    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Starts counting anew, as at the start of a measurement.
    pub fn forget(&mut self) {
        let first_packet = self.tally.first_packet;
        self.tally = Tally { first_packet, ..Tally::default() };
    }

    pub fn leave(mut self, server: &Server) -> Result<()> {
        self.client.close();
        server.delete(&self.client.created)
    }
}

impl Tally {
    fn note(&mut self, index: u64, payload: &[u8], at: SystemTime) {
        if self.packets == 0 {
            self.first_index = index;
            self.first_packet.get_or_insert_with(Instant::now);
        }
        self.last_index = self.last_index.max(index);
        self.packets += 1;
        self.missing = (self.last_index + 1).saturating_sub(self.first_index + self.packets);
        if self.latencies_us.len() < LATENCIES_MAX {
            let latency = sent_at(payload).and_then(|sent| at.duration_since(sent).ok());
            self.latencies_us.push(latency.unwrap_or(Duration::ZERO).as_secs_f64() * 1e6);
        }
    }
}

const LATENCIES_MAX: usize = 20_000;

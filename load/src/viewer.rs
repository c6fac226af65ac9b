//! Owns a synthetic viewer of one stream. Never decodes.

use std::time::Instant;

use anyhow::Result;
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;

use crate::client::{Client, identity};
use crate::http::Server;
use crate::offer::{self, Kind, RTX_PAYLOAD_TYPE};
use crate::stage::Watcher;
use crate::tally::Tally;
use crate::telling::{Telling, ToldCount};

pub struct Viewer {
    client: Client,
    window: ReplayWindow,
    tally: Tally,
    telling: Option<Telling>,
}

impl Viewer {
    pub fn join(server: &Server, certificate: &Certificate, room: &str, stream: &str) -> Result<Viewer> {
        Viewer::join_for(server, certificate, room, stream, Kind::Video)
    }

    /// Of the first track of this kind.
    pub fn join_for(
        server: &Server,
        certificate: &Certificate,
        room: &str,
        stream: &str,
        kind: Kind,
    ) -> Result<Viewer> {
        let identity = identity(certificate);
        let created = server.whep(room, stream, &offer::watch_many(&identity, kind, 1))?;
        let client = Client::new(identity, certificate, created)?;
        Ok(Viewer { client, window: ReplayWindow::new(), tally: Tally::default(), telling: None })
    }

    /// It tells of each packet when it came, so that the server estimates its line, probes it and paces what it sends.
    pub fn join_and_tell(server: &Server, certificate: &Certificate, room: &str, stream: &str) -> Result<Viewer> {
        let identity = identity(certificate);
        let created = server.whep(room, stream, &offer::watch_and_tell(&identity))?;
        let client = Client::new(identity, certificate, created)?;
        let telling = Some(Telling::new());
        Ok(Viewer { client, window: ReplayWindow::new(), tally: Tally::default(), telling })
    }

    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// See [`Client::last_heard`].
    pub fn last_heard(&self) -> Instant {
        self.client.last_heard()
    }

    /// See [`Client::overflowed`].
    pub fn overflowed(&self) -> u32 {
        self.client.overflowed()
    }

    /// See [`Client::probe`].
    pub fn probe(&mut self) {
        self.client.probe();
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Says goodbye over the media path alone, so that nobody waits for an answer.
    pub fn close(&mut self) {
        self.client.close();
    }
}

impl Watcher for Viewer {
    fn turn(&mut self) -> Result<()> {
        let (window, tally, telling) = (&mut self.window, &mut self.tally, &mut self.telling);
        self.client.turn(|opener, arrival| {
            if arrival.kind != DatagramKind::Rtp {
                return;
            }
            let Ok(header) = Header::parse(arrival.bytes) else {
                tally.broken += 1;
                return;
            };
            if let Some(telling) = telling.as_mut() {
                telling.note(&header, arrival.bytes, arrival.at);
            }
            // What fills a probe is of an SSRC of its own, and nobody misses it.
            if header.payload_type != RTX_PAYLOAD_TYPE {
                tally.receive(window, opener, &header, arrival);
            }
        })?;
        let mut packet = [0; FEEDBACK_BYTES_MAX];
        let told = self.telling.as_mut().and_then(|telling| telling.poll(Instant::now(), &mut packet));
        if let Some(length) = told {
            self.client.send_rtcp(&packet[..length]);
        }
        Ok(())
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        std::iter::once(&self.tally)
    }

    fn told(&self) -> ToldCount {
        self.telling.as_ref().map(Telling::count).unwrap_or_default()
    }

    fn forget(&mut self) {
        self.tally = self.tally.anew();
        self.telling.iter_mut().for_each(Telling::forget);
    }

    fn leave(mut self, server: &Server) -> Result<()> {
        self.close();
        server.delete(&self.client.created)
    }
}

const FEEDBACK_BYTES_MAX: usize = 1_200;

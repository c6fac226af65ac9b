//! Owns a synthetic viewer of one stream. Never decodes.

use std::time::Instant;

use anyhow::Result;
use chappe_sfu_core::DatagramKind;
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;

use crate::client::{Client, identity};
use crate::http::Server;
use crate::offer::{self, Kind};
use crate::stage::Watcher;
use crate::tally::Tally;

pub struct Viewer {
    client: Client,
    window: ReplayWindow,
    tally: Tally,
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
        Ok(Viewer { client, window: ReplayWindow::new(), tally: Tally::default() })
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
        let (window, tally) = (&mut self.window, &mut self.tally);
        self.client.turn(|opener, arrival| {
            if arrival.kind == DatagramKind::Rtp {
                match Header::parse(arrival.bytes) {
                    Ok(header) => tally.receive(window, opener, &header, arrival),
                    Err(_) => tally.broken += 1,
                }
            }
        })
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        std::iter::once(&self.tally)
    }

    fn forget(&mut self) {
        self.tally = self.tally.anew();
    }

    fn leave(mut self, server: &Server) -> Result<()> {
        self.close();
        server.delete(&self.client.created)
    }
}

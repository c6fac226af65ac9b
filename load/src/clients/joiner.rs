//! Owns the POSTs of the viewers: some at once, on threads of their own, so that media never waits for HTTP.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail};
use chappe_sfu_core::dtls::Certificate;

use super::plan::ClientsPlan;
use crate::http::Server;
use crate::viewer::Viewer;

pub struct Joiner {
    servers: Arc<[Server]>,
    asks: Sender<Ask>,
    joined: Receiver<(Ask, Result<Viewer>)>,
}

/// A POST that is wanted for a viewer with this number, at a server with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    pub viewer: usize,
    pub server: usize,
    /// Nobody waits for it any longer.
    pub until: Instant,
}

impl Joiner {
    pub fn start(plan: &ClientsPlan, certificate: Certificate) -> Joiner {
        let server = |url: &String| plan.server(url);
        let servers: Arc<[Server]> = plan.whep.iter().map(server).collect();
        let (asks, waiting) = channel::<Ask>();
        let (done, joined) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let kind = plan.shape.kind;
        for _ in 0..THREADS.min(plan.viewers) {
            let (waiting, done, servers) = (Arc::clone(&waiting), done.clone(), Arc::clone(&servers));
            let (certificate, room, stream) = (certificate.clone(), plan.room.clone(), plan.stream.clone());
            std::thread::spawn(move || {
                loop {
                    let ask = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(ask) = ask else { return };
                    let Some(server) = servers.get(ask.server) else { return };
                    let viewer =
                        in_time(&ask).and_then(|()| Viewer::join_for(server, &certificate, &room, &stream, kind));
                    if done.send((ask, viewer)).is_err() {
                        return;
                    }
                }
            });
        }
        Joiner { servers, asks, joined }
    }

    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub fn ask(&self, ask: Ask) {
        // Without threads nobody ever joins, and the clients say so when their time is up.
        let _ = self.asks.send(ask);
    }

    pub fn joined(&self) -> impl Iterator<Item = (Ask, Result<Viewer>)> + '_ {
        self.joined.try_iter()
    }
}

/// Those that are not waited for any more must not hold up the others.
fn in_time(ask: &Ask) -> Result<()> {
    if Instant::now() >= ask.until {
        bail!("others' requests took all the time");
    }
    Ok(())
}

/// Requests under way at once.
const THREADS: usize = 16;

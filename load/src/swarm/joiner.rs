//! Owns the POSTs of a swarm's viewers: some at once, on threads of their own, so that media never waits for HTTP.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use chappe_sfu_core::dtls::Certificate;

use super::{ANSWER_LIMIT, Plan};
use crate::http::Server;
use crate::viewer::Viewer;

pub struct Joiner {
    servers: Arc<[Server]>,
    asks: Sender<(usize, usize)>,
    joined: Receiver<(usize, Result<Viewer>)>,
}

impl Joiner {
    pub fn start(plan: &Plan, certificate: Certificate) -> Joiner {
        let servers: Arc<[Server]> = plan.whep.iter().map(|url| Server::one_of_many(url, ANSWER_LIMIT)).collect();
        let (asks, waiting) = channel::<(usize, usize)>();
        let (done, joined) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let (waiting, done, servers) = (Arc::clone(&waiting), done.clone(), Arc::clone(&servers));
            let (certificate, room, stream) = (certificate.clone(), plan.room.clone(), plan.stream.clone());
            std::thread::spawn(move || {
                loop {
                    let ask = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, server)) = ask else { return };
                    let Some(server) = servers.get(server) else { return };
                    if done.send((number, Viewer::join(server, &certificate, &room, &stream))).is_err() {
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

    /// For a viewer with this number, at a server with this one.
    pub fn ask(&self, viewer: usize, server: usize) {
        // Without threads nobody ever joins, and the swarm says so when its time is up.
        let _ = self.asks.send((viewer, server));
    }

    pub fn joined(&self) -> impl Iterator<Item = (usize, Result<Viewer>)> + '_ {
        self.joined.try_iter()
    }
}

/// Requests under way at once.
const THREADS: usize = 16;

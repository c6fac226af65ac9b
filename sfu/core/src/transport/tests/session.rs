//! Owns a played session: a worker's transport and its client, over one path, in virtual time. Makes no claim.

use std::net::SocketAddr;

use super::*;

pub fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), pwd: format!("{ufrag}-password-of-22-chars") }
}

pub fn udp(port: u16) -> Route {
    Route::Udp { remote: SocketAddr::from(([192, 0, 2, 1], port)), local: None }
}

/// A worker's session and its client, over one path.
pub struct Session {
    pub now: Instant,
    pub worker: Transport,
    pub client: ClientTransport,
    pub to_worker: EmulatedLink,
    pub to_client: EmulatedLink,
    /// The worker's.
    pub certificate: Certificate,
    /// What the worker sees of the client.
    pub route: Route,
    pub worker_events: Vec<TransportEvent>,
    pub client_events: Vec<TransportEvent>,
    /// The client is gone: nothing passes in either direction.
    pub cut: bool,
}

impl Session {
    pub fn new(worker_role: DtlsRole) -> Session {
        Session::over(worker_role, udp(1), EmulatedLink::clean(), EmulatedLink::clean())
    }

    pub fn over(worker_role: DtlsRole, route: Route, to_worker: EmulatedLink, to_client: EmulatedLink) -> Session {
        let now = crate::sim::start();
        let [ours, theirs] = [(); 2].map(|()| Certificate::generate().unwrap());
        let client_role = match worker_role {
            DtlsRole::Server => DtlsRole::Client,
            DtlsRole::Client => DtlsRole::Server,
        };
        let worker = Transport::new(
            now,
            TransportConfig {
                role: worker_role,
                local: credentials("worker"),
                remote: credentials("client"),
                fingerprints: vec![theirs.fingerprint().clone()],
                certificate: ours.clone(),
            },
        );
        let client = ClientTransport::new(
            now,
            ClientConfig {
                route: udp(7000),
                role: client_role,
                local: credentials("client"),
                remote: credentials("worker"),
                fingerprints: vec![ours.fingerprint().clone()],
                certificate: theirs,
                seed: 7,
            },
        );
        Session {
            now,
            worker,
            client,
            to_worker,
            to_client,
            certificate: ours,
            route,
            worker_events: Vec::new(),
            client_events: Vec::new(),
            cut: false,
        }
    }

    pub fn connected(worker_role: DtlsRole) -> Session {
        let mut session = Session::new(worker_role);
        assert!(session.run(Duration::from_secs(30), Session::has_keys), "{:?}", session.worker_events);
        session.run(Duration::from_millis(500), |_| false);
        session.worker_events.clear();
        session
    }

    pub fn exchange(&mut self) {
        let mut buffer = Vec::new();
        while self.worker.poll_transmit(&mut buffer).is_some() {
            if !self.cut {
                self.to_client.send(self.now, &buffer);
            }
        }
        while self.client.poll_transmit(&mut buffer).is_some() {
            if !self.cut {
                self.to_worker.send(self.now, &buffer);
            }
        }
        while let Some(event) = self.worker.poll_event() {
            self.worker_events.push(event);
        }
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
    }

    pub fn run(&mut self, limit: Duration, done: impl Fn(&Session) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.exchange();
            if done(self) {
                return true;
            }
            let client = self.client.poll_timeout().filter(|_| !self.cut);
            let timers = [self.worker.poll_timeout(), client, self.to_worker.next(), self.to_client.next()];
            let next = timers.into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next.map(|next| next.max(self.now)) else {
                self.now = end;
                return false;
            };
            self.now = next;
            while let Some(datagram) = self.to_worker.receive(self.now) {
                let _ = match datagram.first() {
                    Some(0..=3) => self.worker.handle_stun(self.now, self.route, &datagram),
                    _ => self.worker.handle_dtls(self.now, self.route, &datagram),
                };
            }
            while let Some(datagram) = self.to_client.receive(self.now) {
                match datagram.first() {
                    Some(0..=3) => drop(self.client.handle_stun(self.now, &datagram)),
                    _ => self.client.handle_dtls(self.now, &datagram),
                }
            }
            self.worker.handle_timeout(self.now);
            if !self.cut {
                self.client.handle_timeout(self.now);
            }
        }
    }

    pub fn keys(events: &[TransportEvent]) -> Option<&SrtpKeys> {
        events.iter().find_map(|event| match event {
            TransportEvent::Keys(keys) => Some(keys),
            _ => None,
        })
    }

    pub fn has_keys(&self) -> bool {
        Session::keys(&self.worker_events).is_some() && Session::keys(&self.client_events).is_some()
    }

    pub fn closed(&self) -> Option<TransportCloseReason> {
        match self.worker_events.last() {
            Some(TransportEvent::Closed(reason)) => Some(*reason),
            _ => None,
        }
    }
}

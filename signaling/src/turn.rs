//! Owns the TURN servers of this node's clients: those elsewhere, or the one that runs here, its secret and the addresses
//! that it relays to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chappe_signaling_edge::http::Tls;
use chappe_signaling_service::Service;
use chappe_signaling_turn::{Counts, TurnSecret, TurnServers};
use chappe_signaling_turn_server::{RelayTargets, Terms, TurnSockets, relay_media};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::config::SignalingError;

pub struct Turn {
    servers: TurnServers,
    counts: Arc<Counts>,
    /// None: it runs elsewhere, or nowhere.
    sockets: Option<TurnSockets>,
}

impl Turn {
    /// `elsewhere` is told unless there are sockets for one here. Its secret outlives the process.
    pub fn new(
        elsewhere: TurnServers,
        sockets: Option<TurnSockets>,
        secret: &[u8],
        certified: Option<Vec<String>>,
    ) -> Result<Turn, SignalingError> {
        let address = sockets.as_ref().map(|sockets| sockets.udp.local_addr()).transpose();
        let address = address.map_err(|error| SignalingError::Listener("TURN", error))?;
        let here =
            |at: SocketAddr| TurnServers::here(at.port(), certified.unwrap_or_default(), TurnSecret::from_key(secret));
        Ok(Turn { servers: address.map_or(elsewhere, here), counts: Arc::default(), sockets })
    }

    pub fn servers(&self) -> TurnServers {
        self.servers.clone()
    }

    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Until the process ends.
    pub async fn run(self, service: Arc<Service>, tls: Option<Tls>) {
        let Some(sockets) = self.sockets else { return };
        let media = Arc::new(MediaPorts(Arc::clone(&service)));
        let terms = Terms { credentials: self.servers, media, counts: self.counts };
        tokio::select! {
            relayed = relay_media(sockets, terms, tls.map(|tls| tls.acceptor)) => {
                if let Err(error) = relayed {
                    error!(%error, "the TURN server can't run");
                }
            }
            () = ask_after_relayed(&service) => {}
        }
    }
}

/// Sessions of this node, and those that their clients end through it, it knows of itself.
async fn ask_after_relayed(service: &Service) {
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        service.ask_after_relayed().await;
    }
}

/// Of the workers of all nodes.
#[derive(Debug)]
struct MediaPorts(Arc<Service>);

impl RelayTargets for MediaPorts {
    fn destination(&self, peer: SocketAddr) -> Option<SocketAddr> {
        self.0.media_port(peer)
    }

    fn is_of_a_node(&self, ip: IpAddr) -> bool {
        self.0.is_of_a_node(ip)
    }

    fn is_served(&self, client: &str) -> bool {
        self.0.is_served(client)
    }

    fn note_relayed(&self, client: &str) {
        self.0.note_relayed(client);
    }

    fn relay_address(&self, is_ipv6: bool) -> Option<IpAddr> {
        self.0.addresses.now().candidates.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6)
    }
}

const ASK_EVERY: Duration = Duration::from_secs(10);

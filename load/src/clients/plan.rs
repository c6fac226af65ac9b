//! Owns what synthetic clients are to do, and how long they wait for what a server has to answer. Does none of it.

use std::time::Duration;

use ureq::tls::TlsConfig;

use crate::http::Server;
use crate::publisher::Shape;

/// What the clients are to do.
#[derive(Debug, Clone)]
pub struct ClientsPlan {
    /// Where to publish; the next one is tried when the session dies. Empty: somebody else publishes.
    pub whip: Vec<String>,
    /// Where to watch: viewer i begins at i modulo their number.
    pub whep: Vec<String>,
    pub room: String,
    pub stream: String,
    pub viewers: usize,
    pub shape: Shape,
    /// The viewers come one after the other over this time.
    pub ramp: Duration,
    pub token: Option<String>,
    /// Whom to trust at `https://`.
    pub tls: Option<TlsConfig>,
}

impl ClientsPlan {
    pub(super) fn server(&self, url: &str) -> Server {
        Server::one_of_many(url, ANSWER_LIMIT, self.tls.clone()).with_token(self.token.clone())
    }
}

/// For ICE and DTLS; a server that is busy with many takes its time.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// After a refusal, before the next server is asked.
pub(super) const RETRY_PERIOD: Duration = Duration::from_millis(100);
/// For the answer to a POST.
const ANSWER_LIMIT: Duration = Duration::from_millis(2_000);
/// For the same with the wait for others' POSTs: behind a server that takes connections and answers none, that is long.
pub(super) const JOIN_LIMIT: Duration = Duration::from_millis(2_500);

//! Owns the one connection to the servers and its credentials. Never knows what is sent over it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;

use super::config::{Credentials, NatsConfig, NatsTls};
use super::health::Reporter;
use crate::PAYLOAD_BYTES_MAX;
use crate::drops::Drops;
use crate::engine::Health;
use crate::error::EngineError;

/// A handle to the connection, which lives as long as one of them.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Client,
    health: watch::Receiver<Health>,
    connections: watch::Receiver<u64>,
    drops: Arc<Drops>,
    /// Held by nobody else: when the last handle is dropped, so is this.
    _wanted: Arc<Wanted>,
}

/// Tells the client library's task that somebody still wants a connection.
#[derive(Debug)]
struct Wanted;

impl Connection {
    /// Begins to connect, and returns while that goes on.
    pub(super) async fn begin(config: &NatsConfig) -> Result<Connection, EngineError> {
        let drops = Arc::<Drops>::default();
        let reporter = Arc::new(Reporter::new(Arc::clone(&drops)));
        let (health, connections) = (reporter.health(), reporter.connections());
        let wanted = Arc::new(Wanted);
        let mut options = base_options(reporter, Arc::downgrade(&wanted)).name(&config.client_name);
        if let Some(tls) = &config.tls {
            options = with_tls(options, tls)?;
        }
        options = with_credentials(options, &config.credentials).await?;
        let addresses =
            config.servers.iter().map(|server| server.parse::<ServerAddr>()).collect::<io::Result<Vec<_>>>();
        let addresses = addresses.map_err(|error| EngineError::Unavailable(error.to_string()))?;
        let client = options.connect(addresses).await.map_err(|error| EngineError::Unavailable(error.to_string()))?;
        Ok(Connection { client, health, connections, drops, _wanted: wanted })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Counts the connections made: where it changes, what came over the one before may be incomplete.
    pub(super) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }

    pub(super) fn drops(&self) -> &Arc<Drops> {
        &self.drops
    }

    pub(super) fn check_up(&self) -> Result<(), EngineError> {
        match self.health.borrow().outage() {
            None => Ok(()),
            Some(why) => Err(EngineError::Unavailable(why.to_owned())),
        }
    }

    /// Refuses what the servers are configured not to take; they would end the connection over it.
    pub(super) fn check_servers_take(&self, payload: &[u8]) -> Result<(), EngineError> {
        let bytes_max = PAYLOAD_BYTES_MAX.min(self.client.max_payload().saturating_sub(HEADER_BYTES_MAX));
        let bytes = payload.len();
        if bytes > bytes_max { Err(EngineError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }
}

/// What a write's headers take at most; servers count them as payload.
const HEADER_BYTES_MAX: usize = 512;
/// A connection on which nothing has come for this long is asked for a sign of life; it is given up after two more.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages between the connection and the task that takes them on; only a stalled machine fills it.
const SUBSCRIPTION_WAITING_MAX: usize = 8192;
/// The first attempt to connect is made at once, the second after this, each further after twice as long.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(50);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);

fn base_options(reporter: Arc<Reporter>, wanted: Weak<Wanted>) -> ConnectOptions {
    let for_attempts = Arc::clone(&reporter);
    ConnectOptions::new()
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_TIMEOUT)
        .subscription_capacity(SUBSCRIPTION_WAITING_MAX)
        .reconnect_delay_callback(retry_delay)
        // Asked which server to try; used because it is told why the others failed.
        .reconnect_to_server_callback(move |servers, _| {
            let wanted = wanted.strong_count() > 0;
            if wanted {
                for_attempts.handle_attempt(&servers);
            }
            async move {
                if !wanted {
                    // While it is not connected the library does not notice that nobody is left; it would try for ever.
                    std::future::pending::<()>().await;
                }
                None
            }
        })
        .event_callback(move |event| {
            reporter.handle_event(&event);
            async {}
        })
}

/// Up to a quarter shorter by chance, so that the nodes of a cluster do not all come back in one moment.
fn retry_delay(attempts: usize) -> Duration {
    let doublings = match attempts {
        0 | 1 => return Duration::ZERO,
        attempts => u32::try_from(attempts - 2).unwrap_or(u32::MAX),
    };
    let delay = RETRY_DELAY_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(RETRY_DELAY_MAX);
    delay.mul_f64(rand::random_range(0.75..=1.0))
}

fn with_tls(mut options: ConnectOptions, tls: &NatsTls) -> Result<ConnectOptions, EngineError> {
    // With several providers compiled in, rustls asks for a choice. Somebody may have made it, which is as well.
    let _ = async_nats::rustls::crypto::aws_lc_rs::default_provider().install_default();
    options = options.require_tls(true);
    if let Some(ca) = &tls.ca {
        check_readable(ca)?;
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &tls.certificate {
        check_readable(certificate)?;
        check_readable(key)?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

async fn with_credentials(options: ConnectOptions, credentials: &Credentials) -> Result<ConnectOptions, EngineError> {
    Ok(match credentials {
        Credentials::None => options,
        Credentials::UserPassword { user, password } => options.user_and_password(user.clone(), password.clone()),
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::CredentialsFile(path) => {
            check_readable(path)?;
            let why = "this is not a credentials file with a user's JWT and seed, as nsc writes it";
            options.credentials_file(path).await.map_err(|_| bad_file(path, why))?
        }
        Credentials::NkeySeedFile(path) => options.nkey(nkey_seed(path)?),
    })
}

/// Files are read again at each attempt; a missing one is said at the start, when somebody looks.
fn check_readable(path: &Path) -> Result<(), EngineError> {
    std::fs::File::open(path).map(drop).map_err(|error| bad_file(path, &error.to_string()))
}

/// The line that is a user's seed; `nk` and `nsc` may put others around it.
fn nkey_seed(path: &Path) -> Result<String, EngineError> {
    let text = std::fs::read_to_string(path).map_err(|error| bad_file(path, &error.to_string()))?;
    let seed = text.lines().map(str::trim).find(|line| line.len() == SEED_LENGTH && line.starts_with("SU"));
    seed.map(str::to_owned).ok_or_else(|| bad_file(path, "there is no line with the seed of a user's nkey, SU…"))
}

const SEED_LENGTH: usize = 58;

fn bad_file(path: &Path, why: &str) -> EngineError {
    EngineError::BadFile { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_up_to_a_limit() {
        assert_eq!((retry_delay(0), retry_delay(1)), (Duration::ZERO, Duration::ZERO));
        for (attempts, expected_ms) in [(2, 50), (3, 100), (7, 1600), (8, 2000), (40, 2000), (usize::MAX, 2000)] {
            let delay_ms = retry_delay(attempts).as_millis();
            assert!((expected_ms * 3 / 4..=expected_ms).contains(&delay_ms), "{attempts}: {delay_ms} ms");
        }
    }
}

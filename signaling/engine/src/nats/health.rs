//! Owns what is known of the connection and says so, in the log once per change. Never decides when to try again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_nats::{ClientError, Event, Server, ServerError};
use tokio::sync::watch;

use crate::drops::{Drops, Queue};
use crate::engine::Health;

/// Told by the client library what happens; tells everybody else.
#[derive(Debug)]
pub(super) struct Reporter {
    health: watch::Sender<Health>,
    /// How often a connection was made.
    connections: watch::Sender<u64>,
    drops: Arc<Drops>,
    said: Mutex<Said>,
}

/// What is in the log already.
#[derive(Debug, Default)]
struct Said {
    /// Reasons of the outage that is on.
    reasons: Vec<String>,
    server_error: String,
}

impl Reporter {
    pub(super) fn new(drops: Arc<Drops>) -> Reporter {
        Reporter {
            health: watch::Sender::new(Health::Connecting),
            connections: watch::Sender::new(0),
            drops,
            said: Mutex::default(),
        }
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    pub(super) fn handle_event(&self, event: &Event) {
        match event {
            Event::Connected => self.handle_connected(),
            Event::Disconnected => self.set_down("the connection was lost".to_owned()),
            // Of a failed attempt this has less to say than the list of servers, except for this one.
            Event::ClientError(ClientError::Other(what)) if what.contains("DNS") => {
                self.set_down("the name of a server is not known to the DNS".to_owned());
            }
            Event::SlowConsumer(_) => self.drops.add(Queue::Connection),
            Event::ServerError(error) => self.handle_server_error(error),
            Event::ClientError(_) | Event::LameDuckMode | Event::Draining | Event::Closed => {}
        }
    }

    /// Before each attempt: what the ones before it came to.
    pub(super) fn handle_attempt(&self, servers: &[Server]) {
        let mut failures: Vec<String> = servers.iter().filter_map(failure).collect();
        failures.sort();
        let more = failures.len().saturating_sub(FAILURES_SHOWN_MAX);
        failures.truncate(FAILURES_SHOWN_MAX);
        if more > 0 {
            failures.push(format!("{more} more"));
        }
        if !failures.is_empty() {
            self.set_down(failures.join("; "));
        }
    }

    fn handle_connected(&self) {
        self.said().reasons.clear();
        tracing::info!("NATS is connected");
        // In this order: whoever sees that it is up sees the new count too.
        self.connections.send_modify(|count| *count += 1);
        self.health.send_replace(Health::Up);
    }

    fn set_down(&self, new: String) {
        let mut said = self.said();
        if !said.reasons.contains(&new) && said.reasons.len() < REASONS_SAID_MAX {
            tracing::warn!(why = new, "NATS cannot be reached; trying again until it can");
            said.reasons.push(new.clone());
        }
        drop(said);
        self.health.send_if_modified(|health| match health {
            Health::Connecting | Health::Up => {
                *health = Health::Down { since: Instant::now(), why: new };
                true
            }
            Health::Down { why, .. } if *why != new => {
                *why = new;
                true
            }
            Health::Down { .. } => false,
        });
    }

    /// For example that a user may not publish to a subject, which then comes with each message.
    fn handle_server_error(&self, error: &ServerError) {
        let error = error.to_string();
        let mut said = self.said();
        if said.server_error != error {
            tracing::warn!(error, "NATS has refused something");
            said.server_error = error;
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a server could not be used, for a person.
fn failure(server: &Server) -> Option<String> {
    let error = server.last_error.as_deref()?;
    let (host, port) = (server.addr.host(), server.addr.port());
    if error.contains("authorization violation") {
        return Some(format!("{host}:{port} refuses the credentials: user and password, token or key are not its own"));
    }
    if error.contains("signing nonce") {
        return Some(format!("the nkey or credentials file holds no key that {host}:{port} can be answered with"));
    }
    Some(format!("{host}:{port}: {error}"))
}

const FAILURES_SHOWN_MAX: usize = 4;
/// Reasons of one outage that get into the log.
const REASONS_SAID_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16, error: Option<&str>) -> Server {
        let addr = format!("nats://h:{port}").parse().unwrap();
        let last_error = error.map(str::to_owned);
        Server { addr, failed_attempts: 1, did_connect: false, is_discovered: false, last_error }
    }

    fn why(reporter: &Reporter) -> String {
        reporter.health().borrow().outage().unwrap_or("up").to_owned()
    }

    #[test]
    fn it_is_connecting_until_the_first_attempt_has_failed() {
        let reporter = Reporter::new(Arc::default());
        reporter.handle_attempt(&[server(1, None)]);
        assert_eq!(*reporter.health().borrow(), Health::Connecting);
        reporter.handle_attempt(&[server(1, Some("timed out"))]);
        assert_eq!(why(&reporter), "h:1: timed out");
    }

    #[test]
    fn an_outage_begins_once_and_its_reason_may_change() {
        let reporter = Reporter::new(Arc::default());
        reporter.handle_event(&Event::Connected);
        assert_eq!((why(&reporter).as_str(), *reporter.connections().borrow()), ("up", 1));
        reporter.handle_event(&Event::Disconnected);
        let Health::Down { since, .. } = *reporter.health().borrow() else { panic!("up") };
        reporter.handle_attempt(&[server(2, Some("IO error: refused")), server(1, Some("timed out")), server(3, None)]);
        assert_eq!(why(&reporter), "h:1: timed out; h:2: IO error: refused");
        let Health::Down { since: still, .. } = *reporter.health().borrow() else { panic!("up") };
        assert_eq!(since, still);
        reporter.handle_event(&Event::Connected);
        assert_eq!((why(&reporter).as_str(), *reporter.connections().borrow()), ("up", 2));
    }

    #[test]
    fn refused_credentials_are_named_as_such() {
        let reporter = Reporter::new(Arc::default());
        reporter.handle_attempt(&[server(1, Some("authorization violation: nats: authorization violation"))]);
        assert!(why(&reporter).contains("h:1 refuses the credentials"), "{}", why(&reporter));
    }

    #[test]
    fn a_long_list_of_servers_is_cut() {
        let reporter = Reporter::new(Arc::default());
        let servers: Vec<Server> = (1..=9).map(|port| server(port, Some("timed out"))).collect();
        reporter.handle_attempt(&servers);
        assert!(why(&reporter).ends_with("h:4: timed out; 5 more"), "{}", why(&reporter));
    }
}

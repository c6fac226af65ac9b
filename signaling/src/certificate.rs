//! Owns following the certificate of the listeners while the process runs: its files are looked at every second and at
//! SIGHUP, and a bad one is said and not served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chappe_signaling_edge::http::{PROTOCOLS, Tls, TlsReport};
use chappe_signaling_tls::{ACME_PROTOCOL, Challenges, Facts, PemFiles, Renewal, ServedCertificate};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::SignalingError;

/// What the listeners need, and what has to be followed.
pub struct Certificate {
    pub tls: Tls,
    pub facts: Facts,
    served: ServedCertificate,
}

impl Certificate {
    pub fn load(files: PemFiles, report: Arc<TlsReport>) -> Result<Certificate, SignalingError> {
        let (served, facts) = ServedCertificate::load(files).map_err(|error| SignalingError::Tls(error.to_string()))?;
        let protocols: Vec<&[u8]> = PROTOCOLS.into_iter().chain([ACME_PROTOCOL]).collect();
        let config = served.server_config(&protocols).map_err(|error| SignalingError::Tls(error.to_string()))?;
        let tls = Tls { acceptor: config.into(), report };
        say("the certificate is read", &facts, &tls.report);
        Ok(Certificate { tls, facts, served })
    }

    pub fn challenges(&self) -> Challenges {
        self.served.challenges()
    }

    async fn follow(mut self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangup = signal(SignalKind::hangup()).ok();
        let asked = async |hangup: &mut Option<tokio::signal::unix::Signal>| match hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        };
        loop {
            let renewal = tokio::select! {
                _ = ticks.tick() => self.served.look_again(),
                _ = asked(&mut hangup) => self.served.read_again(),
            };
            match renewal {
                Renewal::Unchanged => {}
                Renewal::Renewed(facts) => say("the certificate is renewed", &facts, &self.tls.report),
                Renewal::Refused(error) => {
                    warn!(%error, "the certificate can't be renewed: that of before is served on")
                }
            }
        }
    }
}

/// Until the process ends.
pub async fn follow(certificate: Option<Certificate>) {
    match certificate {
        Some(certificate) => certificate.follow().await,
        None => std::future::pending().await,
    }
}

fn say(what: &str, facts: &Facts, report: &TlsReport) {
    let since_1970 = facts.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    report.set_expiry(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    let now = SystemTime::now();
    let names: Vec<String> =
        facts.names.iter().cloned().chain(facts.addresses.iter().map(ToString::to_string)).collect();
    match facts.good_for(now).filter(|_| !facts.is_not_yet_good(now)) {
        Some(left) => info!(?names, days_left = left.as_secs() / DAY_S, "{what}"),
        None => warn!(?names, "{what}, and it is not good now: too old, or the clock is wrong"),
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
const DAY_S: u64 = 86_400;

//! Owns getting the certificate of the listeners by ACME (RFC 8555), and another one in good time. What is served
//! meanwhile is what there was before: the files are written when there is something better.
//!
//! The protocol is `instant-acme`, over the connections of this process. The domain is proved by a handshake on the public
//! listener itself (TLS-ALPN-01, RFC 8737), so that no other port is needed.

mod exchange;
mod order;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chappe_signaling_edge::http::TlsReport;
use chappe_signaling_tls::{AcmeDirectory, PemFiles};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::certificate::Certificate;
pub use order::AcmeConfig;
use order::{Authority, Failed};

pub struct Acme {
    authority: Authority,
    report: Arc<TlsReport>,
    public_port: Option<u16>,
}

impl Acme {
    /// `files` are in the directory of the authority.
    pub fn new(config: AcmeConfig, files: &PemFiles, certificate: &Certificate, public_port: Option<u16>) -> Acme {
        let (challenges, report) = (certificate.challenges(), Arc::clone(&certificate.tls.report));
        Acme { authority: Authority { config, directory: AcmeDirectory::of(files), challenges }, report, public_port }
    }

    /// For as long as the process lives.
    pub async fn follow(self) {
        let Authority { config, .. } = &self.authority;
        // Of either kind: what a refusal costs an unanswered request does not.
        let (mut failures, mut is_told) = ([0; 2], false);
        loop {
            let due = self.due(SystemTime::now());
            if !due.is_zero() {
                if !is_told {
                    let days = due.as_secs() / DAY_S;
                    info!(domains = ?config.domains, days, "the certificate is good: another one is asked for in so many days");
                }
                is_told = true;
                sleep(due.min(LOOK_EVERY)).await;
                continue;
            }
            let pause = match self.ask().await {
                Ok(()) => {
                    (failures, is_told) = ([0; 2], false);
                    self.report.set_problem(None);
                    info!(domains = ?config.domains, "the authority has given a certificate");
                    PAUSE_AFTER_SUCCESS
                }
                Err(failed) => {
                    let failures = &mut failures[usize::from(failed.is_refusal)];
                    *failures += 1;
                    let pause = failed.pause(*failures);
                    let (why, retry_s) = (failed.to_string(), pause.as_secs());
                    self.report.set_problem(Some(format!("{}: {why}", config.server)));
                    warn!(server = config.server, why, retry_s, "no certificate by ACME: that of before is served on");
                    pause
                }
            };
            sleep(pause).await;
        }
    }

    /// In how long another certificate is wanted; zero: now.
    fn due(&self, now: SystemTime) -> Duration {
        let Authority { config, directory, .. } = &self.authority;
        let Ok(facts) = directory.files().check() else { return Duration::ZERO };
        if facts.is_self_signed || !facts.covers(&config.domains) {
            return Duration::ZERO;
        }
        facts.renew_at().duration_since(now).unwrap_or_default()
    }

    async fn ask(&self) -> Result<(), Failed> {
        let Authority { config, challenges, .. } = &self.authority;
        info!(server = config.server, domains = ?config.domains, "asks for a certificate by ACME");
        if let Some(port) = self.public_port.filter(|port| *port != HTTPS_PORT) {
            info!(port, "the authority looks at port 443 of each domain: that has to lead to this one");
        }
        let asked = timeout(ORDER_WITHIN, self.authority.order()).await;
        challenges.clear();
        asked.unwrap_or_else(|_| Err(Failed::unanswered(format!("not done within {} s", ORDER_WITHIN.as_secs()))))
    }
}

/// A clock that was set, or a machine that slept, is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
const ORDER_WITHIN: Duration = Duration::from_secs(300);
/// An authority whose certificates are to be renewed at once is not asked again and again.
const PAUSE_AFTER_SUCCESS: Duration = Duration::from_secs(10);
const DAY_S: u64 = 86_400;
const HTTPS_PORT: u16 = 443;

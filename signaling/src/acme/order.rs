//! Owns one order of a certificate, from the account to the files.

use std::fmt;
use std::time::Duration;

use chappe_signaling_tls::{AcmeDirectory, Challenges, Requested, request_certificate};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use tracing::{info, warn};

use super::exchange::Https;

/// Who is asked for which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeConfig {
    /// Address of the authority's directory (`https://…`). Its terms were agreed to.
    pub server: String,
    /// Names that the certificate is for.
    pub domains: Vec<String>,
    /// Where the authority writes to.
    pub email: Option<String>,
}

/// It, what is kept of it, and what it is shown.
pub struct Authority {
    pub config: AcmeConfig,
    pub directory: AcmeDirectory,
    pub challenges: Challenges,
}

/// Why there is no certificate.
#[derive(Debug)]
pub struct Failed {
    why: String,
    /// By an authority that counts refusals.
    pub is_refusal: bool,
}

impl Failed {
    pub fn unanswered(why: String) -> Failed {
        Failed { why, is_refusal: false }
    }

    fn refused(why: String) -> Failed {
        Failed { why, is_refusal: true }
    }

    /// Doubled with each failure of its kind, to an hour. Authorities permit five refusals of a domain in an hour.
    pub fn pause(&self, failures: u32) -> Duration {
        let first = if self.is_refusal { REFUSED_PAUSE } else { UNANSWERED_PAUSE };
        first.saturating_mul(1 << failures.saturating_sub(1).min(12)).min(PAUSE_MAX)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        match &error {
            Error::Api(_) => Failed::refused(error.to_string()),
            _ => Failed::unanswered(error.to_string()),
        }
    }
}

impl Authority {
    /// Leaves the challenges as they are.
    pub async fn order(&self) -> Result<(), Failed> {
        let identifiers: Vec<Identifier> = self.config.domains.iter().cloned().map(Identifier::Dns).collect();
        let wanted = NewOrder::new(&identifiers);
        let mut order = match self.account().await?.new_order(&wanted).await {
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(UNKNOWN_ACCOUNT) => {
                warn!("the authority does not know our account any more: another one is made");
                let forgotten = self.directory.forget_account();
                forgotten.map_err(|why| Failed::unanswered(format!("the account can't be forgotten: {why}")))?;
                self.account().await?.new_order(&wanted).await?
            }
            order => order?,
        };
        self.prove(&mut order).await?;
        let Requested { der, key_pem } =
            request_certificate(&self.config.domains).map_err(|why| Failed::unanswered(why.to_string()))?;
        order.finalize_csr(&der).await?;
        let chain_pem = order.poll_certificate(&PATIENCE).await?;
        let kept = self.directory.keep_certificate(&chain_pem, &key_pem);
        kept.map_err(|why| Failed::unanswered(format!("the certificate can't be kept: {why}")))
    }

    /// The one that was kept, or a new one.
    async fn account(&self) -> Result<Account, Failed> {
        let unkept = |why: std::io::Error| Failed::unanswered(format!("the account can't be kept: {why}"));
        let builder = Account::builder_with_http(Box::new(Https));
        if let Some(text) = self.directory.account().map_err(unkept)? {
            match serde_json::from_str(&text) {
                Ok(known) => return Ok(builder.from_credentials(known).await?),
                Err(error) => warn!(%error, "the account that was kept can't be understood: another one is made"),
            }
        }
        let contact: Vec<String> = self.config.email.iter().map(|email| format!("mailto:{email}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, known) = builder.create(&wanted, self.config.server.clone(), None).await?;
        let text = serde_json::to_string(&known).map_err(|why| Failed::unanswered(why.to_string()))?;
        self.directory.keep_account(&text).map_err(unkept)?;
        info!(account = account.id(), "an account is made with the authority");
        Ok(account)
    }

    /// That each domain leads here.
    async fn prove(&self, order: &mut Order) -> Result<(), Failed> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let domain = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => return Err(Failed::refused(format!("the authorization of {domain} is {status:?}"))),
            }
            let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
                return Err(Failed::refused(format!("the authority has no TLS-ALPN-01 for {domain}")));
            };
            let digest = challenge.key_authorization().digest();
            let expected = self.challenges.expect(&domain, digest.as_ref());
            expected.map_err(|why| Failed::unanswered(why.to_string()))?;
            info!(domain, "the authority is to look at the domain by a handshake at port 443 (TLS-ALPN-01)");
            challenge.set_ready().await?;
        }
        match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(status) => Err(Failed::refused(unproved(order, format!("the order is {status:?}")).await)),
            Err(Error::Api(problem)) => Err(Failed::refused(unproved(order, problem.to_string()).await)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the authority has seen instead of what it expected, or else `outcome`.
async fn unproved(order: &mut Order, outcome: String) -> String {
    let mut told = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let domain = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        told.extend(problems.map(|problem| format!("{domain}: {problem}")));
    }
    if told.is_empty() { outcome } else { told.join("; ") }
}

const UNKNOWN_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// Looks go on for as long.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));
const UNANSWERED_PAUSE: Duration = Duration::from_secs(5);
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

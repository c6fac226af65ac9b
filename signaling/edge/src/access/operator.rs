//! Owns how long an operator may follow something: until the token is over, or its key is gone. Never judges a token.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use chappe_signaling_access::{KeyRing, Operator};
use chappe_signaling_service::unix_ms;
use tokio::sync::watch;
use tokio::time::sleep;

/// Of a request that a token let in.
#[derive(Debug, Clone)]
pub struct OperatorAccess {
    operator: Operator,
    /// Those that the token was checked with.
    known: Arc<KeyRing>,
    keys: watch::Receiver<Arc<KeyRing>>,
}

/// Why what is followed ends before it does by itself, as its reader is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessEnd {
    #[error("the token has expired: ask again with a new one")]
    Expired,
    #[error("the key of the token was revoked: ask again with a token of another key")]
    Revoked,
}

impl OperatorAccess {
    pub fn new(operator: Operator, known: Arc<KeyRing>, keys: watch::Receiver<Arc<KeyRing>>) -> OperatorAccess {
        OperatorAccess { operator, known, keys }
    }

    /// Waits for it.
    pub async fn end(&mut self) -> AccessEnd {
        loop {
            let left_ms = self.operator.expires_ms.saturating_sub(unix_ms());
            if left_ms == 0 {
                return AccessEnd::Expired;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(left_ms).min(CLOCK_IS_READ_EVERY)) => {}
                Ok(()) = self.keys.changed() => {
                    let now = self.keys.borrow_and_update().clone();
                    if now.has_revoked(&self.known, &self.operator.issuer) {
                        return AccessEnd::Revoked;
                    }
                }
            }
        }
    }
}

impl AccessEnd {
    /// As in the errors of HTTP and the WebSocket.
    pub fn code(self) -> &'static str {
        match self {
            AccessEnd::Expired => "token_expired",
            AccessEnd::Revoked => "token_revoked",
        }
    }
}

/// Never, where nobody is asked for a token.
pub async fn end_of(access: &mut Option<OperatorAccess>) -> AccessEnd {
    match access {
        Some(access) => access.end().await,
        None => pending().await,
    }
}

/// It may be set, and stands still while the machine sleeps.
const CLOCK_IS_READ_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_signaling_access::ApiKey;

    fn key(number: u8) -> ApiKey {
        ApiKey::from_random([number; 6], [number; 32])
    }

    fn ring(keys: &[u8]) -> Arc<KeyRing> {
        Arc::new(KeyRing::new(keys.iter().map(|number| key(*number)), Vec::new()))
    }

    /// By a token of the first of two keys.
    fn access(left_ms: u64) -> (watch::Sender<Arc<KeyRing>>, OperatorAccess) {
        let (sender, mut keys) = watch::channel(ring(&[1, 2]));
        let known = keys.borrow_and_update().clone();
        let operator = Operator { issuer: key(1).id.as_str().to_owned(), expires_ms: unix_ms() + left_ms };
        (sender, OperatorAccess::new(operator, known, keys))
    }

    #[tokio::test]
    async fn it_ends_with_the_token_whatever_becomes_of_other_keys_and_of_who_tells_of_them() {
        let (sender, mut access) = access(50);
        sender.send_replace(ring(&[1, 3]));
        drop(sender);
        assert_eq!(access.end().await, AccessEnd::Expired);
    }

    #[tokio::test]
    async fn it_ends_with_the_key_also_when_that_went_before_anybody_waited() {
        let (sender, mut access) = access(60_000);
        sender.send_replace(ring(&[1]));
        sender.send_replace(ring(&[2]));
        assert_eq!(access.end().await, AccessEnd::Revoked);
    }
}

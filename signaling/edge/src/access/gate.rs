//! Owns the door of the public listener: whether a client needs a token, and what the one that it shows permits. Never
//! judges what a client may do with it: the service does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chappe_signaling_access::{KeyRing, Pass, TokenError};
use chappe_signaling_service::{Caller, Refusal, Service, unix_ms};
use chappe_supervisor_api::Auth;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::access::operator::OperatorAccess;
use crate::access::rates::Rates;
use crate::error::HttpError;

/// The same for HTTP and WebSocket.
#[derive(Debug)]
pub struct Gate {
    auth: Auth,
    service: Arc<Service>,
    /// The keys change while the process runs.
    keys: watch::Receiver<Arc<KeyRing>>,
    rates: Rates,
}

impl Gate {
    pub fn new(auth: Auth, service: Arc<Service>, keys: watch::Receiver<Arc<KeyRing>>) -> Gate {
        Gate { auth, service, keys, rates: Rates::new() }
    }

    /// What a client's token permits; none where nobody is asked for one.
    pub async fn judge(&self, caller: &Caller, token: Option<&str>) -> Result<Option<Box<Pass>>, Refusal> {
        if self.auth != Auth::Jwt {
            return Ok(None);
        }
        let judged = match token.filter(|token| !token.is_empty()) {
            Some(token) => self.keys.borrow().verify(token, unix_ms()),
            None => Err(TokenError::Missing),
        };
        match judged {
            Ok(pass) => Ok(Some(Box::new(pass))),
            Err(error) => Err(self.refuse(error, caller).await),
        }
    }

    /// What a token permits who operates the node.
    async fn judge_operator(&self, caller: &Caller, token: Option<&str>) -> Result<OperatorAccess, Refusal> {
        let mut keys = self.keys();
        let known = keys.borrow_and_update().clone();
        let judged = match token.filter(|token| !token.is_empty()) {
            Some(token) => known.verify_operator(token, unix_ms()),
            None => Err(TokenError::Missing),
        };
        match judged {
            Ok(operator) => Ok(OperatorAccess::new(operator, known, keys)),
            Err(error) => Err(self.refuse(error, caller).await),
        }
    }

    /// Counted, and slow for whoever tries keys.
    async fn refuse(&self, error: TokenError, caller: &Caller) -> Refusal {
        let refusal = self.service.refuse_token(error);
        if error != TokenError::Missing
            && let Err(too_many) = self.rates.note_wrong_token(caller)
        {
            // Whoever tries keys waits, and holds one of the connections that its address may have. Others behind the
            // same address show good tokens meanwhile, and do not wait.
            sleep(WRONG_TOKEN_PAUSE).await;
            return too_many;
        }
        refusal
    }

    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Until the process ends: forgets who asks no more.
    pub async fn tidy(self: Arc<Gate>) {
        loop {
            sleep(TIDY_EVERY).await;
            self.rates.tidy();
        }
    }

    /// To hear of keys that come and go.
    pub fn keys(&self) -> watch::Receiver<Arc<KeyRing>> {
        self.keys.clone()
    }
}

/// Before a route: only a client with a good token gets there. A browser asks beforehand without one (CORS).
pub async fn admit_token(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let Some(mut caller) = request.extensions_mut().remove::<Caller>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    caller.pass = match gate.judge(&caller, bearer(request.headers())).await {
        Ok(pass) => pass,
        Err(refusal) => return HttpError::from(refusal).into_response(),
    };
    let within_rate = match *request.method() {
        Method::POST => gate.rates.check_join(&caller),
        Method::PATCH | Method::DELETE => gate.rates.check_change(&caller),
        _ => Ok(()),
    };
    if let Err(refusal) = within_rate {
        return HttpError::from(refusal).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Before the routes of the admin listener: only an operator gets there. What it follows lasts as long as its access.
pub async fn admit_operator(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let access = match gate.judge_operator(caller, bearer(request.headers())).await {
        Ok(access) => access,
        Err(refusal) => return HttpError::from(refusal).into_response(),
    };
    request.extensions_mut().insert(access);
    next.run(request).await
}

const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// RFC 6750 section 2.1. The name of the scheme is the same in capitals (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_the_word_bearer() {
        let read = |value: &str| {
            let headers: HeaderMap = [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect();
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(read("bearer  a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(read("Basic a.b.c"), None);
        assert_eq!(read("Bearer"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}

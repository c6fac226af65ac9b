//! Owns who a request is from before it is routed: its client, the path below which it was asked, and its client's share
//! of all requests.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router};
use chappe_signaling_service::{Caller, Counted, Limit, Refusal, Refusals, Shares};
use tower::ServiceExt as _;

use crate::access::base_path::BasePath;
use crate::access::config::AccessConfig;
use crate::access::ends::Ends;
use crate::error::HttpError;
use crate::http::places::CONNECTIONS_MAX;
use crate::http::target::route_of;

/// What all connections of a listener share.
pub struct Front {
    pub router: Router,
    pub access: Arc<AccessConfig>,
    /// Requests that are being answered, by their clients.
    pub requests: Arc<Shares>,
    pub refusals: Arc<Refusals>,
}

impl Front {
    /// Counts what was refused, whoever did.
    pub async fn answer<B>(&self, ends: Ends, request: hyper::Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let response = self.route(ends, request).await;
        if let Some(counted) = response.extensions().get::<Counted>() {
            self.refusals.note(*counted);
        }
        response
    }

    async fn route<B>(&self, ends: Ends, mut request: hyper::Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let access = &self.access;
        let remote = ends.remote.ip();
        let base = match access.proxies.prefix(remote, request.headers()) {
            Ok(said) => said.unwrap_or_else(|| access.base_path.clone()),
            Err(error) => return error.into_response(),
        };
        let client = access.proxies.client(remote, request.headers());
        let is_proxy = access.proxies.trusts(client);
        let reached_at = Some(ends.local.ip().to_canonical()).filter(|_| client == remote && !is_proxy);
        let caller = Caller { address: client.into(), is_proxy, reached_at, pass: None };
        let each_max = if is_proxy { CONNECTIONS_MAX } else { REQUESTS_OF_CLIENT_MAX };
        let Some(_share) = self.requests.take(caller.address, each_max) else {
            return HttpError::from(Refusal::TooMany(Limit::Requests(each_max))).into_response();
        };
        if let Some(route) = route_of(request.uri(), &base) {
            *request.uri_mut() = route;
        }
        let extensions = request.extensions_mut();
        extensions.insert(ends);
        extensions.insert(caller);
        extensions.insert::<BasePath>(base);
        match self.router.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Requests of one client at a time, whether it comes itself, with connections that carry many each, or through a proxy
/// that names it. A proxy that names nobody, and this machine, may have as many as there are places.
const REQUESTS_OF_CLIENT_MAX: usize = CONNECTIONS_MAX / 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::time::Duration;

    use axum::http::StatusCode;
    use tokio::time::timeout;

    type Answer<'a> = Pin<Box<dyn Future<Output = Response> + 'a>>;

    /// Of a listener that never comes to an end with what it is asked.
    fn busy_front() -> Front {
        let router = Router::new().fallback(std::future::pending::<()>);
        Front { router, access: Arc::default(), requests: Shares::new(CONNECTIONS_MAX), refusals: Arc::default() }
    }

    /// One more request, which stays if it is taken.
    async fn refusal<'a>(
        front: &'a Front,
        held: &mut Vec<Answer<'a>>,
        remote: &str,
        named: Option<&str>,
    ) -> Option<StatusCode> {
        let local = SocketAddr::from(([192, 0, 2, 1], 443));
        let ends = Ends { remote: SocketAddr::new(remote.parse().unwrap(), 4_711), local };
        let mut request = hyper::Request::new(Body::empty());
        if let Some(client) = named {
            request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        }
        let mut answer: Answer<'a> = Box::pin(front.answer(ends, request));
        let answered = timeout(Duration::ZERO, answer.as_mut()).await;
        held.push(answer);
        answered.ok().map(|response| response.status())
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_of_requests_however_many_each_connection_carries() {
        let (front, mut held) = (busy_front(), Vec::new());
        for _ in 0..REQUESTS_OF_CLIENT_MAX {
            assert_eq!(refusal(&front, &mut held, "2001:db8::1", None).await, None);
        }
        let beyond = refusal(&front, &mut held, "2001:db8::2", None).await;
        assert_eq!(beyond, Some(StatusCode::SERVICE_UNAVAILABLE), "of the same /64");
        assert_eq!(front.refusals.access.counts(), [("requests", 1)], "and it is counted");
        assert_eq!(refusal(&front, &mut held, "2001:db8:0:1::1", None).await, None);
        held.clear();
        assert_eq!(refusal(&front, &mut held, "2001:db8::1", None).await, None, "what has ended is given back");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_proxy_passes_on_counts_by_the_client_that_it_names() {
        let (front, mut held) = (busy_front(), Vec::new());
        for _ in 0..REQUESTS_OF_CLIENT_MAX {
            assert_eq!(refusal(&front, &mut held, "127.0.0.1", Some("203.0.113.7")).await, None);
        }
        let beyond = refusal(&front, &mut held, "127.0.0.1", Some("203.0.113.7")).await;
        assert_eq!(beyond, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(refusal(&front, &mut held, "127.0.0.1", Some("203.0.113.8")).await, None);
        for _ in 0..=REQUESTS_OF_CLIENT_MAX {
            assert_eq!(refusal(&front, &mut held, "127.0.0.1", None).await, None, "many behind one address");
        }
    }
}

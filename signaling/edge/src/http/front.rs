//! Owns who a request is from before it is routed: its client, the path below which it was asked, and its client's share
//! of all requests.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use chappe_signaling_service::{Caller, Limit, Refusal, Shares};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use crate::access::base_path::BasePath;
use crate::access::config::AccessConfig;
use crate::access::ends::Ends;
use crate::error::HttpError;
use crate::http::places::{CONNECTIONS_MAX, Quota};
use crate::http::target::route_of;

/// What all connections of a listener share.
pub struct Front {
    pub router: Router,
    pub access: Arc<AccessConfig>,
    /// Requests that proxies pass on, by their clients.
    pub forwarded: Arc<Shares>,
}

impl Front {
    pub async fn answer(&self, ends: Ends, mut request: hyper::Request<Incoming>) -> Response {
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
        let each_max = if client == remote { CONNECTIONS_MAX } else { Quota::OF_CLIENT.connections_max };
        let Some(_share) = self.forwarded.take(caller.address, each_max) else {
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

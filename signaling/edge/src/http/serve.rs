//! Owns accepting connections: how slow they may be, whom they speak for, and how they end with the process.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use chappe_signaling_service::{Caller, Limit, Refusal, Shares};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::places::Place;
use crate::access::base_path::BasePath;
use crate::access::config::AccessConfig;
use crate::access::ends::Ends;
use crate::error::HttpError;
use crate::http::places::{CONNECTIONS_MAX, Places, Quota};
use crate::http::target::route_of;

/// What all connections of a listener share.
struct Front {
    router: Router,
    access: Arc<AccessConfig>,
    /// Requests that proxies pass on, by their clients.
    forwarded: Arc<Shares>,
}

/// Serves until `stop` is true, then lets running requests finish for a short while.
pub async fn serve(listener: TcpListener, router: Router, access: Arc<AccessConfig>, mut stop: watch::Receiver<bool>) {
    let (places, forwarded) = (Places::new(), Shares::new(CONNECTIONS_MAX));
    let front = Arc::new(Front { router, access, forwarded });
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            () = places.wait_for_room() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, remote)) => {
                let is_proxy = front.access.proxies.trusts(remote.ip());
                let quota = if is_proxy { Quota::OF_PROXY } else { Quota::OF_CLIENT };
                let Some(place) = places.enter(remote.ip().into(), quota) else {
                    refuse(&socket);
                    continue;
                };
                let (front, stop) = (Arc::clone(&front), stop.clone());
                connections.spawn(async move {
                    if let Err(error) = connection(socket, remote, front, place, stop).await {
                        debug!(%error, "a connection ended early");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: others have to end first.
                warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let all_done = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FINISH_WITHIN, all_done).await;
}

async fn connection(
    socket: TcpStream,
    remote: SocketAddr,
    front: Arc<Front>,
    place: Place,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    socket.set_nodelay(true)?;
    let ends = Ends { remote, local: socket.local_addr()? };
    let place = Arc::new(place);
    let serving = Arc::clone(&place);
    let service = service_fn(move |request| {
        let (front, busy) = (Arc::clone(&front), serving.busy());
        async move {
            let response = front.answer(ends, request).await;
            drop(busy);
            Ok::<Response, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = place.evicted() => return Ok(()),
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

impl Front {
    async fn answer(&self, ends: Ends, mut request: hyper::Request<Incoming>) -> Response {
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

/// As much as can be said without waiting: the client asks again later.
fn refuse(socket: &TcpStream) {
    let body = r#"{"error":"too_many","message":"this address has too many connections: close some, or try again"}"#;
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Connection: close\r\nContent-Length: ";
    let _ = socket.try_write(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes());
}

/// What the kernel listener becomes in the runtime.
pub fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// For the request line and headers, and between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// Longest request line and headers.
const BUFFER_BYTES_MAX: usize = 64 << 10;

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For running requests when the process ends.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

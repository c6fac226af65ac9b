//! Owns accepting connections: how many, whose, and how they end with the process.
//!
//! hyper serves each of them. The loop around it is ours and not `axum::serve`: places are given out before a handshake, idle
//! connections give theirs back, and TLS is taken up anew while they run.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chappe_signaling_service::{Refusals, Shares};
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::access::config::AccessConfig;
use crate::http::connection::{Tls, connection};
use crate::http::front::Front;
use crate::http::places::{CONNECTIONS_MAX, Place, Places, Quota};

/// What a listener holds its clients to, what it speaks below HTTP, and who counts what was refused.
type Terms = (Arc<AccessConfig>, Option<Tls>, Arc<Refusals>);

/// Serves until `stop` is true, then lets running requests finish for a short while.
///
/// In a box, so that hyper is compiled here and not once more in each crate that serves.
pub fn serve(
    listener: TcpListener,
    router: Router,
    terms: Terms,
    stop: watch::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    Box::pin(accept(listener, router, terms, stop))
}

async fn accept(
    listener: TcpListener,
    router: Router,
    (access, tls, refusals): Terms,
    mut stop: watch::Receiver<bool>,
) {
    let (places, requests) = (Places::new(), Shares::new(CONNECTIONS_MAX));
    let front = Arc::new(Front { router, access, requests, refusals });
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
                let Some(place) = enter(&places, &front, remote.ip()) else {
                    if tls.is_none() {
                        refuse(&socket);
                    }
                    continue;
                };
                let (front, stop, tls) = (Arc::clone(&front), stop.clone(), tls.clone());
                connections.spawn(async move {
                    if let Err(error) = connection(socket, remote, front, (place, tls), stop).await {
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

/// None: it is refused, and counted.
fn enter(places: &Arc<Places>, front: &Front, remote: IpAddr) -> Option<Place> {
    let quota = if front.access.proxies.trusts(remote) { Quota::OF_PROXY } else { Quota::OF_CLIENT };
    let place = places.enter(remote.into(), quota);
    if place.is_none() {
        front.refusals.access.count("connections");
    }
    place
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

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For running requests when the process ends.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_has_all_connections_it_may_have_is_refused_and_counted() {
        let front = Front {
            router: Router::new(),
            access: Arc::default(),
            requests: Shares::new(CONNECTIONS_MAX),
            refusals: Arc::default(),
        };
        let (places, client) = (Places::new(), IpAddr::from([203, 0, 113, 7]));
        let held: Vec<_> = std::iter::from_fn(|| enter(&places, &front, client).map(|place| Arc::new(place).busy()))
            .take(CONNECTIONS_MAX)
            .collect();
        assert_eq!((held.len(), front.refusals.access.counts()), (2_048, vec![("connections", 1)]));
        assert!(enter(&places, &front, IpAddr::from([203, 0, 113, 8])).is_some(), "another one comes in");
        assert!(enter(&places, &front, client).is_none());
        assert_eq!(front.refusals.access.counts(), [("connections", 2)]);
    }
}

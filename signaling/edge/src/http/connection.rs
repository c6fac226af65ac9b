//! Owns one connection from its first byte to its end: TLS where the listener speaks it, HTTP/1.1 or HTTP/2 above it,
//! and how slow it may be. Never answers a request: the [`Front`] does.
//!
//! Not `server::conn::auto` of hyper-util, which tells the protocol by the first bytes: TLS has agreed on it, and plain TCP
//! speaks HTTP/1.1 here. Nor its `GracefulShutdown`: one `select` ends a connection with the process, when its place is given
//! away, or when it never asked for anything.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::ends::Ends;
use crate::http::front::Front;
use crate::http::places::Place;
use crate::http::plain::PlainHttp;
use crate::http::tls_report::{Handshake, TlsReport};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What a listener speaks below HTTP.
#[derive(Clone)]
pub struct Tls {
    pub acceptor: TlsAcceptor,
    pub report: Arc<TlsReport>,
}

/// Until the client, its quota or the process ends it.
pub async fn connection(
    socket: TcpStream,
    remote: SocketAddr,
    front: Arc<Front>,
    (place, tls): (Place, Option<Tls>),
    stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    socket.set_nodelay(true)?;
    let ends = Ends { remote, local: socket.local_addr()? };
    let place = Arc::new(place);
    let serving = Arc::clone(&place);
    let answer = move |request: Request<Incoming>| {
        let (front, busy) = (Arc::clone(&front), serving.busy());
        async move {
            let response = front.answer(ends, request).await;
            drop(busy);
            Ok::<Response, Infallible>(response)
        }
    };
    let Some(tls) = tls else {
        let connection = http1().serve_connection(TokioIo::new(socket), service_fn(answer)).with_upgrades();
        return ended(connection, http1::UpgradeableConnection::graceful_shutdown, &place, stop).await;
    };
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_WITHIN, shake_hands(socket, &tls.acceptor)) => shaken,
        () = place.evicted() => return Ok(()),
    };
    match shaken {
        Ok(Ok(Shaken::Tls(mut stream))) => {
            tls.report.count(Handshake::Done);
            let protocol = stream.get_ref().1.alpn_protocol();
            let speaks_http2 = protocol == Some(HTTP_2);
            if protocol.is_some_and(|protocol| !PROTOCOLS.contains(&protocol)) {
                // An authority has seen that its domain is served here (RFC 8737), and wants to hear nothing.
                return Ok(stream.shutdown().await?);
            }
            let stream = TokioIo::new(*stream);
            if speaks_http2 {
                let connection = http2().serve_connection(stream, service_fn(answer));
                return ended(connection, http2::Connection::graceful_shutdown, &place, stop).await;
            }
            let connection = http1().serve_connection(stream, service_fn(answer)).with_upgrades();
            ended(connection, http1::UpgradeableConnection::graceful_shutdown, &place, stop).await
        }
        Ok(Ok(Shaken::Plain(socket))) => {
            tls.report.count(Handshake::Plain);
            let service = service_fn(move |mut request: Request<Incoming>| {
                let address = request.uri().clone();
                request.extensions_mut().insert(PlainHttp(address));
                answer(request)
            });
            let told = http1().keep_alive(false).serve_connection(TokioIo::new(socket), service);
            ended(told, http1::Connection::graceful_shutdown, &place, stop).await
        }
        Ok(Err(error)) => {
            tls.report.count(Handshake::Failed);
            Err(error.into())
        }
        Err(late) => {
            tls.report.count(Handshake::Late);
            Err(late.into())
        }
    }
}

enum Shaken {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

async fn shake_hands(socket: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Shaken> {
    let mut first = [0];
    // RFC 8446 section 5.1: the record that a ClientHello comes in. No method of HTTP begins so.
    match socket.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first == [TLS_HANDSHAKE] => Ok(Shaken::Tls(Box::new(acceptor.accept(socket).await?))),
        _ => Ok(Shaken::Plain(socket)),
    }
}

/// `finish` tells the connection to take no further request.
async fn ended<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    finish: fn(Pin<&mut C>),
    place: &Place,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = place.evicted() => return Ok(()),
        // HTTP/2 has no such limit of its own.
        () = place.never_asked(HEADERS_WITHIN) => return Ok(()),
        _ = stop.wait_for(|stop| *stop) => finish(connection.as_mut()),
    }
    Ok(connection.await?)
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(BUFFER_BYTES_MAX);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .keep_alive_interval(HEADERS_WITHIN)
        .keep_alive_timeout(HANDSHAKE_WITHIN);
    builder
}

/// For the request line and headers, and between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// From the first byte on; a phone on a bad line takes three seconds.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Longest request line and headers.
const BUFFER_BYTES_MAX: usize = 64 << 10;
const HEADER_LIST_BYTES_MAX: u32 = 64 << 10;

/// Requests of one HTTP/2 connection at a time.
const STREAMS_MAX: u32 = 64;

const TLS_HANDSHAKE: u8 = 22;

/// Names of protocols in TLS (RFC 7301).
const HTTP_2: &[u8] = b"h2";
/// What a listener can speak above TLS, the best first. WebSockets come in HTTP/1.1.
pub const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

//! Owns one request to somebody else's server, over a connection of its own. Follows no redirect, and reads no more of an
//! answer than it was told to.

use std::sync::Arc;

use bytes::Bytes;
use chappe_signaling_tls::{crypto_provider, machine_roots};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Empty where it was not asked for.
    pub body: Bytes,
}

/// Without `body_bytes_max` the body is not read. A longer one is an error.
pub async fn exchange(
    to: &Uri,
    request: Request<Full<Bytes>>,
    body_bytes_max: Option<usize>,
) -> Result<Answer, String> {
    let is_tls = to.scheme_str() == Some("https");
    let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = to.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    if !is_tls {
        return send(stream, request, body_bytes_max).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let config = tokio::task::spawn_blocking(tls).await.map_err(|error| error.to_string())??;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())?;
    send(stream, request, body_bytes_max).await
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>, body_bytes_max: Option<usize>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driving = async {
        // Its end is that of the answer, too.
        let _ = connection.await;
        std::future::pending::<()>().await
    };
    let answering = async {
        let (head, body) = sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
        let body = match body_bytes_max {
            Some(max) => Limited::new(body, max).collect().await.map_err(|error| error.to_string())?.to_bytes(),
            None => Bytes::new(),
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    tokio::select! {
        answer = answering => answer,
        () = driving => Err("the connection was closed".to_owned()),
    }
}

/// With the authorities that this machine trusts now.
fn tls() -> Result<Arc<ClientConfig>, String> {
    let roots = machine_roots();
    if roots.is_empty() {
        return Err("this machine has no certificate authorities: install the package ca-certificates".to_owned());
    }
    let builder =
        ClientConfig::builder_with_provider(Arc::new(crypto_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

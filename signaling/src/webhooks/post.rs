//! Owns one request to a receiver, over a connection of its own. Follows no redirect.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chappe_signaling_events::Secrets;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls_native_certs::load_native_certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use super::receivers::read_secrets;

#[derive(Debug)]
pub struct Poster {
    receiver: Uri,
    secret_file: PathBuf,
    /// Those read last, for as long as the file can't be.
    secrets: Mutex<Option<Secrets>>,
}

/// What is signed, and with what.
#[derive(Debug)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub unix_seconds: u64,
    pub body: String,
}

impl Poster {
    pub fn new(receiver: Uri, secret_file: PathBuf) -> Poster {
        Poster { receiver, secret_file, secrets: Mutex::default() }
    }

    /// Without what may be a secret in its query.
    pub fn receiver(&self) -> &str {
        self.receiver.authority().map_or("", |authority| authority.as_str())
    }

    /// Done when the receiver has answered with a status of the class 2xx.
    pub async fn post(&self, signed: Signed<'_>) -> Result<(), String> {
        match tokio::time::timeout(ANSWER_WITHIN, self.try_post(signed)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    async fn try_post(&self, signed: Signed<'_>) -> Result<(), String> {
        let signature = self.secrets()?.sign(signed.id, signed.unix_seconds, &signed.body);
        let path = self.receiver.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, self.receiver())
            .header(USER_AGENT, concat!("chappe/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", signed.id)
            .header("webhook-timestamp", signed.unix_seconds)
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::from(signed.body)))
            .map_err(|error| error.to_string())?;
        let is_tls = self.receiver.scheme_str() == Some("https");
        let host = self.receiver.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.receiver.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        if !is_tls {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let config = tokio::task::spawn_blocking(tls).await.map_err(|error| error.to_string())??;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())?;
        send(stream, request).await
    }

    fn secrets(&self) -> Result<Secrets, String> {
        let mut kept = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        match read_secrets(&self.secret_file) {
            Ok(secrets) => *kept = Some(secrets),
            Err(why) if kept.is_none() => return Err(format!("{}: {why}", self.secret_file.display())),
            Err(why) => {
                warn!(file = %self.secret_file.display(), why, "events are signed with the secrets read before")
            }
        }
        kept.clone().ok_or_else(|| "there is no secret".to_owned())
    }
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driving = async {
        // Its end is the sender's, too.
        let _ = connection.await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        response = sender.send_request(request) => match response {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("it answered {}", response.status())),
            Err(error) => Err(error.to_string()),
        },
        () = driving => Err("the connection was closed".to_owned()),
    }
}

/// With the authorities that this machine trusts now.
fn tls() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(load_native_certs().certs);
    if usable == 0 {
        return Err("this machine has no certificate authorities: install the package ca-certificates".to_owned());
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// A receiver should take an event and think about it later.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

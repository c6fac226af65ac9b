//! Owns carrying requests of the protocol over connections of this process.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::time::timeout;

use crate::outgoing::exchange;

/// With the authorities that this machine trusts, `SSL_CERT_FILE` among them.
pub struct Https;

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(async move {
            let done = timeout(ANSWER_WITHIN, exchanged(request)).await;
            let done = done.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())));
            done.map(BytesResponse::from).map_err(|why| Error::Other(why.into()))
        })
    }
}

async fn exchanged(request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, String> {
    let (mut head, body) = request.into_parts();
    let Ok(body) = body.collect().await;
    let to = std::mem::take(&mut head.uri);
    let authority = to.authority().ok_or_else(|| format!("{to} names no server"))?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
    head.headers.insert(HOST, host);
    head.headers.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
    head.uri = to.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
    let request = Request::from_parts(head, Full::new(body.to_bytes()));
    let told = exchange(&to, request, Some(ANSWER_BYTES_MAX)).await.map_err(|why| format!("{authority}: {why}"))?;
    let mut response = Response::new(Full::new(told.body));
    (*response.status_mut(), *response.headers_mut()) = (told.status, told.headers);
    Ok(response)
}

const OURSELVES: &str = concat!("chappe/", env!("CARGO_PKG_VERSION"), " instant-acme");
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A chain has some kilobytes.
const ANSWER_BYTES_MAX: usize = 256 << 10;

//! Owns the way of a request's head and body through the doors of a node, for the fuzz target: whose it is, who may call,
//! which route it takes, and what the route reads of it. Opens no socket. The lines are cut here as hyper cuts them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::response::Response;
use chappe_signaling_access::KeyRing;
use chappe_signaling_service::{Service, Shares};
use chappe_signaling_traces::TraceContext;
use chappe_supervisor_api::Auth;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access::base_path::BasePath;
use crate::access::config::AccessConfig;
use crate::access::ends::Ends;
use crate::access::gate::Gate;
use crate::access::network::Network;
use crate::access::proxies::Proxies;
use crate::access::site::Site;
use crate::admin::{self, Admin};
use crate::http::front::Front;
use crate::http::places::CONNECTIONS_MAX;
use crate::http::plain::PlainHttp;
use crate::http::session::named_by;
use crate::http::traced::traceparent;
use crate::http::{TlsReport, router};
use crate::processes::Processes;
use crate::supervisor::Supervisor;

/// The listeners of a node. The first is the public one of `--auth open`, the last the admin listener.
pub struct Doors([Front; 4]);

impl Doors {
    pub fn of(service: &Arc<Service>) -> Doors {
        let (_, keys) = watch::channel(Arc::new(KeyRing::default()));
        let gate = |auth| Arc::new(Gate::new(auth, Arc::clone(service), keys.clone()));
        let public = |auth| router(Arc::clone(service), auth, gate(auth), Arc::default());
        let processes = Processes::new(Arc::clone(service), Supervisor::default());
        let admin = Admin::new(Arc::clone(service), Arc::new(TlsReport::default()), Arc::default(), processes, 8);
        let routers = [public(Auth::Open), public(Auth::Public), public(Auth::Jwt), admin::router(admin, &[], None)];
        let network = Network::parse("10.0.0.0/8").expect("a network");
        let base_path = BasePath::parse("/live").expect("a path");
        let access = AccessConfig { proxies: Proxies::new(vec![network]), base_path, ..AccessConfig::default() };
        let access = Arc::new(access);
        Doors(routers.map(|router| Front {
            router,
            access: Arc::clone(&access),
            requests: Shares::new(CONNECTIONS_MAX),
            refusals: Arc::default(),
        }))
    }

    /// The first byte says at which door, from where, and whether in plain HTTP where TLS is spoken; a head and a body
    /// follow. The status of what is answered at once.
    pub async fn knock(&self, bytes: &[u8]) -> Option<u16> {
        let (choice, rest) = bytes.split_first()?;
        let (front, remote) = (&self.0[usize::from(choice & 3)], REMOTES[usize::from(choice >> 2 & 3)]);
        let mut request = parse(rest)?;
        let (uri, headers) = (request.uri().clone(), request.headers().clone());
        check_reading(&front.access, remote, &headers, &uri);
        if choice & 0x40 != 0 {
            request.extensions_mut().insert(PlainHttp(uri.clone()));
        }
        let ends = Ends { remote: SocketAddr::new(remote, 4_711), local: SocketAddr::new(LOCAL, 8_080) };
        // Who waits for a worker, or has shown a bad token, waits here in vain.
        let response = timeout(Duration::ZERO, front.answer(ends, request)).await.ok()?;
        let is_closed = matches!(choice & 3, 0 | 3);
        check_answer(&response, &headers);
        if is_closed && names(&uri, &headers).any(is_foreign) {
            let refused = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN];
            assert!(refused.contains(&response.status()), "a website is answered {}", response.status());
        }
        Some(response.status().as_u16())
    }
}

/// None: hyper would have refused it.
fn parse(bytes: &[u8]) -> Option<hyper::Request<Body>> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = str::from_utf8(lines.next()?).ok()?;
    let mut words = first.trim_end().split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let mut request = hyper::Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse().ok()?;
    *request.version_mut() = if version == "HTTP/2" { Version::HTTP_2 } else { Version::HTTP_11 };
    for line in lines.by_ref().map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..at)?, line.get(at + 1..)?.trim_ascii_start());
        let (name, value) = (HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        request.headers_mut().append(name, value);
    }
    *request.body_mut() = Body::from(lines.flatten().copied().collect::<Vec<u8>>());
    Some(request)
}

/// What is read of a head and is no answer by itself.
fn check_reading(access: &AccessConfig, remote: IpAddr, headers: &HeaderMap, uri: &Uri) {
    let client = access.proxies.client(remote, headers);
    assert!(client == remote || access.proxies.trusts(remote), "a stranger says who it is: {client}");
    if let Ok(Some(path)) = access.proxies.prefix(remote, headers) {
        assert!(access.proxies.trusts(remote), "a stranger says below which path we are: {path}");
        assert_eq!(BasePath::parse(path.as_str()), Ok(path.clone()));
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "/._~-".contains(c);
        assert!(path.as_str().chars().all(is_safe) && !path.as_str().contains("//"), "{path}");
    }
    if let Some(Ok(step)) = traceparent(headers).map(str::parse::<TraceContext>) {
        assert_eq!(step.to_string().parse(), Ok(step));
    }
    if let Ok(session) = named_by(uri.path()) {
        assert_eq!(named_by(&session.to_string()), Ok(session));
    }
}

fn check_answer(response: &Response, headers: &HeaderMap) {
    assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status() == StatusCode::PERMANENT_REDIRECT {
        let host = text(header::LOCATION).and_then(|place| place.strip_prefix("https://")?.split('/').next());
        assert!(host.is_some_and(|host| Site::parse(host).is_some()), "{response:?}");
    }
    if let Some(encoding) = text(header::CONTENT_ENCODING) {
        let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut accepted = accepted.map(str::to_ascii_lowercase);
        let is_named = accepted.any(|accepted| accepted.contains(encoding) || accepted.contains('*'));
        assert!(is_named, "{encoding} was not asked for");
    }
}

/// What a request says of whom it is for, and of the page that it comes from.
fn names<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
    let said = [header::HOST, header::ORIGIN].into_iter().flat_map(|name| headers.get_all(name));
    said.map(HeaderValue::as_bytes).chain(uri.authority().map(|authority| authority.as_str().as_bytes()))
}

/// No name of a node of the target ends so.
fn is_foreign(name: &[u8]) -> bool {
    name.to_ascii_lowercase().ends_with(b".example")
}

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// This machine, a proxy that is believed, and two who are not.
const REMOTES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

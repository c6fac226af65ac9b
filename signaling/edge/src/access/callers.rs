//! Owns the check that stands before every route of a listener: browsers let any website send requests anywhere
//! (with an `Origin` that tells), also under a name of its own that it points here (DNS rebinding; `Host` tells).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chappe_signaling_service::Counted;
use chappe_supervisor_api::Auth;

use crate::access::ends::Ends;
use crate::access::site::{Host, Origin, Site};
use crate::content_type::{JSON, is_content_type};
use crate::error::HttpError;

/// Who may call a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    /// Whoever reaches it, and pages of every origin.
    Everyone,
    /// This machine under one of its loopback names, and pages that it serves.
    ThisMachine,
    /// Who operates the node: over a loopback name, the address that was connected to, or one of these names.
    Operators(Vec<Host>),
}

impl Callers {
    /// Of the public listener.
    pub fn of_public(auth: Auth) -> Callers {
        match auth {
            Auth::Open => Callers::ThisMachine,
            Auth::Public | Auth::Jwt => Callers::Everyone,
        }
    }

    /// Of the admin listener.
    pub fn of_admin(node: &str, names: &[Host]) -> Callers {
        let node = Host::parse(node);
        Callers::Operators(node.into_iter().chain(names.iter().cloned()).collect())
    }

    /// The value of `Access-Control-Allow-Origin` for a request that was admitted. Never a cookie is involved, so all may
    /// be as good as one.
    pub fn readers(&self, request: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Callers::Everyone => Some(HeaderValue::from_static("*")),
            Callers::ThisMachine => request.get(header::ORIGIN).cloned(),
            Callers::Operators(_) => None,
        }
    }

    /// Refuses a request that comes from elsewhere, or would change something in a way that any website can.
    fn check(&self, ends: Option<&Ends>, request: &Request) -> Result<(), HttpError> {
        if *self == Callers::Everyone {
            return Ok(());
        }
        let sites = sites(request.version(), request.uri(), request.headers())?;
        if let Some(foreign) = sites.iter().find(|site| !self.is_known(&site.host, ends)) {
            return Err(self.foreign_host(foreign));
        }
        for value in request.headers().get_all(header::ORIGIN) {
            let origin = value.to_str().ok().and_then(Origin::parse);
            if !origin.is_some_and(|origin| self.may_call(&origin, &sites)) {
                return Err(self.foreign_origin());
            }
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if matches!(self, Callers::Operators(_)) && changes && !is_content_type(request.headers(), JSON) {
            let message = "a change needs the header Content-Type: application/json, also without a body: a website \
                 can't send it (curl: -H 'content-type: application/json')";
            return Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        Ok(())
    }

    fn is_known(&self, host: &Host, ends: Option<&Ends>) -> bool {
        match self {
            Callers::Everyone => true,
            Callers::ThisMachine => host.is_loopback(),
            Callers::Operators(names) => {
                let here = ends.map(|ends| Host::Ip(ends.local.ip().to_canonical()));
                host.is_loopback() || here.as_ref() == Some(host) || names.contains(host)
            }
        }
    }

    fn may_call(&self, origin: &Origin, sites: &[Site]) -> bool {
        match self {
            Callers::Everyone => true,
            Callers::ThisMachine => origin.site.host.is_loopback(),
            Callers::Operators(names) => {
                sites.iter().any(|site| origin.is_of(site)) || names.contains(&origin.site.host)
            }
        }
    }

    fn foreign_host(&self, site: &Site) -> HttpError {
        let name = match &site.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        };
        let way_out = match self {
            Callers::Operators(_) => {
                "use a loopback name or the address that is listened on, or start chappe with \
                 --admin-host and this name"
            }
            Callers::ThisMachine | Callers::Everyone => {
                "with --auth open use http://localhost; for other names (or \
                 behind a proxy that passes them on) start chappe with --auth public"
            }
        };
        foreign("forbidden_host", "foreign_host", format!("this server is not called {name}: {way_out}"))
    }

    fn foreign_origin(&self) -> HttpError {
        let message = match self {
            Callers::Operators(_) => {
                "pages of other origins may not call the admin API (of an own page behind a proxy \
                 that changes Host: name it with --admin-host)"
            }
            Callers::ThisMachine | Callers::Everyone => {
                "with --auth open only pages of this machine may connect: for \
                 pages of other origins (or behind a proxy that changes Host) start chappe with --auth public"
            }
        };
        foreign("forbidden_origin", "foreign_origin", message.to_owned())
    }
}

fn foreign(code: &'static str, reason: &'static str, message: String) -> HttpError {
    HttpError { counted: Some(Counted::Access(reason)), ..HttpError::new(StatusCode::FORBIDDEN, code, message) }
}

/// Every name by which the request calls us. A proxy on the way may go by either, so each must be ours
/// (RFC 9112 section 3.2).
fn sites(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Vec<Site>, HttpError> {
    let bad = |message| HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message);
    let unreadable = || bad("Host is no name or address with maybe a port");
    let target = uri.authority().map(|authority| Site::parse(authority.as_str()).ok_or_else(unreadable)).transpose()?;
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.to_str().ok().and_then(Site::parse).ok_or_else(unreadable)?),
        // HTTP/2 has the name in `:authority` (RFC 9113 section 8.3.1).
        (None, None) if version == Version::HTTP_2 && target.is_some() => None,
        _ => return Err(bad("send exactly one Host header with the name of this server")),
    };
    Ok(target.into_iter().chain(host).collect())
}

/// Stands before every route.
pub async fn admit(State(callers): State<Arc<Callers>>, request: Request, next: Next) -> Response {
    let ends = request.extensions().get::<Ends>().copied();
    match callers.check(ends.as_ref(), &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

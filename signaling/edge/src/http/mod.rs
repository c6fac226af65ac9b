//! Owns the public listener: which address leads where, and what HTTP needs around it. Never decides
//! what a request leads to: the service does.

mod below;
mod body;
mod connection;
mod cors;
pub(crate) mod front;
pub(crate) mod health;
pub(crate) mod layers;
mod pages;
pub(crate) mod places;
pub(crate) mod plain;
mod posting;
mod rooms;
mod serve;
pub(crate) mod session;
mod target;
mod tls_report;
pub(crate) mod traced;
mod whep;
mod whip;

use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, get};
use axum::{Extension, Router};
use chappe_signaling_service::Service;
use chappe_supervisor_api::Auth;

use crate::access::callers::{Callers, admit};
use crate::access::gate::{Gate, admit_token};

pub use connection::{PROTOCOLS, Tls};
pub use layers::Tally;
pub use serve::{adopt, serve};
pub use tls_report::TlsReport;

/// Everything on the public listener.
pub fn router(service: Arc<Service>, auth: Auth, gate: Arc<Gate>, tally: Arc<Tally>) -> Router {
    let callers = Arc::new(Callers::of_public(auth));
    let media = all_of(media())
        .layer(from_fn_with_state(Arc::clone(&gate), admit_token))
        .layer(from_fn(layers::bound))
        .layer(from_fn_with_state(Arc::clone(&callers), cors::allow));
    // Pages of other origins may import the client library; nothing here is secret.
    let assets =
        all_of(assets()).layer(from_fn(layers::bound)).layer(from_fn_with_state(Arc::clone(&callers), cors::allow));
    let lists = all_of(lists()).layer(from_fn_with_state(Arc::clone(&gate), admit_token)).layer(from_fn(layers::bound));
    let others = all_of(others())
        .route(WEBSOCKET, get(crate::ws::upgrade).layer(Extension(gate)))
        .fallback(pages::unknown)
        .layer(from_fn(layers::bound));
    let all = media.merge(assets).merge(lists).merge(others);
    all.layer(from_fn(plain::send_to_https))
        .layer(from_fn_with_state(callers, admit))
        .layer(from_fn_with_state(tally, layers::guard))
        .with_state(service)
}

/// All that leads somewhere, as templates: what holds for every address is tested with these.
pub fn paths() -> Vec<&'static str> {
    let all = [media(), assets(), lists(), others()].into_iter().flatten();
    all.map(|(path, _)| path).chain([WEBSOCKET]).collect()
}

type Routes = Vec<(&'static str, MethodRouter<Arc<Service>>)>;

fn all_of(routes: Routes) -> Router<Arc<Service>> {
    routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route))
}

fn media() -> Routes {
    vec![
        ("/whip/{room}/{stream}", any(whip::endpoint)),
        ("/whep/{room}/{stream}", any(whep::endpoint)),
        ("/session/{id}", any(session::resource)),
    ]
}

fn assets() -> Routes {
    vec![("/assets/{*path}", get(pages::asset))]
}

fn lists() -> Routes {
    vec![("/api/rooms", get(rooms::list))]
}

fn others() -> Routes {
    vec![
        ("/", get(pages::index)),
        ("/publish", get(pages::publish)),
        ("/watch/{room}", get(pages::watch)),
        ("/watch/{room}/{stream}", get(pages::watch)),
        ("/room/{room}", get(pages::room)),
        ("/favicon.ico", get(pages::favicon)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
    ]
}

const WEBSOCKET: &str = "/ws";

//! Owns the public listener: which address leads where, and what HTTP needs around it. Never decides
//! what a request leads to: the service does.

mod body;
mod connection;
mod cors;
mod front;
pub(crate) mod health;
pub(crate) mod layers;
mod pages;
mod places;
mod plain;
mod posting;
mod rooms;
mod serve;
mod session;
mod target;
mod tls_report;
pub(crate) mod traced;
mod whep;
mod whip;

use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
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
    let media = Router::new()
        .route("/whip/{room}/{stream}", any(whip::endpoint))
        .route("/whep/{room}/{stream}", any(whep::endpoint))
        .route("/session/{id}", any(session::resource))
        .layer(from_fn_with_state(Arc::clone(&gate), admit_token))
        .layer(from_fn(layers::bound))
        .layer(from_fn_with_state(Arc::clone(&callers), cors::allow));
    // Pages of other origins may import the client library; nothing here is secret.
    let assets = Router::new()
        .route("/assets/{*path}", get(pages::asset))
        .layer(from_fn(layers::bound))
        .layer(from_fn_with_state(Arc::clone(&callers), cors::allow));
    let lists = Router::new()
        .route("/api/rooms", get(rooms::list))
        .layer(from_fn_with_state(Arc::clone(&gate), admit_token))
        .layer(from_fn(layers::bound));
    let others = Router::new()
        .route("/", get(pages::index))
        .route("/publish", get(pages::publish))
        .route("/watch/{room}", get(pages::watch))
        .route("/watch/{room}/{stream}", get(pages::watch))
        .route("/room/{room}", get(pages::room))
        .route("/favicon.ico", get(pages::favicon))
        .route("/ws", get(crate::ws::upgrade).layer(Extension(gate)))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(pages::unknown)
        .layer(from_fn(layers::bound));
    let all = media.merge(assets).merge(lists).merge(others);
    all.layer(from_fn_with_state(callers, admit)).layer(from_fn_with_state(tally, layers::guard)).with_state(service)
}

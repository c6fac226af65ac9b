//! Owns the admin listener: what operators may see and do.

mod actions;
mod cluster;
mod context;
mod events;
mod keys;
mod metrics;
mod processes;
mod timings;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

use crate::access::callers::{Callers, admit};
use crate::access::gate::{Gate, admit_operator};
use crate::access::site::Host;
use crate::error::not_found;
use crate::http::health::{healthz, readyz};
use crate::http::layers::{Tally, bound, guard};

pub use context::Admin;
pub use keys::KEYS_STORED_BELOW;

/// Everything on the admin listener. Without a gate nobody is asked for a token.
pub fn router(admin: Admin, names: &[Host], gate: Option<Arc<Gate>>) -> Router {
    let callers = Arc::new(Callers::of_admin(admin.service.node().as_str(), names));
    let own = Arc::new(Tally::default());
    let mut operating = Router::new()
        .route("/api/v1/nodes", get(cluster::nodes))
        .route("/api/v1/nodes/{node}/drain", post(actions::drain_node).delete(actions::cancel_node_drain))
        .route("/api/v1/nodes/{node}/scale", post(processes::scale))
        .route("/api/v1/nodes/{node}/settings", post(processes::read_settings))
        .route("/api/v1/nodes/{node}/signaling/restart", post(processes::restart_signaling))
        .route("/api/v1/keys", get(keys::list).post(keys::add))
        .route("/api/v1/keys/{id}", delete(keys::revoke))
        .route("/api/v1/log", get(processes::log))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/workers", get(cluster::workers))
        .route("/api/v1/workers/{node}/{index}/drain", post(actions::drain_worker).delete(actions::cancel_worker_drain))
        .route("/api/v1/relays", get(cluster::relays))
        .route("/api/v1/rooms", get(views::rooms))
        .route("/api/v1/rooms/{room}", get(views::room))
        .route("/api/v1/streams", get(views::streams))
        .route("/api/v1/sessions", get(views::sessions))
        .route("/api/v1/sessions/{id}", get(views::session).delete(actions::kick))
        .route("/api/v1/openapi.json", get(views::openapi))
        .route("/metrics", get(metrics::metrics));
    if let Some(gate) = gate {
        operating = operating.layer(from_fn_with_state(gate, admit_operator));
    }
    // Whoever balances load or starts nodes has no token, and learns only whether this one is ready.
    operating
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(not_found)
        .layer(from_fn(bound))
        .layer(from_fn_with_state(callers, admit))
        .layer(from_fn_with_state(own, guard))
        .with_state(admin)
}

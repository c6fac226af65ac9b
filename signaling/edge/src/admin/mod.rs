//! Owns the admin listener: what operators may see and do.

mod actions;
mod cluster;
mod context;
mod events;
mod keys;
mod metrics;
mod moderation;
mod processes;
mod room_figures;
mod timings;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};

use crate::access::callers::{Callers, admit};
use crate::access::gate::{Gate, admit_operator};
use crate::access::site::Host;
use crate::error::not_found;
use crate::http::health::{healthz, readyz};
use crate::http::layers::{Tally, bound, guard};
use crate::http::plain::send_to_https;

pub use context::Admin;
pub use keys::KEYS_STORED_BELOW;

/// Everything on the admin listener. Without a gate nobody is asked for a token.
pub fn router(admin: Admin, names: &[Host], gate: Option<Arc<Gate>>) -> Router {
    let callers = Arc::new(Callers::of_admin(admin.service.node().as_str(), names));
    let own = Arc::new(Tally::default());
    let mut operating = all_of(operating());
    if let Some(gate) = gate {
        operating = operating.layer(from_fn_with_state(gate, admit_operator));
    }
    // Whoever balances load or starts nodes has no token, and learns only whether this one is ready.
    operating
        .merge(all_of(health()))
        .fallback(not_found)
        .layer(from_fn(bound))
        .layer(from_fn(actions::without_query))
        .layer(from_fn(send_to_https))
        .layer(from_fn_with_state(callers, admit))
        .layer(from_fn_with_state(own, guard))
        .with_state(admin)
}

/// All that leads somewhere, as templates: what holds for every address is tested with these.
pub fn paths() -> Vec<&'static str> {
    operating().into_iter().chain(health()).map(|(path, _)| path).collect()
}

type Routes = Vec<(&'static str, MethodRouter<Admin>)>;

fn all_of(routes: Routes) -> Router<Admin> {
    routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route))
}

fn operating() -> Routes {
    vec![
        ("/api/v1/nodes", get(cluster::nodes)),
        ("/api/v1/nodes/{node}/drain", post(actions::drain_node).delete(actions::cancel_node_drain)),
        ("/api/v1/nodes/{node}/scale", post(processes::scale)),
        ("/api/v1/nodes/{node}/settings", post(processes::read_settings)),
        ("/api/v1/nodes/{node}/signaling/restart", post(processes::restart_signaling)),
        ("/api/v1/keys", get(keys::list).post(keys::add)),
        ("/api/v1/keys/{id}", delete(keys::revoke)),
        ("/api/v1/log", get(processes::log)),
        ("/api/v1/events", get(events::events)),
        ("/api/v1/workers", get(cluster::workers)),
        ("/api/v1/workers/{node}/{index}/drain", post(actions::drain_worker).delete(actions::cancel_worker_drain)),
        ("/api/v1/workers/{node}/{index}/restart", post(actions::drain_worker)),
        ("/api/v1/relays", get(cluster::relays)),
        ("/api/v1/rooms", get(views::rooms)),
        ("/api/v1/rooms/{room}", get(views::room)),
        ("/api/v1/streams", get(views::streams)),
        ("/api/v1/sessions", get(views::sessions)),
        ("/api/v1/sessions/{id}", get(views::session).delete(actions::kick)),
        ("/api/v1/sessions/{id}/mute", post(moderation::mute)),
        ("/api/v1/openapi.json", get(views::openapi)),
        ("/metrics", get(metrics::metrics)),
    ]
}

fn health() -> Routes {
    vec![("/healthz", get(healthz)), ("/readyz", get(readyz))]
}

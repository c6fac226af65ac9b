//! Owns what the handlers of the admin listener work with.

use std::sync::Arc;

use axum::extract::FromRef;
use chappe_signaling_service::Service;
use chappe_signaling_turn::Counts;

use crate::http::TlsReport;
use crate::http::layers::Tally;
use crate::processes::Processes;

/// What the handlers of this listener share.
#[derive(Debug, Clone)]
pub struct Admin {
    pub service: Arc<Service>,
    /// Of the public listener.
    pub tally: Arc<Tally>,
    /// Of all listeners of TLS.
    pub tls: Arc<TlsReport>,
    /// Of the TURN server of this node.
    pub relayed: Arc<Counts>,
    pub processes: Processes,
    /// Rooms that the metrics name, those with most in them; 0 for none.
    pub rooms_named: usize,
}

impl Admin {
    pub fn new(
        service: Arc<Service>,
        tls: Arc<TlsReport>,
        relayed: Arc<Counts>,
        processes: Processes,
        rooms_named: usize,
    ) -> Admin {
        Admin { service, tally: Arc::default(), tls, relayed, processes, rooms_named }
    }
}

impl FromRef<Admin> for Arc<Service> {
    fn from_ref(admin: &Admin) -> Arc<Service> {
        Arc::clone(&admin.service)
    }
}

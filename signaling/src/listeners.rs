//! Owns the listeners: what each of them speaks, and whom it lets in.

use std::net::TcpListener;
use std::sync::Arc;

use chappe_signaling_edge::admin::{self, Admin};
use chappe_signaling_edge::http::{self, Tls};
use chappe_signaling_edge::{AccessConfig, Gate};
use chappe_supervisor_api::{AdminAuth, Auth};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::SignalingError;

pub struct Listeners {
    pub admin: TcpListener,
    pub public: Option<TcpListener>,
    pub auth: Auth,
    pub admin_auth: AdminAuth,
    pub access: AccessConfig,
    pub gate: Arc<Gate>,
    pub tls: Option<Tls>,
}

impl Listeners {
    /// Until `stop` is true; the tasks are over when the last requests have ended.
    pub fn spawn(self, admin: Admin, stop: watch::Receiver<bool>) -> Result<JoinSet<()>, SignalingError> {
        let access = Arc::new(self.access);
        let mut servers = JoinSet::new();
        let listener = http::adopt(self.admin).map_err(|error| SignalingError::Listener("admin", error))?;
        let (gate, tls) = match self.admin_auth {
            AdminAuth::Open => (None, None),
            AdminAuth::Key => (Some(Arc::clone(&self.gate)), self.tls.clone()),
        };
        let refusals = Arc::clone(&admin.service.refusals);
        let router = admin::router(admin.clone(), &access.admin_hosts, gate);
        let shared = (Arc::clone(&access), tls, Arc::clone(&refusals));
        servers.spawn(http::serve(listener, router, shared, stop.clone()));
        if let Some(public) = self.public {
            let listener = http::adopt(public).map_err(|error| SignalingError::Listener("public", error))?;
            let router = http::router(admin.service, self.auth, self.gate, admin.tally);
            servers.spawn(http::serve(listener, router, (access, self.tls, refusals), stop));
        }
        Ok(servers)
    }
}

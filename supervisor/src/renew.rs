//! Owns taking up settings that have changed while the node runs. Media is not touched: what workers are told is the log
//! filter, the log file is the parent's own, and what signaling is told it hears by being replaced, during which no packet is lost.

use std::fmt;

use chappe_supervisor_api::{ProcessName, SupervisorReply};
use tracing::{info, warn};

use crate::child::log::LogFilter;
use crate::child::log_filter_line;
use crate::node_sockets::NodeSockets;
use crate::outlet::Outlet;
use crate::plan::{NodePlan, RenewedPlan};
use crate::shown::Shown;
use crate::supervise::Supervisor;

/// Reads the settings as at the start, for a node that runs by these.
pub type ReadAgain<'a> = &'a dyn Fn(&NodePlan) -> Result<RenewedPlan, String>;

/// How a node that runs comes to other settings.
pub struct Settings<'a> {
    read_again: ReadAgain<'a>,
    filter: LogFilter,
    outlet: Outlet,
    /// The signaling process that runs by settings of before, until it is replaced.
    behind: Option<u32>,
}

impl<'a> Settings<'a> {
    pub fn new(read_again: ReadAgain<'a>, filter: LogFilter, outlet: Outlet) -> Settings<'a> {
        Settings { read_again, filter, outlet, behind: None }
    }

    /// At SIGHUP: all that can change now does.
    pub fn renew(&mut self, plan: &mut NodePlan, sockets: &NodeSockets, supervisor: &mut Supervisor) {
        // The log says what was taken up and what can't be.
        if self.take_up(plan, sockets, supervisor).is_ok() && self.is_behind(supervisor) {
            supervisor.restart(ProcessName::Signaling);
        }
    }

    /// For an operator who replaces signaling afterwards.
    pub fn answer(
        &mut self,
        plan: &mut NodePlan,
        sockets: &NodeSockets,
        supervisor: &mut Supervisor,
    ) -> Result<SupervisorReply, String> {
        let (changed, fixed) = self.take_up(plan, sockets, supervisor)?;
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(SupervisorReply::Settings { changed: owned(changed), fixed: owned(fixed) })
    }

    /// Names of the settings that changed, and of those that can't.
    fn take_up(
        &mut self,
        plan: &mut NodePlan,
        sockets: &NodeSockets,
        supervisor: &mut Supervisor,
    ) -> Result<(Vec<&'static str>, Vec<&'static str>), String> {
        let RenewedPlan { plan: renewed, changed, fixed } = (self.read_again)(plan).inspect_err(|why| {
            warn!(why, "the settings can't be taken up: those of before stay");
        })?;
        if !fixed.is_empty() {
            warn!(
                settings = fixed.join(", "),
                "these take effect when the node is started anew (workers: chappe scale)"
            );
        }
        if changed.is_empty() {
            info!("the settings are read again, and nothing that can change now has changed");
            return Ok((changed, fixed));
        }
        if changed.contains(&LOG_FILTER) {
            self.filter.set(renewed.log_filter.as_deref());
            supervisor.tell_all(&log_filter_line(renewed.log_filter.as_deref()));
            // Who asks for other lines at a terminal is shown them.
            self.outlet.show(Shown::from_then_on(&renewed));
        }
        if changed.iter().any(|name| LOG_FILE.contains(name))
            && let Err(error) = self.outlet.write_file(renewed.log_file.as_ref(), &renewed.node)
        {
            warn!(%error, "the log is written to no file");
        }
        if changed.contains(&SESSIONS_PER_WORKER) {
            info!("sessions-per-worker is taken up by each worker's next process: `chappe reload` replaces them");
        }
        let is_for_others = |name: &&str| [LOG_FILTER, SESSIONS_PER_WORKER].contains(name) || LOG_FILE.contains(name);
        if !changed.iter().all(is_for_others) {
            self.behind = signaling(supervisor);
        }
        *plan = renewed;
        refresh_specs(plan, sockets, supervisor);
        info!(settings = changed.join(", "), "settings are taken up");
        Ok((changed, fixed))
    }

    fn is_behind(&self, supervisor: &Supervisor) -> bool {
        self.behind.is_some() && self.behind == signaling(supervisor)
    }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("behind", &self.behind).finish_non_exhaustive()
    }
}

/// The process that runs now.
fn signaling(supervisor: &Supervisor) -> Option<u32> {
    let statuses = supervisor.statuses().into_iter();
    statuses.filter(|status| status.name == ProcessName::Signaling).find_map(|status| status.pid)
}

/// What processes are started as from now on.
fn refresh_specs(plan: &NodePlan, sockets: &NodeSockets, supervisor: &mut Supervisor) {
    let fresh = sockets.specs(plan);
    supervisor.change_specs(|spec| {
        if let Some(fresh) = fresh.iter().find(|fresh| fresh.name == spec.name) {
            spec.clone_from(fresh);
        }
    });
}

const LOG_FILTER: &str = "log-filter";
/// Concerns workers, which carry media: nobody is replaced for it but by an operator.
const SESSIONS_PER_WORKER: &str = "sessions-per-worker";
/// Concern nobody but the parent.
const LOG_FILE: [&str; 3] = ["log-file", "log-file-size", "log-files"];

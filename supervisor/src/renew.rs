//! Owns taking up settings that have changed while the node runs. Media is not touched: what workers are told is the log
//! filter, and what signaling is told it hears by being replaced, during which no packet is lost.

use chappe_supervisor_api::ProcessName;
use tracing::{info, warn};

use crate::child::log::LogFilter;
use crate::child::log_filter_line;
use crate::places::Places;
use crate::plan::{NodePlan, Renewal};
use crate::supervise::Supervisor;

/// Reads the settings as at the start, for a node that runs by these.
pub type ReadAgain<'a> = &'a dyn Fn(&NodePlan) -> Result<Renewal, String>;

pub fn renew(
    plan: &mut NodePlan,
    read_again: ReadAgain<'_>,
    filter: &LogFilter,
    places: &Places,
    supervisor: &mut Supervisor,
) {
    let Renewal { plan: renewed, changed, fixed } = match read_again(plan) {
        Ok(renewal) => renewal,
        Err(why) => return warn!(why, "the settings can't be taken up: those of before stay"),
    };
    if !fixed.is_empty() {
        warn!(settings = fixed.join(", "), "these take effect when the node is started anew (workers: chappe scale)");
    }
    if changed.is_empty() {
        return info!("the settings are read again, and nothing that can change now has changed");
    }
    let is_for_signaling = changed.iter().any(|name| *name != LOG_FILTER);
    if changed.contains(&LOG_FILTER) {
        filter.set(renewed.log_filter.as_deref());
        supervisor.tell_all(&log_filter_line(renewed.log_filter.as_deref()));
    }
    *plan = renewed;
    refresh_specs(plan, places, supervisor);
    info!(settings = changed.join(", "), "settings are taken up");
    if is_for_signaling {
        supervisor.restart(ProcessName::Signaling);
    }
}

/// What processes are started as from now on.
fn refresh_specs(plan: &NodePlan, places: &Places, supervisor: &mut Supervisor) {
    let fresh = places.specs(plan);
    supervisor.change_specs(|spec| {
        if let Some(fresh) = fresh.iter().find(|fresh| fresh.name == spec.name) {
            spec.clone_from(fresh);
        }
    });
}

const LOG_FILTER: &str = "log-filter";

//! The story of a node: binds, starts, supervises, does what it is asked, and ends.

use std::path::PathBuf;

use chappe_supervisor_api::{AdminAuth, ProcessName, SOCKET_FILE, STATE_FILE};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::announce::announce;
use crate::channel::Channel;
use crate::child::log;
use crate::ended::Ended;
use crate::node_sockets::NodeSockets;
use crate::orders;
use crate::outlet::Outlet;
use crate::plan::NodePlan;
use crate::renew::{ReadAgain, Settings};
use crate::shown::Shown;
use crate::signals::Signals;
use crate::sockets::StartError;
use crate::state_file::StateFile;
use crate::supervise::Supervisor;

/// Binds, starts, supervises. Returns when a signal has ended it and all children are gone. At SIGHUP, and when an
/// operator asks for it, `read_again` tells what has become of the settings.
pub fn run(mut plan: NodePlan, read_again: ReadAgain<'_>) -> Result<Ended, StartError> {
    raise_descriptor_limit();
    let shown = Shown::at_start(&plan);
    let outlet = Outlet::stderr(plan.log, shown).map_err(StartError::prepare("standard error"))?;
    outlet.write_file(plan.log_file.as_ref(), &plan.node).map_err(StartError::prepare("the log file"))?;
    let filter = log::init(plan.log, plan.log_filter.as_deref(), outlet.clone());
    let mut sockets = NodeSockets::bind(&plan)?;
    let signals = Signals::catch().map_err(StartError::prepare("signal handling"))?;
    let channel =
        Channel::listen(&sockets.dir().join(SOCKET_FILE)).map_err(StartError::prepare("the command channel"))?;
    let state_files = state_files(&plan, &sockets);
    let mut supervisor = Supervisor::start(sockets.specs(&plan), signals, outlet.clone(), plan.log)
        .map_err(StartError::prepare("the event loop"))?;
    let mut settings = Settings::new(read_again, filter, outlet.clone());
    supervisor.answer_on(channel).map_err(StartError::prepare("the event loop"))?;
    warn_of_open_doors(&plan);
    announce(&plan, sockets.addresses(), &supervisor.statuses(), shown);
    outlet.show(Shown::from_then_on(&plan));
    loop {
        if supervisor.take_changed() {
            write_state(&state_files, &sockets, &supervisor);
        }
        if let Some(ended) = supervisor.turn().map_err(StartError::prepare("the event loop"))? {
            outlet.flush();
            outlet.finish_file();
            return Ok(ended);
        }
        for name in supervisor.take_gone() {
            if let ProcessName::Worker(index) = name {
                orders::give_up(&plan, &mut sockets, &mut supervisor, index);
            }
        }
        for (client, request) in supervisor.take_requests() {
            orders::answer(&mut plan, &mut settings, &mut sockets, &mut supervisor, client, request);
        }
        if supervisor.take_hangup() {
            outlet.reopen_file();
            settings.renew(&mut plan, &sockets, &mut supervisor);
        }
    }
}

/// One in the private directory, where programs of ours look for a node of this machine, and the one that was asked for.
fn state_files(plan: &NodePlan, sockets: &NodeSockets) -> Vec<StateFile> {
    let paths: [Option<PathBuf>; 2] = [Some(sockets.dir().join(STATE_FILE)), plan.state_file.clone()];
    paths.into_iter().flatten().map(StateFile::new).collect()
}

fn write_state(files: &[StateFile], sockets: &NodeSockets, supervisor: &Supervisor) {
    for file in files {
        if let Err(e) = file.write(sockets.addresses(), &supervisor.statuses()) {
            warn!(error = %e, path = %file.path().display(), "cannot write the state file");
        }
    }
}

/// Each ICE-TCP viewer and each WebSocket is a descriptor; the soft limit of most systems is 1024. Children inherit.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn warn_of_open_doors(plan: &NodePlan) {
    if !plan.admin.ip().is_loopback() && plan.admin_auth == AdminAuth::Open {
        warn!(admin = %plan.admin, "the admin listener asks nobody for a token: let nobody else reach this address");
    }
    if plan.region.is_some() && plan.cluster.is_none() {
        warn!("--region has no effect on a single node");
    }
}

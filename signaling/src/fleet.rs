//! Owns which workers this node has: follows those that the supervisor has started, and keeps a connection for each.
//! Never starts or ends a process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chappe_sfu_api::WorkerIndex;
use chappe_signaling_edge::supervisor::{Supervisor, SupervisorError};
use chappe_signaling_service::{Service, WorkerQueue};
use chappe_supervisor_api::{ProcessName, SupervisorReply, SupervisorRequest, worker_socket};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{Instrument as _, debug, info, info_span};

use crate::workers::follow_worker;

/// Follows the workers of this node for as long as the process lives: those it began with, and those that come and go.
pub async fn follow_fleet(service: Arc<Service>, supervisor: Supervisor, began_with: Vec<(PathBuf, WorkerQueue)>) {
    let (counted, mut counts) = watch::channel(began_with.len());
    let mut fleet = Fleet { service, tasks: JoinSet::new(), followers: Vec::new() };
    began_with.into_iter().for_each(|(path, queue)| fleet.follow(path, queue));
    let Some(directory) = supervisor.directory().map(Path::to_path_buf) else {
        // Started by hand or by a test: its workers are those it was told.
        return fleet.watch_over().await;
    };
    fleet.tasks.spawn(async move { count_workers(&supervisor, &counted).await });
    loop {
        tokio::select! {
            () = fleet.watch_over() => {}
            changed = counts.changed() => {
                if changed.is_ok() {
                    let count = *counts.borrow_and_update();
                    fleet.become_as_many_as(count, &directory);
                }
            }
        }
    }
}

struct Fleet {
    service: Arc<Service>,
    tasks: JoinSet<()>,
    /// Of worker 0, 1, …
    followers: Vec<AbortHandle>,
}

impl Fleet {
    fn become_as_many_as(&mut self, count: usize, directory: &Path) {
        while self.followers.len() < count {
            let (worker, queue) = self.service.add_worker();
            info!(worker = worker.0, "a worker was added");
            self.follow(directory.join(worker_socket(worker.0)), queue);
        }
        while self.followers.len() > count
            && let Some(follower) = self.followers.pop()
        {
            follower.abort();
            self.service.remove_last_worker();
            info!(worker = self.followers.len(), "a worker has left");
        }
    }

    fn follow(&mut self, path: PathBuf, queue: WorkerQueue) {
        let index = self.followers.len();
        let worker = WorkerIndex(u16::try_from(index).unwrap_or(u16::MAX));
        let following = follow_worker(Arc::clone(&self.service), worker, path, queue);
        self.followers.push(self.tasks.spawn(following.instrument(info_span!("worker", worker = index))));
    }

    /// Completes never; a task that panics takes this one along, because the process would go on without it.
    async fn watch_over(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        std::future::pending().await
    }
}

/// Tells with each change how many workers the supervisor has, those that leave included.
async fn count_workers(supervisor: &Supervisor, counted: &watch::Sender<usize>) {
    loop {
        if let Err(error) = follow_count(supervisor, counted).await {
            debug!(%error, "the supervisor is asked again for its processes");
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

async fn follow_count(supervisor: &Supervisor, counted: &watch::Sender<usize>) -> Result<(), SupervisorError> {
    let mut replies = supervisor.begin(&SupervisorRequest::Processes { follow: true }).await?;
    let mut count = 0;
    while let Some(reply) = replies.next().await? {
        match reply {
            SupervisorReply::Process(status) => count += usize::from(status.name != ProcessName::Signaling),
            SupervisorReply::Ok => {
                counted.send_if_modified(|before| std::mem::replace(before, count) != count);
                count = 0;
            }
            SupervisorReply::Error(why) => return Err(SupervisorError::Refused(why)),
            SupervisorReply::Log(..)
            | SupervisorReply::Added(_)
            | SupervisorReply::Settings { .. }
            | SupervisorReply::ProgramBefore(_) => {}
        }
    }
    Ok(())
}

const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

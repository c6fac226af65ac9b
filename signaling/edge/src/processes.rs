//! Owns what operators have done with the processes of a node: of this one, or of another one that is asked through the
//! cluster. The supervisor of that node does it. Never decides who may.

mod log_lines;
mod log_readers;
mod scale;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use chappe_cluster::NodeName;
use chappe_signaling_service::{
    AskError, NodeReply, NodeRequest, ProcessOrder, ProcessOutcome, Refusal, RemoteRefusal, Service,
};
use chappe_supervisor_api::{LogSource, ParseError, ProcessName, SupervisorReply, SupervisorRequest};
use tracing::warn;

use crate::error::{HttpError, missing};
use crate::supervisor::{Supervisor, SupervisorError};
pub use log_lines::LogLines;
use log_readers::LogReaders;

/// Shared by the admin listener and by what other nodes ask.
#[derive(Debug, Clone)]
pub struct Processes {
    service: Arc<Service>,
    supervisor: Supervisor,
    readers: Arc<LogReaders>,
}

impl Processes {
    pub fn new(service: Arc<Service>, supervisor: Supervisor) -> Processes {
        Processes { service, supervisor, readers: Arc::default() }
    }

    /// For the node of this name.
    pub async fn order(&self, node: &str, order: ProcessOrder) -> Result<ProcessOutcome, HttpError> {
        match other_node(&self.service, node)? {
            None => self.carry_out(order).await,
            Some(other) => ask(&self.service, &other, order).await,
        }
    }

    /// The log of the node of this name; without one, of this node.
    pub async fn log(
        &self,
        node: Option<&str>,
        of: Option<String>,
        lines: usize,
        follow: bool,
    ) -> Result<LogLines, HttpError> {
        let other = node.map(|node| other_node(&self.service, node)).transpose()?.flatten();
        let Some(node) = other else {
            let request = log_request(of.as_deref(), lines, follow)?;
            return Ok(LogLines::of_this_node(self.supervisor.begin(&request).await?, follow));
        };
        match ask(&self.service, &node, ProcessOrder::OpenLog { of, lines, follow }).await? {
            ProcessOutcome::LogOpened { reader } => {
                Ok(LogLines::of_another_node(Arc::clone(&self.service), node, reader))
            }
            _ => Err(silent(&node)),
        }
    }

    /// What another node asks in the name of an operator there.
    pub async fn answer(&self, order: ProcessOrder, reply: impl FnOnce(&NodeReply)) {
        if matches!(order, ProcessOrder::RestartSignaling) {
            // Before it is done: afterwards this process has no time to say so.
            reply(&NodeReply::Operated { outcome: ProcessOutcome::Done });
            if let Err(error) = self.carry_out(order).await {
                warn!(error = error.message, "signaling is not replaced");
            }
            return;
        }
        reply(&match self.carry_out(order).await {
            Ok(outcome) => NodeReply::Operated { outcome },
            Err(error) => NodeReply::Refused { told: remote_refusal(error) },
        });
    }

    async fn carry_out(&self, order: ProcessOrder) -> Result<ProcessOutcome, HttpError> {
        let Processes { service, supervisor, readers } = self;
        match order {
            ProcessOrder::Scale { workers, deadline_ms } => {
                let before = scale::scale(service, supervisor, workers, deadline_ms).await?;
                Ok(ProcessOutcome::Scaled { before })
            }
            ProcessOrder::DrainWorker { worker, deadline_ms } => found(service.drain_worker(worker, deadline_ms)),
            ProcessOrder::CancelWorkerDrain { worker } => found(service.cancel_worker_drain(worker)),
            ProcessOrder::RestartSignaling => {
                supervisor.ask(&SupervisorRequest::Restart { name: ProcessName::Signaling }).await?;
                Ok(ProcessOutcome::Done)
            }
            ProcessOrder::ReadSettings => read_settings(supervisor).await,
            ProcessOrder::OpenLog { of, lines, follow } => {
                let replies = supervisor.begin(&log_request(of.as_deref(), lines, follow)?).await?;
                let reader = readers.open(replies, follow).ok_or_else(|| {
                    let message = "too many operators of other nodes read the log of this one: try again in a moment";
                    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many", message)
                })?;
                Ok(ProcessOutcome::LogOpened { reader })
            }
            ProcessOrder::ReadLog { reader } => {
                let batch = readers.read(reader).await;
                batch.map(ProcessOutcome::LogRead).ok_or_else(|| missing("reader of the log"))
            }
        }
    }
}

async fn read_settings(supervisor: &Supervisor) -> Result<ProcessOutcome, HttpError> {
    let unknown = ParseError(SupervisorRequest::ReadSettings.to_string()).to_string();
    let replies = match supervisor.ask(&SupervisorRequest::ReadSettings).await {
        // It stays what it is when all other processes are replaced by those of a newer version.
        Err(SupervisorError::Refused(why)) if why == unknown => {
            let message =
                "the supervisor of the node is of an earlier version: it reads its settings when it is started";
            return Err(HttpError::new(StatusCode::NOT_IMPLEMENTED, "not_supported", message));
        }
        replies => replies?,
    };
    let told = replies.into_iter().find_map(|reply| match reply {
        SupervisorReply::Settings { changed, fixed } => Some(ProcessOutcome::SettingsRead { changed, fixed }),
        _ => None,
    });
    Ok(told.unwrap_or(ProcessOutcome::Done))
}

/// None: it is this one.
pub fn other_node(service: &Service, node: &str) -> Result<Option<NodeName>, HttpError> {
    let name = NodeName::parse(node).map_err(|_| missing("node"))?;
    if name == *service.node() {
        return Ok(None);
    }
    let known = service.state().replica.node(&name).is_some();
    if known { Ok(Some(name)) } else { Err(missing("node")) }
}

async fn ask(service: &Service, node: &NodeName, order: ProcessOrder) -> Result<ProcessOutcome, HttpError> {
    match service.cluster.ask(node, &NodeRequest::Operate { order }, DONE_WITHIN).await {
        Ok(NodeReply::Operated { outcome }) => Ok(outcome),
        Err(AskError::Refused(refusal)) => Err(HttpError::from(Refusal::Elsewhere(refusal))),
        Ok(_) | Err(AskError::Unreachable | AskError::Silent) => Err(silent(node)),
    }
}

fn silent(node: &NodeName) -> HttpError {
    let message = format!("{node} does not answer: it may be ending or cut off, or be of a version that can't do this");
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

fn log_request(of: Option<&str>, lines: usize, follow: bool) -> Result<SupervisorRequest, HttpError> {
    let of = of.map(str::parse::<LogSource>).transpose().map_err(|error| {
        let message = format!("of: {error}; there are supervisor, signaling and worker-0, worker-1, …");
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })?;
    Ok(SupervisorRequest::Log { of, lines: lines.min(LINES_MAX), follow })
}

fn found(worker: bool) -> Result<ProcessOutcome, HttpError> {
    if worker { Ok(ProcessOutcome::Done) } else { Err(missing("worker")) }
}

/// As the node that asked passes it on.
fn remote_refusal(error: HttpError) -> RemoteRefusal {
    RemoteRefusal {
        code: error.code.to_owned(),
        message: error.message,
        status: error.status.as_u16(),
        retry_after_ms: None,
    }
}

impl From<SupervisorError> for HttpError {
    fn from(error: SupervisorError) -> HttpError {
        let (status, code) = match &error {
            SupervisorError::Refused(_) => (StatusCode::CONFLICT, "refused"),
            SupervisorError::Absent | SupervisorError::Silent(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_supervisor"),
        };
        HttpError::new(status, code, error.to_string())
    }
}

/// The supervisor there has 5 s.
const DONE_WITHIN: Duration = Duration::from_secs(6);
/// As many as the supervisor keeps.
const LINES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn a_supervisor_of_an_earlier_version_is_told_from_settings_that_are_wrong() {
        let path = std::env::temp_dir().join(format!("chappe-settings-{}.sock", std::process::id()));
        for (reply, expected) in [
            ("error \"settings\" is not understood\n", StatusCode::NOT_IMPLEMENTED),
            ("error per-adress: did you mean `per-address`?\n", StatusCode::CONFLICT),
        ] {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let answering = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.read(&mut [0; 100]).await.unwrap();
                socket.write_all(reply.as_bytes()).await.unwrap();
            };
            let supervisor = Supervisor::at(Some(path.clone()));
            let (read, ()) = tokio::join!(read_settings(&supervisor), answering);
            assert_eq!(read.unwrap_err().status, expected);
        }
        let _ = std::fs::remove_file(&path);
    }
}

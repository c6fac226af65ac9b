//! Owns the steps of traced joins that end when a worker says so: its client is connected, and a publisher's media comes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chappe_sfu_api::{CloseReason, SessionId, WorkerIndex};
use chappe_signaling_traces::{Kind, Span, current, step};

/// Of sessions that are not as far yet. Nothing is kept of joins that are not traced.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<HashMap<SessionId, Arrival>>);

#[derive(Debug)]
struct Arrival {
    worker: WorkerIndex,
    /// ICE and DTLS, until media may flow. Ended: what a publisher's media is waited for in.
    connecting: Option<Span>,
    media: Option<Span>,
}

impl Arrivals {
    /// The client is told where to connect, below the step that the task is at.
    pub fn begin(&self, session: SessionId, worker: WorkerIndex, publishes: bool) {
        if current().is_none() {
            return;
        }
        let begin = |name| {
            let mut span = step(name, Kind::Internal);
            span.note("chappe.session", session);
            span.note_number("chappe.worker", worker.0);
            span
        };
        let arrival =
            Arrival { worker, connecting: Some(begin("connect")), media: publishes.then(|| begin("first media")) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < ARRIVALS_MAX {
            all.insert(session, arrival);
        }
    }

    /// Media may flow.
    pub fn handle_connected(&self, session: SessionId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(arrival) = all.get_mut(&session) else { return };
        arrival.connecting = None;
        if arrival.media.is_none() {
            all.remove(&session);
        }
    }

    /// The first packet of a track has come.
    pub fn handle_media(&self, session: SessionId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&session);
    }

    /// The worker did not take it.
    pub fn forget(&self, session: SessionId) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&session));
    }

    pub fn handle_closed(&self, session: SessionId, reason: CloseReason) {
        let closed = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        closed.into_iter().for_each(|arrival| arrival.fail(&format!("closed: {reason:?}")));
    }

    pub fn handle_worker_lost(&self, worker: WorkerIndex) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = all.extract_if(|_, arrival| arrival.worker == worker);
        lost.for_each(|(_, arrival)| arrival.fail("the worker's process is gone"));
    }
}

impl Arrival {
    fn fail(mut self, why: &str) {
        self.connecting.iter_mut().chain(&mut self.media).for_each(|span| span.fail(why));
    }
}

/// Clients that are on their way at a time; of more the arrival is not traced.
const ARRIVALS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_signaling_traces::Tracer;

    const W0: WorkerIndex = WorkerIndex(0);

    #[tokio::test]
    async fn a_publisher_arrives_when_it_is_connected_and_again_with_its_media_a_viewer_once() {
        let (tracer, mut ended) = Tracer::new(16);
        let (arrivals, publisher, viewer) = (Arrivals::default(), SessionId(0, 1), SessionId(0, 2));
        let request = tracer.request("POST", None);
        let begin = async {
            arrivals.begin(publisher, W0, true);
            arrivals.begin(viewer, W0, false);
        };
        request.cover(begin).await;
        assert!(ended.try_recv().is_err());
        arrivals.handle_connected(publisher);
        assert_eq!(ended.try_recv().unwrap().name, "connect");
        arrivals.handle_media(publisher);
        assert_eq!(ended.try_recv().unwrap().name, "first media");
        arrivals.handle_connected(viewer);
        assert_eq!(ended.try_recv().unwrap().name, "connect");
        assert!(arrivals.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_client_that_does_not_arrive_is_told_as_that_and_an_untraced_one_is_not_kept() {
        let (tracer, mut ended) = Tracer::new(16);
        let arrivals = Arrivals::default();
        arrivals.begin(SessionId(0, 1), W0, true);
        assert!(arrivals.0.lock().unwrap().is_empty());
        let begin = async { (2..4).for_each(|id| arrivals.begin(SessionId(0, id), W0, false)) };
        tracer.request("POST", None).cover(begin).await;
        assert_eq!(ended.try_recv().unwrap().name, "POST");
        arrivals.handle_closed(SessionId(0, 2), CloseReason::Requested);
        arrivals.handle_worker_lost(WorkerIndex(1));
        assert_eq!(ended.try_recv().unwrap().failure.unwrap(), "closed: Requested");
        assert!(ended.try_recv().is_err());
        arrivals.handle_worker_lost(W0);
        assert_eq!(ended.try_recv().unwrap().failure.unwrap(), "the worker's process is gone");
    }
}

//! Owns a publisher that stays on the air: on a thread of its own, so that no viewer delays a frame, and at the
//! next server, in place of its old self, when its session dies.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use chappe_sfu_core::dtls::Certificate;

use super::plan::{CONNECT_LIMIT, ClientsPlan, RETRY_PERIOD};
use super::report::PublisherReport;
use super::vigil::{Liveness, Vigil};
use crate::POLL_TICK;
use crate::http::{Answered, Server};
use crate::publisher::Publisher;

pub struct Broadcaster {
    state: Arc<State>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Packets, since the counting began.
    sent: AtomicU64,
    /// Bursts that were not sent when the next one was due already.
    late: AtomicU64,
    /// Sessions after the first.
    rejoins: AtomicU64,
    over: AtomicBool,
    /// The last request was refused in a way that lasts.
    refused: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl Broadcaster {
    pub fn start(plan: &ClientsPlan, certificate: Certificate) -> Broadcaster {
        let state = Arc::new(State::default());
        let (plan, shared) = (plan.clone(), Arc::clone(&state));
        let thread = std::thread::spawn(move || stay_on_air(&plan, &certificate, &shared));
        Broadcaster { state, thread }
    }

    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    pub fn is_refused(&self) -> bool {
        self.state.refused.load(Ordering::Relaxed)
    }

    pub fn forget(&self) {
        self.state.sent.store(0, Ordering::Relaxed);
        self.state.late.store(0, Ordering::Relaxed);
        self.state.rejoins.store(0, Ordering::Relaxed);
        self.state.note(None);
    }

    /// Ends the session, and comes back when it has.
    pub fn leave(self) {
        self.state.over.store(true, Ordering::Relaxed);
        // A thread that panicked has no session any more.
        let _ = self.thread.join();
    }

    pub fn report(&self) -> PublisherReport {
        let last_error = self.state.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PublisherReport {
            sent: self.sent(),
            late: count(&self.state.late),
            rejoins: count(&self.state.rejoins),
            last_error,
        }
    }
}

impl State {
    fn note(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

fn stay_on_air(plan: &ClientsPlan, certificate: &Certificate, state: &State) {
    let server = |url: &String| plan.server(url);
    let servers: Vec<Server> = plan.whip.iter().map(server).collect();
    let mut earlier: Option<String> = None;
    for server in servers.iter().cycle() {
        if state.is_over() {
            return;
        }
        let (room, stream) = (&plan.room, &plan.stream);
        let joined = match &earlier {
            Some(earlier) => Publisher::join_again(server, certificate, (room, stream), earlier, plan.shape),
            None => Publisher::join(server, certificate, room, stream, plan.shape),
        };
        match joined {
            Ok(publisher) => {
                let why = send_until_dead(publisher, plan, state, &mut earlier);
                state.note(Some(why));
                state.rejoins.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let is_final = error.downcast_ref::<Answered>().is_some_and(Answered::is_final);
                state.refused.store(is_final, Ordering::Relaxed);
                state.note(Some(format!("{error:#}")));
                std::thread::sleep(RETRY_PERIOD);
            }
        }
    }
}

/// Returns why the session is over. Once it was connected, it is the one that the next takes the place of.
fn send_until_dead(mut publisher: Publisher, plan: &ClientsPlan, state: &State, live: &mut Option<String>) -> String {
    let began = Instant::now();
    let (mut next_frame, mut vigil) = (began, Vigil::new(began));
    while !state.is_over() {
        let now = Instant::now();
        if let Err(error) = publisher.turn() {
            return error.to_string();
        }
        if !publisher.is_connected() {
            if now.saturating_duration_since(began) > CONNECT_LIMIT {
                return "did not connect in time".to_owned();
            }
        } else {
            if live.as_deref() != Some(publisher.location()) {
                *live = Some(publisher.location().to_owned());
            }
            match vigil.look(now, publisher.last_heard()) {
                Liveness::Fine => {}
                Liveness::Ask => publisher.probe(),
                Liveness::Dead => return "was not heard any more".to_owned(),
            }
            if next_frame <= now {
                publisher.send_burst();
                state.sent.fetch_add(plan.shape.burst() as u64, Ordering::Relaxed);
                let planned = next_frame + plan.shape.step();
                state.late.fetch_add(u64::from(planned < now), Ordering::Relaxed);
                next_frame = planned.max(now);
            }
        }
        std::thread::sleep(next_frame.min(now + POLL_TICK).saturating_duration_since(Instant::now()));
    }
    publisher.close();
    String::new()
}

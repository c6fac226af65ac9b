//! Owns the choice of a worker for a new session. Pure: the view, the time and the random draws come in.
//! Never says how the session gets there.

mod load;
mod reservations;
mod view;

use std::time::Instant;

use crate::{NodeName, WorkerRef};

pub use load::{Cost, Load, TrackRate};
pub use reservations::Reservations;
pub use view::{View, WORKERS_PER_NODE_MAX};

use load::LOAD_WITH_HEADROOM;
use view::{Candidate, Pool};

/// What a session asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the client is. None: anywhere.
    pub region: Option<&'a str>,
    /// What the session is going to cost its worker.
    pub cost: Cost,
    /// Workers that have the session's stream or room, best first: origins, then edges that the asking node
    /// knows of. Looked at up to [`HOLDERS_MAX`].
    pub holders: &'a [WorkerRef],
    /// The node that decides. It counts as heard of, since it hears itself, and is preferred a little.
    pub node: &'a NodeName,
    /// Workers that are not to be chosen, such as the one a session is to leave, or that has just refused it.
    pub avoid: &'a [WorkerRef],
}

/// The region of the client first, as its path to the media is what nobody else can shorten; in it a worker that
/// already has the stream, because that costs no relay; else the less loaded of two drawn at random, which stays
/// balanced although each report is a second old and many nodes decide at once. A region that is full spills into
/// the others. None: the whole cluster is full (503).
///
/// Never a worker that drains, is lost or unreachable, was not heard of for [`SILENCE_MAX_MS`], or would be beyond
/// a limit. Never None while one of the others is left.
pub fn choose(
    now: Instant,
    view: &View,
    wanted: &Wanted<'_>,
    reservations: &Reservations,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Option<WorkerRef> {
    let choice = Choice { now, view, wanted, reservations };
    let Some(region) = wanted.region else {
        return choice.holder(|_| true).or_else(|| choice.of_pool(view.everywhere(), |_| true, draw)).cloned();
    };
    let region = view.region(region);
    let is_near = |candidate: &Candidate| region.is_some_and(|(id, _)| candidate.region == id);
    let near = choice.holder(is_near);
    let near = near.or_else(|| region.and_then(|(_, pool)| choice.of_pool(pool, is_near, draw)));
    let far = || choice.holder(|_| true).or_else(|| choice.of_pool(view.everywhere(), |_| true, draw));
    near.or_else(far).cloned()
}

/// One decision, with what it needs to know.
struct Choice<'a> {
    now: Instant,
    view: &'a View,
    wanted: &'a Wanted<'a>,
    reservations: &'a Reservations,
}

impl<'a> Choice<'a> {
    /// The first that has the stream and so much headroom that the stream may still grow there.
    fn holder(&self, allowed: impl Fn(&Candidate) -> bool) -> Option<&'a WorkerRef> {
        let holders = self.wanted.holders.iter().take(HOLDERS_MAX);
        let candidates = holders.filter_map(|holder| self.view.candidate(holder));
        candidates
            .filter(|candidate| candidate.is_open && allowed(candidate))
            .find(|candidate| self.load_with(candidate).is_some_and(|load| load <= LOAD_WITH_HEADROOM))
            .map(|candidate| &candidate.worker)
    }

    /// The least loaded of two drawn from the pool and one drawn from the deciding node's own workers, which is
    /// counted as a little less loaded than it is: a session there needs no forwarding.
    fn of_pool(
        &self,
        pool: &'a Pool,
        allowed: impl Fn(&Candidate) -> bool,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> Option<&'a WorkerRef> {
        let first = self.draw_fitting(pool, None, draw);
        let second = first.and_then(|(_, other)| self.draw_fitting(pool, Some(other), draw));
        let own = self.view.of_node(self.wanted.node).filter(|candidate| candidate.is_open && allowed(candidate));
        let own = own.filter_map(|candidate| Some((self.load_with(candidate)? - OWN_NODE_BONUS, candidate)));
        let drawn = first.into_iter().chain(second).chain(own);
        let best = drawn.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate);
        best.or_else(|| self.scan(pool, draw)).map(|candidate| &candidate.worker)
    }

    /// A few draws suffice while most workers of the pool have room.
    fn draw_fitting(
        &self,
        pool: &'a Pool,
        other: Option<&Candidate>,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> Option<(f64, &'a Candidate)> {
        if pool.is_empty() {
            return None;
        }
        (0..DRAWS_MAX).find_map(|_| {
            let candidate = self.view.at(pool.at(draw(pool.len()))?)?;
            if other.is_some_and(|other| std::ptr::eq(candidate, other)) {
                return None;
            }
            Some((self.load_with(candidate)?, candidate))
        })
    }

    /// All of the pool, for when draws found none: almost all are full, silent or to be avoided.
    fn scan(&self, pool: &'a Pool, draw: &mut dyn FnMut(usize) -> usize) -> Option<&'a Candidate> {
        let able = pool.iter().filter_map(|key| self.view.at(key));
        let able: Vec<&Candidate> = able.filter(|candidate| self.load_with(candidate).is_some()).collect();
        if able.is_empty() { None } else { able.get(draw(able.len())).copied() }
    }

    /// Predicted load of a candidate with this session on it. None: it cannot take the session.
    fn load_with(&self, candidate: &Candidate) -> Option<f64> {
        let silence_ms = self.now.saturating_duration_since(candidate.heard_at).as_millis();
        let is_heard = silence_ms <= SILENCE_MAX_MS || candidate.worker.node == *self.wanted.node;
        if !is_heard || self.wanted.avoid.contains(&candidate.worker) {
            return None;
        }
        let reserved = self.reservations.of(self.now, &candidate.worker);
        let load = candidate.load.with(&reserved).with(&self.wanted.cost).fraction();
        (load <= 1.0).then_some(load)
    }
}

/// A node tells its presence four times a second; who missed seven of them gets no new sessions until it is heard again.
/// When nobody else is heard, because the messages between nodes are cut, a node serves alone what it can.
pub const SILENCE_MAX_MS: u128 = 1_750;

/// More workers than this that hold one stream are not looked at: the first ones are the origin and its nearest
/// edges, and one decision must not cost more because a room is large.
pub const HOLDERS_MAX: usize = 32;

/// Of the load that a worker may have. Forwarding a request costs a few milliseconds of the joiner's time once; a
/// larger preference would leave the cluster as unbalanced as its load balancer is.
const OWN_NODE_BONUS: f64 = 0.03;

/// Draws for each of the two, before all are looked at. With half of the pool full, one of four draws fits in 15 of
/// 16 cases.
const DRAWS_MAX: usize = 4;

#[cfg(test)]
mod tests;

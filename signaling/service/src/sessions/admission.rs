//! Owns the queues of clients for whom there is no place at this moment. Never chooses a place itself.
//!
//! What was placed counts at once, and for up to two seconds as more than load reports will show it to be; and for as long
//! as its joins are made, reports show what these take, too. A crowd that comes at once therefore finds a worker full that
//! is about to have room. It waits here, first come, first served; who
//! finds no room to wait in, whose address has its share of that room, or who has waited for [`WAIT_MAX`], is told to
//! come again.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chappe_signaling_rooms::{ClientAddress, RoomName};
use tokio::sync::Mutex as FairMutex;
use tokio::time::{sleep, timeout};

use crate::callers::caller::Caller;
use crate::callers::shares::{Share, Shares};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Shares>,
    queues: Mutex<HashMap<QueueKey, Queue>>,
}

/// Who waits in one queue: those of a room cost about the same. A room that is too dear for what is left holds up no
/// other one, and a crowd of viewers does not hold up its publisher.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct QueueKey {
    pub room: RoomName,
    pub publishes: bool,
}

/// What the first of a queue learned when it asked.
pub(crate) enum Verdict<T> {
    Settled(Result<T, Refusal>),
    /// Full, and about to have room.
    FullForNow,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    /// Held by the first. The lock is fair: it is taken in the order in which it was asked for.
    first: Arc<FairMutex<()>>,
}

/// One client that waits; leaves its queue when dropped.
struct Waiter<'a> {
    admission: &'a Admission,
    key: QueueKey,
    first: Arc<FairMutex<()>>,
}

impl Admission {
    pub fn new() -> Admission {
        Admission { places: Shares::new(WAITING_MAX), queues: Mutex::default() }
    }

    /// Asks for a place at once if nobody waits in the same queue; otherwise in turn.
    pub async fn admit<T>(
        &self,
        caller: Option<&Caller>,
        key: QueueKey,
        mut ask: impl FnMut() -> Verdict<T>,
    ) -> Result<T, Refusal> {
        if !self.is_waited_in(&key)
            && let Verdict::Settled(outcome) = ask()
        {
            return outcome;
        }
        let Some(_place) = self.place_to_wait(caller) else { return Err(Refusal::NoWorker) };
        let waiter = self.enter(key);
        let in_turn = async {
            let _first = waiter.first.lock().await;
            loop {
                match ask() {
                    Verdict::Settled(outcome) => return outcome,
                    Verdict::FullForNow => sleep(self.ask_again_after()).await,
                }
            }
        };
        timeout(WAIT_MAX, in_turn).await.unwrap_or(Err(Refusal::NoWorker))
    }

    /// Whoever is not known stands for this node, and is as many as a proxy is that names nobody.
    fn place_to_wait(&self, caller: Option<&Caller>) -> Option<Share> {
        let (address, is_many) = match caller {
            Some(caller) => (caller.address, caller.is_proxy),
            None => (ClientAddress::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), true),
        };
        self.places.take(address, if is_many { WAITING_OF_PROXY_MAX } else { WAITING_OF_CLIENT_MAX })
    }

    fn enter(&self, key: QueueKey) -> Waiter<'_> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(key.clone()).or_default();
        queue.waiting += 1;
        Waiter { admission: self, key, first: Arc::clone(&queue.first) }
    }

    fn is_waited_in(&self, key: &QueueKey) -> bool {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// Longer where many queues ask, so that all of them together ask at most some thousand times a second.
    fn ask_again_after(&self) -> Duration {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).len();
        ASK_AGAIN_AFTER * u32::try_from(queues.div_ceil(QUEUES_AT_FULL_PACE)).unwrap_or(u32::MAX)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut queues = self.admission.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queues.get_mut(&self.key) else { return };
        queue.waiting -= 1;
        if queue.waiting == 0 {
            queues.remove(&self.key);
        }
    }
}

/// Clients that wait at a time: a crowd of some seconds.
const WAITING_MAX: usize = 4_096;
/// Of them from one address.
const WAITING_OF_CLIENT_MAX: usize = WAITING_MAX / 8;
/// From a proxy that does not say who its clients are, and from this machine.
const WAITING_OF_PROXY_MAX: usize = WAITING_MAX / 2;
/// By then load reports show a crowd as it is, without its joins. A client that waits longer had better be told.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// A load report or the decay of what was placed makes room in steps of 250 ms at most.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const QUEUES_AT_FULL_PACE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    fn viewers_of(room: &str) -> QueueKey {
        QueueKey { room: RoomName::parse(room).unwrap(), publishes: false }
    }

    fn caller(last: u8, is_proxy: bool) -> Caller {
        Caller { address: IpAddr::from([192, 0, 2, last]).into(), is_proxy, reached_at: None, pass: None }
    }

    /// Waits until the deadline, as nobody makes room.
    fn waits(admission: &Arc<Admission>, caller: Option<Caller>) -> JoinHandle<Result<(), Refusal>> {
        let admission = Arc::clone(admission);
        tokio::spawn(
            async move { admission.admit(caller.as_ref(), viewers_of("a"), || Verdict::<()>::FullForNow).await },
        )
    }

    fn waiting(admission: &Admission) -> usize {
        admission.places.taken()
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_waits_in_its_order_and_is_admitted_as_room_comes() {
        let (admission, room) = (Arc::new(Admission::new()), Arc::new(AtomicUsize::new(1)));
        let admitted = Arc::new(Mutex::new(Vec::new()));
        let mut crowd = Vec::new();
        for number in 0..100 {
            let (admission, room, admitted) = (Arc::clone(&admission), Arc::clone(&room), Arc::clone(&admitted));
            crowd.push(tokio::spawn(async move {
                let ask = || match room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(1)) {
                    Ok(_) => Verdict::Settled(Ok(())),
                    Err(_) => Verdict::FullForNow,
                };
                admission.admit(None, viewers_of("a"), ask).await?;
                admitted.lock().unwrap().push(number);
                Ok::<_, Refusal>(())
            }));
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!((waiting(&admission), admitted.lock().unwrap().len()), (99, 1));
        room.store(99, Ordering::SeqCst);
        for viewer in crowd {
            assert_eq!(viewer.await.unwrap(), Ok(()));
        }
        assert_eq!(*admitted.lock().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_finds_the_queue_full_is_told_to_come_again() {
        let admission = Arc::new(Admission::new());
        let began = Instant::now();
        let proxies = [caller(1, true), caller(2, true)];
        let crowd: Vec<_> =
            proxies.iter().cycle().take(WAITING_MAX).map(|proxy| waits(&admission, Some(proxy.clone()))).collect();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(waits(&admission, Some(caller(3, false))).await.unwrap(), Err(Refusal::NoWorker));
        assert!(began.elapsed() < WAIT_MAX, "the queue is full: at once");
        for viewer in crowd {
            assert_eq!(viewer.await.unwrap(), Err(Refusal::NoWorker));
        }
        assert!(began.elapsed() < WAIT_MAX * 2, "each has a deadline of its own");
        assert_eq!(waiting(&admission), 0);
        assert!(admission.queues.lock().unwrap().is_empty(), "nothing is kept");
        assert_eq!(admission.admit(None, viewers_of("a"), || Verdict::Settled(Ok(7))).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_one_address_fills_its_share_and_others_wait_and_are_admitted() {
        let admission = Arc::new(Admission::new());
        let crowd: Vec<_> = (0..WAITING_MAX).map(|_| waits(&admission, Some(caller(1, false)))).collect();
        let unknown: Vec<_> = (0..WAITING_MAX).map(|_| waits(&admission, None)).collect();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(waiting(&admission), WAITING_MAX / 8 + WAITING_MAX / 2);
        let mut asked = 0;
        let ask_twice = || {
            asked += 1;
            if asked < 3 { Verdict::FullForNow } else { Verdict::Settled(Ok(())) }
        };
        let other = admission.admit(Some(&caller(2, false)), viewers_of("b"), ask_twice).await;
        assert_eq!((other, asked), (Ok(()), 3), "it waited");
        for viewer in crowd.into_iter().chain(unknown) {
            assert_eq!(viewer.await.unwrap(), Err(Refusal::NoWorker));
        }
        assert_eq!(waiting(&admission), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_for_which_there_is_no_place_holds_up_no_other_nor_its_own_publisher() {
        let admission = Arc::new(Admission::new());
        let dear = {
            let admission = Arc::clone(&admission);
            tokio::spawn(async move { admission.admit(None, viewers_of("dear"), || Verdict::<()>::FullForNow).await })
        };
        sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        for key in [viewers_of("light"), QueueKey { publishes: true, ..viewers_of("dear") }] {
            assert_eq!(admission.admit(None, key, || Verdict::Settled(Ok(()))).await, Ok(()));
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(dear.await.unwrap(), Err(Refusal::NoWorker));
    }
}

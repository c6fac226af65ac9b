//! Owns noticing that this machine has other addresses than before, and what follows from it: sessions from now on are
//! offered the new ones, and other nodes are told. Sessions that live are left alone: their clients restart ICE.
//!
//! The interfaces are looked at once a second (`getifaddrs`, which is two dumps over netlink, and the source address
//! of the default routes). The kernel's notifications (rtnetlink) would come a second sooner, but may be lost when
//! their socket overflows, so that one would look now and then all the same; and a lease that was just given is not
//! missed by anybody within that second.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chappe_signaling_addresses::Reach;
use chappe_signaling_service::Service;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub async fn follow_addresses(service: Arc<Service>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        ticks.tick().await;
        match look(&service).await {
            Ok(before) => {
                failed = false;
                let Some(before) = before else { continue };
                say(&before, &service.addresses.now());
                service.handle_addresses_changed();
            }
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    warn!(%error, "the addresses of the interfaces can't be read: those known before are offered on");
                }
            }
        }
    }
}

/// Apart, because it takes milliseconds on a machine with hundreds of interfaces.
async fn look(service: &Arc<Service>) -> io::Result<Option<Arc<Reach>>> {
    let service = Arc::clone(service);
    tokio::task::spawn_blocking(move || service.addresses.look_again()).await.unwrap_or(Ok(None))
}

fn say(before: &Reach, after: &Reach) {
    let only_in = |these: &Reach, those: &Reach| -> Vec<IpAddr> {
        these.candidates.iter().copied().filter(|ip| !those.candidates.contains(ip)).collect()
    };
    let (new, gone) = (only_in(after, before), only_in(before, after));
    info!(?new, ?gone, offered = ?after.candidates, "the addresses of this machine have changed");
}

const LOOK_EVERY: Duration = Duration::from_secs(1);

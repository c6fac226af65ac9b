//! Owns at which addresses clients and other nodes reach this node, and follows them while it runs: a machine gets
//! and loses them (DHCP, a cable, a tunnel). Never opens a socket that somebody could reach: workers and listeners
//! are bound to all addresses and need not know.

#![forbid(unsafe_code)]

mod choice;
mod interfaces;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

pub use choice::{Candidates, Reach};

use choice::Standing;
use interfaces::Interfaces;

/// Where this node is reached, as of the last look at its interfaces.
#[derive(Debug)]
pub struct Addresses {
    standing: Standing,
    reach: RwLock<Arc<Reach>>,
}

impl Addresses {
    /// `public`: named by the operator, and then the only ones that clients are told. `listener`: of the pages.
    /// `certified`: as which hosts the listener is known over HTTPS; none where it speaks plain HTTP.
    pub fn read(
        public: Vec<IpAddr>,
        listener: Option<SocketAddr>,
        certified: Option<Vec<String>>,
    ) -> io::Result<Addresses> {
        Ok(Addresses::of(Standing { public, listener, certified }, &Interfaces::read()?))
    }

    fn of(standing: Standing, interfaces: &Interfaces) -> Addresses {
        let reach = RwLock::new(Arc::new(standing.reach(interfaces)));
        Addresses { standing, reach }
    }

    /// Of a node without interfaces.
    pub fn fixed(public: Vec<IpAddr>) -> Addresses {
        Addresses::of(Standing { public, listener: None, certified: None }, &Interfaces::default())
    }

    /// Whether the operator has named this address; it may be that of a NAT before this machine.
    pub fn is_named(&self, ip: IpAddr) -> bool {
        self.standing.public.contains(&ip)
    }

    pub fn now(&self) -> Arc<Reach> {
        Arc::clone(&self.reach.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For a client whose request came in on this address of ours; none: that is not known.
    pub fn candidates(&self, reached_at: Option<IpAddr>) -> Candidates {
        self.standing.candidates(&self.now(), reached_at)
    }

    /// Looks at the interfaces again. What it was before, if it has changed.
    pub fn look_again(&self) -> io::Result<Option<Arc<Reach>>> {
        let next = self.standing.reach(&Interfaces::read()?);
        let mut reach = self.reach.write().unwrap_or_else(PoisonError::into_inner);
        if **reach == next {
            return Ok(None);
        }
        Ok(Some(std::mem::replace(&mut *reach, Arc::new(next))))
    }
}

//! Owns listening to who started the worker. Never knows what is said.

use std::io;
use std::os::fd::AsFd;

use chappe_sfu_io::epoll::{Epoll, Interest};

use crate::sources::PollSource;

/// Who started the worker, and may say something while it runs.
pub trait Parent: AsFd + std::fmt::Debug {
    /// Called when the descriptor can be read; never waits. False: nothing more will be said.
    fn handle_ready(&mut self) -> bool;
}

/// None: it says nothing any more.
#[derive(Debug)]
pub(crate) struct Listening(Option<Box<dyn Parent>>);

impl Listening {
    pub(crate) fn to(parent: Box<dyn Parent>, epoll: &Epoll) -> io::Result<Listening> {
        match epoll.add(&parent, PollSource::Parent.token(), Interest::Read) {
            Ok(()) => Ok(Listening(Some(parent))),
            // A file, such as /dev/null, of somebody who has nothing to say (epoll_ctl(2)).
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Listening(None)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn handle_ready(&mut self, epoll: &Epoll) {
        if let Some(mut parent) = self.0.take() {
            if parent.handle_ready() {
                self.0 = Some(parent);
            } else {
                // At its end a pipe is ready for ever.
                let _ = epoll.remove(&parent);
            }
        }
    }
}

//! Owns a parent that says nothing, for workers under test. It is included by what has [`Parent`] at hand.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::Parent;

#[derive(Debug)]
pub struct Silent(pub File);

impl Parent for Silent {
    fn handle_ready(&mut self) -> bool {
        false
    }
}

impl AsFd for Silent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

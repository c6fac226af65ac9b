//! Owns pages: how they come and go, what they are told, and what they say to each other.

pub mod chat;
pub mod departed;
pub mod event;
pub mod membership;
pub mod view;

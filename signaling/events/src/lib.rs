//! Owns what the outside is told of as events: their form, how they are signed, and which of them a receiver has not
//! got yet. Pure: no sockets, no clock.
//!
//! The form is that of Standard Webhooks (<https://www.standardwebhooks.com>): a body with `type`, `timestamp` and
//! `data`, and the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.

#![forbid(unsafe_code)]

mod event;
mod journal;
mod outbox;
mod secret;

pub use event::{EventKind, PublicEvent};
pub use journal::{JournalChange, journal_name};
pub use outbox::{EVENTS_MAX, EventAttempt, EventFate, Figures, Outbox, Outcome};
pub use secret::{BadSecret, Secrets};

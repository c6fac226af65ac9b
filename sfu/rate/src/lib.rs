//! The control loop of send-side adaptation for one viewer, sans-I/O: what was sent and what the viewer says of it in,
//! an estimate of its line, a sending budget and layers out.
//!
//! Owns bandwidth estimation, probing, pacing and layer allocation. Never opens a socket, reads a clock, draws a random
//! number, starts a thread, logs, parses RTCP or holds a packet; it depends on nothing else of this workspace.
//!
//! # The loop
//!
//! ```text
//!              what a page shows, layers with target rates
//!                              │
//!   estimate ──► Allocator::decide ──► layers the viewer's readers read, demand (what it would take if it could)
//!      ▲                                      │                                   │
//!      │                                      ▼                                   ▼
//!  Estimator ◄── handle_feedback        backlog of the readers              Prober (when, how fast)
//!      ▲                                      │                                   │
//!      │ handle_sent                          ▼                                   ▼
//!      └───────────────────────────── RateControl::poll_grant: bytes of repairs, video, padding that may leave now
//! ```
//!
//! [`RateControl`] is the whole of it for one viewer but for the layers, which [`Allocator`] chooses:
//!
//! | call | when |
//! |---|---|
//! | [`RateControl::poll_grant`] | each egress tick of a viewer with a backlog or a probe; says how many bytes of each class leave now, or that the queue is given up |
//! | [`RateControl::handle_sent`] | for each packet as it is written; gives its transport-wide sequence number |
//! | [`RateControl::handle_feedback`] | for each transport-wide feedback (or RFC 8888) packet, parsed |
//! | [`RateControl::handle_remb`], [`RateControl::handle_receiver_report`] | as they arrive |
//! | [`RateControl::handle_timeout`] | at [`RateControl::poll_timeout`] |
//! | [`RateControl::handle_demand`] | after each allocation: what all wanted layers together would take, at most its part of a line that is shared |
//! | [`RateControl::export`] | when the client leaves, for its return ([`RateConfig::known`]) |
//!
//! # State machines
//!
//! Overuse detector ([`Usage`]), one transition per group of packets:
//!
//! ```text
//!   trend > threshold for > 10 ms and 2 groups, not falling        Normal, Underusing ──► Overusing
//!   trend < -threshold                                             any ──► Underusing
//!   else                                                           any ──► Normal
//! ```
//!
//! Rate control of the delay-based estimate (draft-ietf-rmcat-gcc-02, section 5.5):
//!
//! ```text
//!               Overusing        Normal        Underusing
//!   Hold        Decrease         Increase      Hold
//!   Increase    Decrease         Increase      Hold
//!   Decrease    (falls to Hold by itself once the rate is lowered)
//! ```
//!
//! What the estimate stands on ([`Basis`]):
//!
//! ```text
//!   Start ──feedback──► Transport ──none for 500 ms + 2 round trips──► Silent (lowered by 0.8 each 500 ms) ──feedback──► Transport
//!     │ ▲                                                               │
//!     │ └── never goes back                                             │ a report or REMB while silent
//!     └──REMB, reports──► Reports ◄─────────────────────────────────────┘          Reports ──feedback──► Transport
//! ```
//!
//! The queue that stands in the line (`estimator/standing_queue.rs`), while which less is sent:
//!
//! ```text
//!   Idle ──100 ms, or 50 ms and overuse, or 60 ms three times, or 35 ms for 4 s──► Draining ──below 35 ms──► Idle
//!     ▲                                                                                │ no shorter: somebody else's
//!     └───────────────── 2 s, twice as long each time ────────────────── Refraining ◄──┘
//! ```
//!
//! Whether somebody else fills the line (`estimator/contest.rs`), whose queue is then borne:
//!
//! ```text
//!   Off ──the queue was not short for 4 s, and less of us made it no shorter──► On ──short for 1 s──► Off
//! ```
//!
//! Viewers behind one address ([`SharedLine`], whose parts bound the estimates that layers are chosen by):
//!
//! ```text
//!   Apart ──half of them see a queue at once──► Shared ──none for 20 s──► the parts grow by 4 % a second
//!                                                 ▲                                │
//!                                                 └── a queue again: twice as long ┘
//! ```
//!
//! Each of them is bound, but for those whose delay did not change while such a queue came and went.
//!
//! Probing ([`Prober`]):
//!
//! ```text
//!   Idle ──start, drop, wish for more──► Sending ──cluster complete──► Waiting ──result ≥ 0.7 of it──► Sending (twice the result)
//!                                          │ 500 ms without completion     │ lower, or none for 1 s + round trip
//!                                          └──────────► Idle ◄─────────────┘
//! ```
//!
//! # Sources
//!
//! *GCC draft* is draft-ietf-rmcat-gcc-02. File names such as `aimd_rate_control.cc` are those of libwebrtc, whose present
//! form differs from the draft (a trendline instead of a Kalman filter, everything at the sender); each module names its own and
//! says where it differs.
//!
//! Where this crate goes its own way, measured in `SCOREBOARD.md`: a standing queue is drained; probing repeats each second
//! while more is wanted, for longer where the result was near what was sent and arrivals are told in milliseconds, and
//! counts a saturated result only on a calm line; overuse without a queue is not believed of an application-limited sender,
//! nor soon after a probe of one; soon after a decrease the rise is the same for large and small flows; a line that has
//! dropped is known again when its queue is drained; beside a greedy flow a viewer keeps what it has and claims up to a
//! third; viewers behind one address get equal parts of a line that they share.
//!
//! **Invariant:** the estimate is within [`RateConfig::min`] and [`RateConfig::max`], whatever feedback says.
//! **Invariant:** feedback allocates nothing and grows nothing; what was not sent cannot be acknowledged.

#![forbid(unsafe_code)]

// In reading order: the loop of one viewer, its parts, then units.
mod config;
mod control;

pub mod allocation;
mod coupled;
mod estimator;
mod pacer;
mod probe;

mod bitrate;
mod time;

pub use allocation::{Allocator, Choice, Layer, Line, Reason, Shown, TRACKS_MAX, allocate};
pub use bitrate::Bitrate;
pub use config::{Known, RateConfig};
pub use control::{PacketClass, RateControl};
pub use coupled::{SharedLine, Taken};
pub use estimator::{
    Basis, Estimator, FeedbackCounts, PacketReport, ReceiverReport, ReceiverTime, ReferenceClock, ReportClock, Usage,
};
pub use pacer::{Backlog, Grant, Pacer};
pub use probe::{ProbeCluster, Prober};
pub use time::Time;

//! Owns the spans of joins (OpenTelemetry): their ids and times, which one is current, the queue of those that ended, and
//! their form in OTLP. Never sends anything.
//!
//! The OpenTelemetry SDK and its exporter would be nine more crates, with a code generator for protocol buffers, for one
//! queue and one form of JSON; how they reach a collector would still have to be written here.

#![forbid(unsafe_code)]

mod context;
mod ended;
mod otlp;
mod queue;
mod span;
mod tracer;

pub use context::TraceContext;
pub use ended::{EndedSpan, Kind};
pub use otlp::{Resource, to_otlp};
pub use queue::SpanFate;
pub use span::{Span, carry, current, step};
pub use tracer::Tracer;

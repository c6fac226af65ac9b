//! Owns what is known of a step of a join once it has ended.

use crate::context::TraceContext;

/// A step as a collector is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedSpan {
    pub name: &'static str,
    pub kind: Kind,
    pub context: TraceContext,
    pub(crate) parent: Option<u64>,
    /// Unix time.
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it came to nothing.
    pub failure: Option<String>,
}

/// SpanKind of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal,
    /// Answers somebody else.
    Server,
    /// Waits for somebody else.
    Client,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
}

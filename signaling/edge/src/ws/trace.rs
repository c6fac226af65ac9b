//! Owns the steps of a page's join: its hello, and the sessions that it begins.

use axum::extract::ws::Utf8Bytes;
use chappe_signaling_service::{Answered, Joined, Refusal};
use chappe_signaling_traces::{Span, TraceContext, Tracer};

use crate::refusal::code;
use crate::ws::message::ClientMessage;

/// What the hello came to. Of a refusal its text is what the page is told.
pub fn note_joined(span: &mut Span, joined: &Result<Joined, Utf8Bytes>) {
    match joined {
        Ok(joined) => {
            note_page(span, joined);
            span.note("chappe.outcome", "done");
        }
        Err(told) => {
            span.note("chappe.outcome", "refused");
            span.note("chappe.told", told.as_str());
        }
    }
}

/// Begins the step of a new session. Empty for all else that pages ask.
pub fn begin(tracer: &Tracer, join: Option<TraceContext>, page: &Joined, message: &ClientMessage) -> Span {
    let (name, stream) = match message {
        ClientMessage::Publish { session: None, stream, .. } => ("ws publish", Some(stream)),
        ClientMessage::Watch { session: None, .. } => ("ws watch", None),
        _ => return Span::default(),
    };
    let mut span = tracer.go_on(name, join);
    note_page(&mut span, page);
    if let Some(stream) = stream {
        span.note("chappe.stream", stream);
    }
    span
}

/// What the session came to.
pub fn note_answer(span: &mut Span, result: &Result<Answered, Refusal>) {
    match result {
        Ok(answered) => {
            span.note("chappe.session", answered.session);
            span.note("chappe.outcome", "done");
        }
        Err(refusal) => {
            span.note("error.type", code(refusal));
            span.note("chappe.outcome", "refused");
        }
    }
}

fn note_page(span: &mut Span, page: &Joined) {
    span.note("chappe.room", &page.room);
    span.note("chappe.member", page.owner.member);
}

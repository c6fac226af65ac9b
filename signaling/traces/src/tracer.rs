//! Owns whether there are spans at all, and where a trace begins.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::context::TraceContext;
use crate::ended::{EndedSpan, Kind};
use crate::queue::{SpanFate, SpanQueue};
use crate::span::Span;

/// Where spans begin. The default makes none.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<SpanQueue>>);

impl Tracer {
    /// With the queue of spans that ended, which takes so many.
    pub fn new(spans_max: usize) -> (Tracer, mpsc::Receiver<EndedSpan>) {
        let (ended, queue) = mpsc::channel(spans_max);
        (Tracer(Some(Arc::new(SpanQueue::new(ended)))), queue)
    }

    /// What a client asks for. Below the client's own step if it names one (`traceparent`); empty where it says that its
    /// trace is not kept.
    pub fn request(&self, name: &'static str, traceparent: Option<&str>) -> Span {
        let Some(queue) = &self.0 else { return Span::default() };
        // One that can't be read is as good as none (section 4.3 of the recommendation).
        let parent = traceparent.and_then(|text| text.parse::<TraceContext>().ok());
        match parent {
            Some(parent) if !parent.is_sampled => Span::default(),
            parent => Span::begin(queue, name, Kind::Server, parent),
        }
    }

    /// What goes on here of something that is kept.
    pub fn go_on(&self, name: &'static str, parent: Option<TraceContext>) -> Span {
        match (&self.0, parent.filter(|parent| parent.is_sampled)) {
            (Some(queue), Some(parent)) => Span::begin(queue, name, Kind::Server, Some(parent)),
            _ => Span::default(),
        }
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn count(&self, fate: SpanFate, spans: u64) {
        if let Some(queue) = &self.0 {
            queue.count(fate, spans);
        }
    }

    /// Empty where there are no spans.
    pub fn counts(&self) -> impl Iterator<Item = (SpanFate, u64)> + '_ {
        self.0.iter().flat_map(|queue| queue.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{current, step};

    #[tokio::test]
    async fn steps_are_below_the_one_that_covers_them_and_end_when_they_are_dropped() {
        let (tracer, mut queue) = Tracer::new(8);
        let mut request = tracer.request("POST", Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        request.note("chappe.room", "demo");
        let carried = request.cover(async {
            let _place = step("place", Kind::Internal);
            current()
        });
        let carried = carried.await;
        assert_eq!(carried, request.context());
        let place = queue.try_recv().unwrap();
        assert!(queue.try_recv().is_err(), "the request has not ended");
        drop(request);
        let request = queue.try_recv().unwrap();
        assert_eq!(place.parent, Some(request.context.span));
        assert_eq!(request.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!(
            (place.context.trace, request.context.trace),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, place.context.trace)
        );
        assert!(place.start_ns >= request.start_ns && place.end_ns <= request.end_ns);
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn there_is_nothing_where_nobody_wants_to_know() {
        let (tracer, mut queue) = Tracer::new(8);
        let off = Tracer::default();
        let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let parent: TraceContext = unsampled.parse().unwrap();
        for span in [
            off.request("POST", None),
            tracer.request("POST", Some(unsampled)),
            tracer.go_on("answer", None),
            tracer.go_on("answer", Some(parent)),
        ] {
            assert!(!span.is_wanted() && !span.step("place", Kind::Internal).is_wanted());
            assert_eq!(span.cover(async { current() }).await, None);
        }
        assert!(!step("place", Kind::Internal).is_wanted());
        assert!(queue.try_recv().is_err());
        assert_eq!(off.counts().count(), 0);
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped_and_counted() {
        let (tracer, queue) = Tracer::new(2);
        (0..5).for_each(|_| drop(tracer.request("POST", Some("no traceparent"))));
        assert_eq!(queue.len(), 2);
        assert_eq!(
            tracer.counts().collect::<Vec<_>>(),
            [(SpanFate::Sent, 0), (SpanFate::Dropped, 3), (SpanFate::Refused, 0)]
        );
    }
}

//! Owns one step of a join: when it began and ended, below which other one, and what is known of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::context::TraceContext;
use crate::ended::{EndedSpan, Kind, Value};
use crate::queue::SpanQueue;

/// A step that is under way, and ends when it is dropped. Where nobody wants to know, it is empty and costs nothing.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    queue: Arc<SpanQueue>,
    began: Instant,
    step: EndedSpan,
}

/// Below which step the next one of a task is.
#[derive(Debug, Clone)]
struct CurrentStep {
    queue: Arc<SpanQueue>,
    context: TraceContext,
}

tokio::task_local! {
    static CURRENT: CurrentStep;
}

impl Span {
    pub(crate) fn begin(queue: &Arc<SpanQueue>, name: &'static str, kind: Kind, parent: Option<TraceContext>) -> Span {
        let context = parent.map_or_else(TraceContext::random, TraceContext::below);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let (parent, attributes) = (parent.map(|parent| parent.span), Vec::new());
        let step = EndedSpan { name, kind, context, parent, start_ns, end_ns: start_ns, attributes, failure: None };
        Span(Some(Box::new(Open { queue: Arc::clone(queue), began: Instant::now(), step })))
    }

    /// A step below this one.
    pub fn step(&self, name: &'static str, kind: Kind) -> Span {
        match &self.0 {
            Some(open) => Span::begin(&open.queue, name, kind, Some(open.step.context)),
            None => Span(None),
        }
    }

    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|open| open.step.context)
    }

    pub fn note(&mut self, key: &'static str, value: impl fmt::Display) {
        self.push(key, |value| Value::Text(value.to_string()), value);
    }

    pub fn note_number(&mut self, key: &'static str, value: impl Into<i64>) {
        self.push(key, |value| Value::Number(value.into()), value);
    }

    /// It came to nothing.
    pub fn fail(&mut self, why: impl fmt::Display) {
        if let Some(open) = &mut self.0 {
            open.step.failure = Some(why.to_string());
        }
    }

    pub fn note_outcome<T, E: fmt::Display>(&mut self, outcome: &Result<T, E>) {
        if let Err(why) = outcome {
            self.fail(why);
        }
    }

    /// Steps that the future begins are below this one.
    pub async fn cover<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(open) => {
                let step = CurrentStep { queue: Arc::clone(&open.queue), context: open.step.context };
                CURRENT.scope(step, future).await
            }
            None => future.await,
        }
    }

    fn push<T>(&mut self, key: &'static str, into_value: impl FnOnce(T) -> Value, value: T) {
        if let Some(open) = &mut self.0 {
            open.step.attributes.push((key, into_value(value)));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { queue, began, mut step } = *open;
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        step.end_ns = step.start_ns.saturating_add(took);
        queue.push(step);
    }
}

/// A step below the one that the task is at; empty where it is at none.
pub fn step(name: &'static str, kind: Kind) -> Span {
    CURRENT.try_with(|step| Span::begin(&step.queue, name, kind, Some(step.context))).unwrap_or_default()
}

/// A future for a task of its own, whose steps are below the one that this task is at.
pub fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let step = CURRENT.try_with(Clone::clone).ok();
    async move {
        match step {
            Some(step) => CURRENT.scope(step, future).await,
            None => future.await,
        }
    }
}

/// The step that the task is at.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|step| step.context).ok()
}

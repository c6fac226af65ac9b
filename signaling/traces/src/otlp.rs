//! Owns how spans look in OTLP/HTTP with JSON (opentelemetry-proto, `ExportTraceServiceRequest`): ids are hexadecimal,
//! 64-bit numbers are texts.

use serde_json::{Value as Json, json};

use crate::ended::{EndedSpan, Kind, Value};

/// Whose spans they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`
    pub service: String,
    /// The name of the node, `service.instance.id`
    pub node: String,
    pub region: Option<String>,
    /// Of `OTEL_RESOURCE_ATTRIBUTES`.
    pub more: Vec<(String, String)>,
}

/// The body of a request to `/v1/traces`.
pub fn to_otlp(resource: &Resource, spans: &[EndedSpan]) -> Vec<u8> {
    let own =
        [("service.name", &resource.service), ("service.instance.id", &resource.node), ("chappe.node", &resource.node)];
    let region = resource.region.iter().map(|region| ("chappe.region", region));
    let own = own.into_iter().chain(region).map(|(key, value)| text(key, value));
    let version = text("service.version", env!("CARGO_PKG_VERSION"));
    let more = resource.more.iter().map(|(key, value)| text(key, value));
    let resource: Vec<Json> = own.chain([version]).chain(more).collect();
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let scope = json!({ "name": "chappe", "version": env!("CARGO_PKG_VERSION") });
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    body.to_string().into_bytes()
}

fn span(step: &EndedSpan) -> Json {
    let attributes = step.attributes.iter().map(|(key, value)| match value {
        Value::Text(value) => text(key, value),
        Value::Number(value) => json!({ "key": key, "value": { "intValue": value.to_string() } }),
    });
    let mut span = json!({
        "traceId": format!("{:032x}", step.context.trace),
        "spanId": format!("{:016x}", step.context.span),
        "name": step.name,
        "kind": kind_number(step.kind),
        "startTimeUnixNano": step.start_ns.to_string(),
        "endTimeUnixNano": step.end_ns.to_string(),
    });
    let attributes: Vec<Json> = attributes.collect();
    if !attributes.is_empty() {
        span["attributes"] = attributes.into();
    }
    if let Some(parent) = step.parent {
        span["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    if let Some(why) = &step.failure {
        span["status"] = json!({ "code": STATUS_CODE_ERROR, "message": why });
    }
    span
}

fn text(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    }
}

const STATUS_CODE_ERROR: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::Tracer;

    #[test]
    fn a_span_is_told_in_the_form_of_the_protocol() {
        let (tracer, mut queue) = Tracer::new(2);
        let mut request = tracer.request("POST", Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        request.note("chappe.room", "demo");
        request.note_number("http.response.status_code", 503);
        request.fail("no worker has a place");
        drop(request);
        let step = queue.try_recv().unwrap();
        let resource = Resource {
            service: "chappe".to_owned(),
            node: "a".to_owned(),
            region: None,
            more: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        };
        let told: Json = serde_json::from_slice(&to_otlp(&resource, std::slice::from_ref(&step))).unwrap();
        let of = &told["resourceSpans"][0];
        assert_eq!(of["resource"]["attributes"][1], text("service.instance.id", "a"));
        assert_eq!(of["resource"]["attributes"][4], text("deployment.environment.name", "test"));
        let span = &of["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(span["spanId"], format!("{:016x}", step.context.span));
        assert_eq!(span["kind"], 2);
        assert_eq!(span["startTimeUnixNano"], step.start_ns.to_string());
        assert_eq!(span["attributes"][1]["value"]["intValue"], "503");
        assert_eq!(span["status"]["code"], 2);
    }
}

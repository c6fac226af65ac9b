//! Owns what is said of the collector of traces: by our own setting, or in the variables that OpenTelemetry has for it.

use chappe_signaling::{Collector, Traces, check_collector, key_values};

use crate::failure::{Failure, usage};

/// Address of a collector's traces; none: joins are not followed. What is said to us wins over what is said to all.
pub fn collector(named: Option<String>) -> Result<Option<String>, Failure> {
    if let Some(named) = named {
        return Ok(Some(named).filter(|named| named != "off"));
    }
    if variable("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|text| text == "none")
    {
        return Ok(None);
    }
    // The one for traces alone is an address as it is, the other one of all signals.
    if let Some(whole) = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return match check_collector(&whole) {
            Ok(_) => Ok(Some(whole)),
            Err(problem) => usage(format!("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT {problem}")),
        };
    }
    match variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| check_collector(&base)) {
        None => Ok(None),
        Some(Ok(url)) => Ok(Some(url)),
        Some(Err(problem)) => {
            usage(format!("OTEL_EXPORTER_OTLP_ENDPOINT {problem}; --otlp-endpoint off passes over it"))
        }
    }
}

/// For the signaling process. Headers may hold a key, and so they are in the environment alone.
pub fn traces(url: &str) -> Result<Traces, Failure> {
    let of_traces = variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
    let headers = of_traces.or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS")).unwrap_or_default();
    let bad = |why| Failure::Start(format!("signaling: OTEL_EXPORTER_OTLP_HEADERS: {why}"));
    let collector = Collector::new(url, &headers).map_err(bad)?;
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let (names, attributes): (Vec<_>, Vec<_>) = key_values(&attributes).partition(|(key, _)| key == "service.name");
    let name = names.into_iter().next().map(|(_, name)| name);
    let service = variable("OTEL_SERVICE_NAME").or(name).unwrap_or_else(|| "chappe".to_owned());
    Ok(Traces { collector, service, attributes })
}

/// An empty one is as good as none (OpenTelemetry, environment variables).
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

"""A collector of traces: decodes OTLP/HTTP JSON by the classes that OpenTelemetry generates from its protocol, and prints
each span as a line of JSON. What those classes do not know, or can't read, is refused."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto_json.collector.trace.v1.trace_service import ExportTraceServiceRequest


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            assert self.path == "/v1/traces", self.path
            assert self.headers["content-type"] == "application/json", self.headers["content-type"]
            request = ExportTraceServiceRequest.from_dict(body)
            assert request.to_dict() == body, "something was not understood"
            lines = [shown(of.resource, span) for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]
        except Exception as problem:
            tell([{"problem": repr(problem), "body": body}])
            return self.answer(400)
        tell(lines)
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def tell(lines):
    # Each request has a thread of its own: two that print at once put a line into the other's.
    with ONE_PRINTS:
        for line in lines:
            print(json.dumps(line), flush=True)


ONE_PRINTS = threading.Lock()


def shown(resource, span):
    assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "failed": span.status is not None and span.status.code == 2,
        **values(resource.attributes),
        **values(span.attributes),
    }


def values(attributes):
    def value(any_value):
        return any_value.string_value if any_value.int_value is None else any_value.int_value

    return {attribute.key: value(attribute.value) for attribute in attributes}


ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Collector).serve_forever()

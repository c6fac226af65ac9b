// Traces of joins: one trace over the nodes that take part, as a collector reads it, and none of it in anybody's way.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Clients } from "./harness/clients.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { Collector } from "./harness/collector.mjs";
import { BALANCER_HOST } from "./harness/fabric.mjs";
import { answer } from "./harness/http.mjs";
import { offer, post } from "./harness/offer.mjs";
import { Wire } from "./harness/wire.mjs";

/** Of OpenTelemetry. */
const KIND = { internal: 1, server: 2, client: 3 };

describe("traces of joins", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Collector} */
  let collector;
  before(async () => {
    cluster = new Cluster({});
    await cluster.nats.start();
    collector = new Collector(cluster.fabric.plug(BALANCER_HOST));
    await collector.start();
    cluster.alsoEnd(() => collector.kill());
    const args = ["--otlp-endpoint", collector.url];
    cluster.make({ args });
    // Takes requests and has no workers: sessions are on the first.
    cluster.make({ args, mode: "signaling" });
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.knowsAll();
  });
  after(() => cluster?.end());

  test("a viewer at the far node is one trace with the steps of both nodes", async () => {
    const [home, far] = [cluster.node(1), cluster.node(2)];
    const clients = await Clients.start({ whip: [home.url], whep: [far.url], room: "traced", viewers: 1 });
    const named = (/** @type {string} */ name) =>
      collector.spans().find((span) => span.name === name && span["chappe.room"] === "traced" && span["chappe.outcome"] === "done");
    await until("the viewer's request is told", () => named("POST /whep/{room}/{stream}") !== undefined);
    const request = named("POST /whep/{room}/{stream}");
    assert.ok(request);
    const steps = () => collector.spans().filter((span) => span.trace === request.trace);
    await until("and that it has connected", () => steps().some(({ name }) => name === "connect"));

    const session = (await home.list("sessions")).find(({ kind }) => kind === "whep");
    assert.deepEqual([request.parent, request.kind, request["http.response.status_code"]], ["", KIND.server, 201]);
    assert.equal(request["service.name"], "chappe");
    assert.equal(request["chappe.session"], session.id);
    /** @type {[string, string, string, number][]} name, parent, node, kind */
    const expected = [
      ["place", request.name, far.name, KIND.internal],
      ["ask node", request.name, far.name, KIND.client],
      ["answer node", "ask node", home.name, KIND.server],
      ["open session", "answer node", home.name, KIND.client],
      ["connect", "answer node", home.name, KIND.internal],
    ];
    for (const [name, parent, node, kind] of expected) {
      const [step, ...others] = steps().filter((span) => span.name === name);
      assert.ok(step && others.length === 0, `${name}: ${JSON.stringify(steps(), null, 1)}`);
      const above = steps().find((span) => span.span === step.parent);
      assert.deepEqual([above?.name, step["chappe.node"], step.kind, step.failed], [parent, node, kind, false], name);
    }
    assert.equal(steps().length, expected.length + 1);
    assert.equal(steps().find(({ name }) => name === "connect")?.["chappe.session"], session.id);
    assert.equal(steps().find(({ name }) => name === "place")?.["chappe.to_node"], home.name);

    const published = named("POST /whip/{room}/{stream}");
    const [media, ...more] = collector.spans().filter((span) => span.trace === published?.trace && span.name === "first media");
    assert.ok(media && more.length === 0 && media.parent === published?.span, "the publisher's media has come");
    await clients.end();
  });

  test("a client's own trace goes on, and one that is not kept does not", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const ask = (/** @type {string} */ traceparent) => {
      const headers = { "content-type": "application/sdp", traceparent };
      return answer(`${cluster.node(2).url}/whep/own/cam?wait=1`, { method: "POST", body: offer("recvonly"), headers });
    };
    assert.equal((await ask(`00-${trace.replace("4", "5")}-00f067aa0ba902b7-00`)).status, 201);
    assert.equal((await ask(`00-${trace}-00f067aa0ba902b7-01`)).status, 201);
    const page = await Wire.join(cluster.node(1), { room: "own" });
    await until("both are told", () => ["POST /whep/{room}/{stream}", "ws hello"].every((name) => collector.spans().some((span) => span.name === name && span["chappe.room"] === "own")));
    page.close();
    const own = collector.spans().filter((span) => span["chappe.room"] === "own");
    assert.deepEqual(own.map(({ name }) => name).sort(), ["POST /whep/{room}/{stream}", "ws hello"]);
    const request = own.find(({ name }) => name.startsWith("POST"));
    assert.deepEqual([request?.trace, request?.parent], [trace, "00f067aa0ba902b7"]);
  });

  test("what is refused says why, and is no failure of the server", async () => {
    const refused = await post(cluster.node(1), "whep", "absent", "cam");
    assert.equal(refused.status, 404);
    const told = () => collector.spans().find((span) => span["chappe.room"] === "absent" && span.name.startsWith("POST"));
    const span = await until("it is told", told);
    assert.deepEqual([span["error.type"], span["http.response.status_code"], span.failed], ["no_such_stream", 404, false]);
  });

  test("a collector that is gone is in nobody's way, what is lost is counted, and it is told again when it is back", async () => {
    const node = cluster.node(1);
    await collector.kill();
    const join = async () => assert.equal((await post(node, "whep", "gone", "cam?wait=1")).status, 201);
    await join();
    await until("spans are dropped", async () => (await spansOf(node, "dropped")) > 0);
    assert.match(node.log(), /traces are lost until the collector takes them/);
    await collector.start();
    await join();
    await until("spans arrive again", () => collector.spans().some((span) => span["chappe.room"] === "gone"));
  });
});

/**
 * @param {import("./harness/node.mjs").ClusterNode} node
 * @param {string} result
 */
async function spansOf(node, result) {
  const { text } = await answer(`${node.admin}/metrics`);
  return Number(text.match(new RegExp(`^chappe_trace_spans_total\\{result="${result}"\\} (\\d+)`, "m"))?.[1] ?? NaN);
}

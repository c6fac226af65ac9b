// The load balancers of deploy/, with the files as they are there, before three real nodes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { picturesMove } from "../browser/harness/observe.mjs";
import { until } from "../browser/harness/until.mjs";
import { Balancer } from "./harness/balancer.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { BALANCER_HOST } from "./harness/fabric.mjs";
import { answer } from "./harness/http.mjs";
import { holdMs } from "./harness/measure.mjs";
import { offer, post, trickle } from "./harness/offer.mjs";
import { Stage, close, videoOf } from "./harness/stage.mjs";
import { Clients, totals } from "./harness/clients.mjs";
import { Wire } from "./harness/wire.mjs";

/** HAProxy asks twice a second and believes the second answer. */
const NOTICED_AFTER_MS = 1500;
const REQUESTS = 24;

/** @type {import("./harness/balancer.mjs").Kind[]} */
const KINDS = ["nginx", "haproxy"];

describe("load balancers", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {import("./harness/fabric.mjs").Plug} */
  let plug;
  before(async () => {
    cluster = await Cluster.start();
    plug = cluster.fabric.plug(BALANCER_HOST);
  });
  after(() => cluster?.end());

  for (const kind of KINDS) {
    describe(kind, () => {
      /** @type {Balancer} */
      let balancer;
      before(async () => {
        balancer = await Balancer.start(kind, plug, cluster.nodes);
        await until("it finds a node", async () => (await answer(`${balancer.url}/readyz`)).status === 200);
      });
      after(() => balancer?.end());

      test("pages publish and watch through it, WebSocket and all", async () => {
        const stage = await Stage.set([balancer]);
        try {
          const publisher = await stage.publisher(balancer, kind);
          const viewers = [await stage.viewer(balancer, kind), await stage.viewer(balancer, kind)];
          for (const viewer of viewers) await picturesMove(viewer, videoOf("cam"));
          await close(publisher, ...viewers);
        } finally {
          await stage.end();
        }
      });

      test("WHIP and WHEP pass, with PATCH, DELETE, preflights and long offers", async () => {
        const clients = await Clients.start({ whip: [balancer.url], whep: [balancer.url], room: `${kind}-plain`, viewers: 9 });
        assert.equal(totals(await clients.report()).missing, 0);
        await clients.end();

        const long = offer("recvonly") + "a=x-padding:0123456789\r\n".repeat(2500);
        assert.ok(long.length > 60_000 && long.length < 65_536);
        const made = await post(balancer, "whep", kind, "cam?wait=1", long);
        assert.equal(made.status, 201, made.text);
        const session = `${balancer.url}${made.path}`;
        const headers = { "content-type": "application/trickle-ice-sdpfrag", "if-match": made.etag };
        for (let n = 0; n < 3; n++) {
          const patched = await answer(session, { method: "PATCH", headers, body: trickle(made.offer) });
          assert.equal(patched.status, 204, patched.text);
        }
        assert.equal((await answer(session, { method: "OPTIONS", headers: { origin: "http://elsewhere.example" } })).status, 204);
        assert.equal((await answer(session, { method: "DELETE" })).status, 200);

        const tooLong = await post(balancer, "whep", kind, "cam", long + "a=x-padding:0123456789\r\n".repeat(500));
        assert.equal(tooLong.status, 413);
        assert.ok(JSON.parse(tooLong.text).error, "the node's own answer, in JSON");
      });

      test("a draining node gets nobody new, and its WebSockets go on", async () => {
        const leaving = cluster.node(2);
        // Keeps the node from ending before its deadline.
        const stays = await Clients.start({ whip: [cluster.node(1).url], whep: [leaving.url], room: `${kind}-stays`, viewers: 1 });
        const wires = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        await leaving.drain(60_000);
        await sleep(NOTICED_AFTER_MS);
        const before = (await leaving.list("sessions")).length;
        for (let n = 0; n < REQUESTS; n++) {
          const made = await post(balancer, "whep", kind, "cam?wait=1");
          assert.equal(made.status, 201, made.text);
          await answer(`${balancer.url}${made.path}`, { method: "DELETE" });
          assert.ok((await leaving.list("sessions")).length <= before, "the draining node got a session");
        }
        const late = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        for (const wire of [...wires, ...late]) {
          assert.ok(wire.isOpen);
          assert.equal((await wire.ask("ping")).type, "pong");
          wire.close();
        }
        await leaving.cancelDrain();
        await stays.end();
        await until("it is ready again", async () => (await answer(`${leaving.url}/readyz`)).status === 200);
      });

      test("a killed node is skipped, at once and by every kind of request", async () => {
        const victim = cluster.node(3);
        await victim.kill();
        for (let n = 0; n < REQUESTS; n++) {
          const page = await answer(`${balancer.url}/`);
          assert.equal(page.status, 200, `request ${n}: ${page.text}`);
          const made = await post(balancer, "whep", kind, "cam?wait=1");
          assert.equal(made.status, 201, `request ${n}: ${made.text}`);
          await answer(`${balancer.url}${made.path}`, { method: "DELETE" });
        }
        const wires = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        for (const wire of wires) wire.close();
        await victim.start();
        await cluster.knowsAll();
      });

      test("requests are answered while a node has vanished from the network", async (context) => {
        const victim = cluster.node(1);
        cluster.fabric.cut(victim.plug);
        try {
          for (let n = 0; n < 6; n++) {
            const began = performance.now();
            const made = await post(balancer, "whep", kind, "cam?wait=1");
            const tookMs = performance.now() - began;
            assert.equal(made.status, 201, `request ${n}: ${made.text}`);
            holdMs(context, `request ${n}`, { ms: tookMs, limitMs: 2500 });
          }
        } finally {
          cluster.fabric.heal(victim.plug);
        }
        await cluster.knowsAll();
      });
    });
  }
});

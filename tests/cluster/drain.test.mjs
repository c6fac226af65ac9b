// The cluster grows and shrinks while people watch.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, watchForLoss } from "../browser/harness/observe.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { answer } from "./harness/http.mjs";
import { MEASURING, holdMs } from "./harness/measure.mjs";
import { Stage, close, longestGaps, picturesAreEven, videoOf } from "./harness/stage.mjs";
import { Clients, totals } from "./harness/clients.mjs";

const DRAIN_GAP_MS_MAX = 100;
const DEADLINE_MS = 3000;

describe("growing and shrinking", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => void (cluster = await Cluster.start({ count: 2 })));
  after(() => cluster?.end());

  test("a node that joins gets sessions at once, and has the streams of the others", async () => {
    const [a, b] = [cluster.node(1), cluster.node(2)];
    const clients = await Clients.start({ whip: [a.url], whep: [a.url, b.url], room: "grows", viewers: 4 });
    const joining = cluster.make();
    await joining.start();
    const there = await Clients.start({ whep: [joining.url], room: "grows", viewers: 4 });
    await until("its own workers have the sessions", async () => {
      const workers = await joining.workers();
      return workers.reduce((all, worker) => all + worker.sessions, 0) === 4;
    });
    await there.end();
    const report = await clients.report();
    assert.equal(totals(report).missing, 0, JSON.stringify(report));
    await clients.end();
    await cluster.knowsAll();
  });

  test("a drain that is cancelled leaves everything as it was", async () => {
    const node = cluster.node(1);
    const waiting = await Clients.start({ whip: [node.url], whep: [node.url], room: "cancelled", viewers: 2 });
    await node.drain(60_000);
    await until("it is not ready", async () => (await answer(`${node.url}/readyz`)).status === 503);
    await until("the others know", async () => {
      const entry = (await cluster.node(2).list("nodes")).find((one) => one.node === node.name);
      return entry?.state === "draining";
    });
    await node.cancelDrain();
    await until("it is ready", async () => (await answer(`${node.url}/readyz`)).status === 200);
    const again = await Clients.start({ whep: [node.url], room: "cancelled", viewers: 2 });
    const report = await waiting.report();
    assert.deepEqual({ missing: totals(report).missing, rejoins: totals(report).rejoins }, { missing: 0, rejoins: 0 });
    await again.end();
    await waiting.end();
  });

  test("pages move from a draining node without a gap, and it ends with 0", async (context) => {
    const [leaving, staying] = [cluster.node(2), cluster.node(3)];
    const stage = await Stage.set(cluster.nodes);
    cluster.alsoEnd(() => stage.end());
    const publisher = await stage.publisher(leaving, "moves");
    const viewers = [await stage.viewer(leaving, "moves"), await stage.viewer(staying, "moves")];
    const sessions = async () => (await leaving.list("sessions")).length;
    assert.ok((await sessions()) >= 2, "publisher and viewer are not where they asked");

    if (MEASURING) await picturesAreEven(viewers);
    const losses = await Promise.all(viewers.map(watchForLoss));
    const ended = leaving.running?.ended;
    const found = await longestGaps(viewers, async () => {
      await leaving.drain(30_000);
      assert.equal((await answer(`${leaving.url}/readyz`)).status, 503);
      assert.deepEqual(await ended, { code: 0, signal: null });
    });
    for (const viewer of viewers) await picturesMove(viewer, videoOf("cam"));
    const ms = Math.max(...found.map((gap) => gap.longestMs));
    holdMs(context, "longest gap while a node with publisher and viewer drained", { ms, limitMs: DRAIN_GAP_MS_MAX });
    assert.deepEqual(await Promise.all(losses.map((lost) => lost())), viewers.map(() => 0), "packets lost at each viewer");
    assert.ok(await publisher.locator("#live-badge.live").isVisible());
    await close(publisher, ...viewers);
    await cluster.knowsAll();
  });

  test("a plain viewer is waited for until the deadline, and no longer", async (context) => {
    const [leaving, staying] = [cluster.node(3), cluster.node(1)];
    const clients = await Clients.start({ whip: [staying.url], whep: [leaving.url, staying.url], room: "waits", viewers: 2 });
    const began = performance.now();
    const ended = leaving.running?.ended;
    await leaving.drain(DEADLINE_MS);
    assert.deepEqual(await ended, { code: 0, signal: null });
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= DEADLINE_MS, `it ended after ${Math.round(tookMs)} ms`);
    holdMs(context, "a plain viewer's node, deadline and all", { ms: tookMs, limitMs: 2 * DEADLINE_MS });
    clients.begin();
    await until("its viewers are back elsewhere", async () => (await clients.report()).viewers.every((viewer) => viewer.packets > 50));
    await clients.end();
  });
});

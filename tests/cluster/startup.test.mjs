// What a node does when its place in the cluster is taken, or there is no cluster to be found.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { answer } from "./harness/http.mjs";
import { Clients } from "./harness/clients.mjs";

describe("starting", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => void (cluster = await Cluster.start({ count: 1 })));
  after(() => cluster?.end());

  test("a node with the name of a living one is refused with a message, and the living one goes on", async () => {
    const double = cluster.make({ name: cluster.node(1).name });
    const running = await double.launch();
    const { code } = await running.ended;
    assert.notEqual(code, 0);
    assert.match(running.log(), /node-1/);
    assert.match(running.log(), /--node/, "it does not say what to do");
    assert.equal((await answer(`${cluster.node(1).url}/readyz`)).status, 200);
    assert.ok(cluster.node(1).running?.isRunning);
  });

  test("a node whose cluster does not answer says so, serves alone, and joins when it can", async () => {
    await cluster.nats.kill();
    const early = cluster.make();
    await early.start();
    const ready = await answer(`${early.url}/readyz`);
    assert.equal(ready.status, 200);
    assert.equal(JSON.parse(ready.text).cluster.state, "down", ready.text);
    assert.match(JSON.parse(ready.text).cluster.message, /\S/, ready.text);
    await until("the log says so, with the address", () => early.log().includes(cluster.nats.plug.address));
    const alone = await Clients.start({ whip: [early.url], whep: [early.url], room: "alone", viewers: 2 });
    await alone.end();

    await cluster.nats.start();
    await cluster.knowsAll();
    const together = await Clients.start({ whip: [early.url], whep: [cluster.node(1).url], room: "together", viewers: 2 });
    await together.end();
  });

  test("a cluster address that is none is refused at once, with the form it should have", async () => {
    const wrong = cluster.make({ cluster: "http://10.217.90.2:4222" });
    const running = await wrong.launch();
    const { code } = await running.ended;
    assert.notEqual(code, 0);
    assert.match(running.log(), /nats:\/\//);
  });

  test("workers without a public listener carry media for the cluster", async () => {
    const media = cluster.make({ mode: "sfu" });
    await media.launch();
    await until("it is known", async () => {
      const workers = await cluster.node(1).list("workers");
      return workers.filter((worker) => worker.node === media.name && worker.state === "serving").length === 2;
    });
    assert.ok(media.running?.isRunning);
  });
});

// An operator at one node has things done at any: the one that is asked passes them on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { binary } from "../browser/harness/server.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { operate } from "./harness/operator.mjs";
import { Running } from "./harness/process.mjs";

/** @typedef {import("./harness/node.mjs").ClusterNode} ClusterNode */

describe("an operator who asks the first node", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => void (cluster = await Cluster.start({ count: 2, options: { workers: 1 } })));
  after(() => cluster?.end());

  /** @param {string[]} args of a command that works */
  const asked = (...args) => operate(cluster.node(1), ...args);

  test("gives another one a worker and takes it away", async () => {
    const own = await processes(cluster.node(1));
    assert.equal(await asked("scale", "2", "--node", "node-2"), "node-2 has workers: 2 (had 1)\n");
    assert.equal((await cluster.node(2).workers()).length, 2);
    assert.equal(await asked("scale", "1", "--node", "node-2"), "node-2 has workers: 1 (had 2)\n");
    assert.deepEqual(await processes(cluster.node(1)), own, "its own processes are others");
  });

  test("replaces a worker of another one", async () => {
    const [signaling, worker] = await processes(cluster.node(2));
    assert.match(await asked("restart", "--worker", "node-2/0"), new RegExp(`^node-2/0 is replaced: pid \\d+ instead of ${worker}\n$`));
    const now = await processes(cluster.node(2));
    assert.equal(now[0], signaling);
    assert.notEqual(now[1], worker);
  });

  test("reads the log of another one, and what comes after", async () => {
    const all = await asked("logs", "--node", "node-2", "--lines", "20000");
    assert.match(all, new RegExp(`signaling starts node="node-2"`));
    assert.doesNotMatch(all, /node="node-1"/);
    const own = await asked("logs", "--node", "node-2", "--worker", "0");
    assert.ok(own.split("\n").every((line) => line === "" || line.startsWith("node-2/worker-0 ")), own);
    // Also of the one that is asked, since there are others.
    assert.match(await asked("logs", "--worker", "0", "-n", "1"), /^node-1\/worker-0 +\| /);

    const following = new Running(null, binary(), ["logs", "-f", "-n", "1", "--node", "node-2", "--admin", cluster.node(1).admin]);
    cluster.alsoEnd(() => following.end());
    const started = () => following.log().split("worker started").length;
    await until("the line that was last", () => following.log().includes("\n"));
    const then = started();
    await asked("restart", "--worker", "node-2/0");
    await until("what happens there is told", () => started() > then);
    // It waits for lines for seconds on end, and still ends with its signaling.
    await cluster.node(2).killSignaling();
    assert.deepEqual(await following.ended, { code: 3, signal: null }, following.log());
    await cluster.knowsAll();
  });

  test("reloads another one, and all one after the other, itself last", async () => {
    const before = await everyProcess();
    assert.match(await asked("reload", "--node", "node-2"), /node-2 is reloaded\n$/);
    const between = await everyProcess();
    assert.deepEqual(between[0], before[0]);
    assertAllNew(between[1], before[1]);
    const printed = await asked("reload", "--all");
    assert.deepEqual(printed.match(/node-\d is reloaded/g), ["node-2 is reloaded", "node-1 is reloaded"], printed);
    const after = await everyProcess();
    for (const at of [0, 1]) assertAllNew(after[at], between[at]);
  });

  test("is told which node is not there", async () => {
    for (const command of [["scale", "2"], ["logs"], ["reload"]]) {
      await assert.rejects(asked(...command, "--node", "node-9"), /ended with 1: chappe: there is no node `node-9` .*; did you mean `node-\d`\?\n$/);
    }
    await assert.rejects(asked("drain", "elsewhere"), /ended with 1: chappe: there is no node `elsewhere` .*`chappe ls` lists/);
    await assert.rejects(asked("reload", "--all", "--node", "node-2"), /ended with 2/);
    await assert.rejects(asked("reload", "--binary", binary(), "--node", "node-2"), /ended with 2: chappe: --binary is for the node that is asked/);
  });

  test("is told which node does not answer", async () => {
    cluster.node(2).freeze();
    try {
      await assert.rejects(asked("scale", "2", "--node", "node-2"), /node-2 does not answer|there is no such node|there is no node `node-2`/);
    } finally {
      cluster.node(2).thaw();
    }
  });

  function everyProcess() {
    return Promise.all(cluster.nodes.map(processes));
  }
});

/**
 * Signaling first.
 * @param {ClusterNode} node
 */
async function processes(node) {
  const { signaling, workers } = await node.state();
  return [signaling.pid, ...workers.map((worker) => worker.pid)];
}

/**
 * @param {(number | null)[] | undefined} now
 * @param {(number | null)[] | undefined} before
 */
function assertAllNew(now, before) {
  assert.equal(now?.length, before?.length);
  assert.ok(now?.every((pid) => !before?.includes(pid)), `a process stayed: ${before} became ${now}`);
}

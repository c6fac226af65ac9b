// An operator changes the processes of a node under people who publish and watch: nobody re-joins by hand.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { TURN_MS } from "../browser/harness/observe.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { MEASURING, holdMs } from "./harness/measure.mjs";
import { operate } from "./harness/operator.mjs";
import { Stage, longestGaps, picturesAreEven, watchForCuts } from "./harness/stage.mjs";
import { Clients } from "./harness/clients.mjs";

/** @typedef {import("../browser/harness/scene.mjs").Page} Page */

const PLAIN_VIEWERS = Number(process.env["CHAPPE_PLAIN_VIEWERS"] ?? (MEASURING ? 200 : 20));
/** For plain viewers, which nobody can move: they come back by themselves when they are cut off. */
const DEADLINE = "2s";
const GAP_MS_MAX = 250;
/** A page that is cut off instead of moved needs longer to find out and to connect anew. */
const MOVED_TURNS = 1000 / TURN_MS;

describe("while people watch, an operator", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Page} */
  let publisher;
  /** @type {Page[]} */
  let viewers;
  /** @type {Clients} */
  let crowd;
  before(async () => {
    cluster = await Cluster.start({ count: 1, options: { workers: 1 } });
    const node = cluster.node(1);
    const stage = await Stage.set(cluster.nodes);
    cluster.alsoEnd(() => stage.end());
    publisher = await stage.publisher(node, "pages");
    viewers = [await stage.viewer(node, "pages"), await stage.viewer(node, "pages")];
    crowd = await Clients.start({ whip: [node.url], whep: [node.url], room: "crowd", viewers: PLAIN_VIEWERS });
    cluster.alsoEnd(() => crowd.end());
  });
  after(() => cluster?.end());

  test("reloads the node, which has one worker", (context) => goesOn(context, "reload of one worker", async (node) => {
    const before = await processes(node);
    assert.match(await operate(node, "reload", "--deadline", DEADLINE), /node-1 is reloaded\n$/);
    const now = await processes(node);
    assert.equal(now.length, before.length);
    assert.ok(now.every((pid) => !before.includes(pid)), `a process stayed: ${before} became ${now}`);
  }));

  test("gives the node a second worker", (context) => goesOn(context, "scale from 1 to 2", async (node) => {
    assert.equal(await operate(node, "scale", "2"), "node-1 has workers: 2 (had 1)\n");
  }));

  test("reloads the node, which has two workers", (context) => goesOn(context, "reload of two workers", async (node) => {
    const before = await processes(node);
    await operate(node, "reload", "--deadline", DEADLINE);
    const now = await processes(node);
    assert.equal(now.length, 3);
    assert.ok(now.every((pid) => !before.includes(pid)), `a process stayed: ${before} became ${now}`);
  }));

  test("takes the second worker away", (context) => goesOn(context, "scale from 2 to 1", async (node) => {
    assert.equal(await operate(node, "scale", "1", "--deadline", DEADLINE), "node-1 has workers: 1 (had 2)\n");
  }));

  /**
   * Something happens to the node, and afterwards pages and crowd have media; the pages without ever having been cut off.
   * @param {import("node:test").TestContext} context
   * @param {string} what
   * @param {(node: import("./harness/node.mjs").ClusterNode) => Promise<void>} happen
   */
  async function goesOn(context, what, happen) {
    if (MEASURING) await picturesAreEven(viewers);
    const cuts = await watchForCuts(viewers);
    const gaps = await longestGaps(viewers, () => happen(cluster.node(1)));
    for (const [at, cut] of (await cuts()).entries()) {
      const gap = gaps[at];
      assert.ok(gap);
      const page = `${what}, page ${at + 1} of ${viewers.length}`;
      context.diagnostic(`${page}: ${cut.made} connections made, ${cut.lost} packets lost`);
      holdMs(context, page, { ms: gap.longestMs, limitMs: GAP_MS_MAX });
      assert.ok(gap.longestTurns <= MOVED_TURNS, `${page}: no picture for ${gap.longestTurns} turns of at most ${MOVED_TURNS}`);
      assert.equal(cut.lost, 0, `packets that ${page} lost`);
    }
    assert.ok(await publisher.locator("#live-badge.live").isVisible());
    crowd.begin();
    await until("every plain viewer has media", async () => (await crowd.report()).viewers.every((one) => one.packets > 20));
  }
});

/** @param {import("./harness/node.mjs").ClusterNode} node */
async function processes(node) {
  const { signaling, workers } = await node.state();
  return [signaling.pid, ...workers.map((worker) => worker.pid)];
}

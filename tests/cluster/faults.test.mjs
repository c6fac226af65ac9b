// Things that happen to a whole cluster: NATS goes, the network parts, an owner comes back from the dead.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { answer } from "./harness/http.mjs";
import { holdMs } from "./harness/measure.mjs";
import { Stage, UNTOUCHED, close, longestGaps, watchForCuts } from "./harness/stage.mjs";
import { Clients, allCame, totals, trouble } from "./harness/clients.mjs";

/** How long NATS is away: a minute for the figures, less for every commit. */
const NATS_AWAY_MS = Number(process.env["CHAPPE_NATS_AWAY_S"] ?? 10) * 1000;
const HEADLESS_MS = 8000;
const STILL_MS_MAX = 500;
const PAGE_STILL_MS_MAX = 250;
const ONE_OWNER_WITHIN_MS = 3000;
const PUBLISHER_GAP_MS_MAX = 2000;

describe("faults", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Stage} */
  let stage;
  before(async () => {
    cluster = await Cluster.start();
    stage = await Stage.set(cluster.nodes);
  });
  after(async () => {
    await stage?.end();
    await cluster?.end();
  });

  const urls = () => cluster.nodes.map((node) => node.url);

  test("without NATS no packet is lost, who joins a live stream sees it, and all is well when it is back", async (context) => {
    const [a = "", b = ""] = urls();
    const clients = await Clients.start({ whip: [a], whep: urls(), room: "nats", viewers: 12 });
    const pages = [await stage.publisher(cluster.node(1), "nats-pages"), await stage.viewer(cluster.node(2), "nats-pages")];
    clients.begin();
    await cluster.nats.kill();
    const away = performance.now();
    await until("every node says so", async () => {
      const answers = await Promise.all(cluster.nodes.map((node) => answer(`${node.url}/readyz`)));
      return answers.every(({ status, text }) => status === 200 && JSON.parse(text).cluster.state === "down");
    });
    const late = await Clients.start({ whep: urls(), room: "nats", viewers: 6 });
    pages.push(await stage.viewer(cluster.node(3), "nats-pages"));
    const cuts = await watchForCuts(pages.slice(1));
    const gaps = await longestGaps(pages.slice(1), () => sleep(Math.max(0, NATS_AWAY_MS - (performance.now() - away))));
    assert.deepEqual(await cuts(), pages.slice(1).map(() => UNTOUCHED));
    holdMs(context, "the longest gap without NATS", { ms: longest(gaps), limitMs: PAGE_STILL_MS_MAX });
    const joined = totals(await late.report());
    assert.ok(joined.packets > 0 && joined.missing === 0, JSON.stringify(joined));

    await cluster.nats.start();
    await until("every node is in the cluster again", async () => {
      const answers = await Promise.all(cluster.nodes.map((node) => answer(`${node.url}/readyz`)));
      return answers.every(({ text }) => JSON.parse(text).cluster?.state === "up");
    });
    await cluster.knowsAll();
    const { publisher, viewers } = await clients.report();
    const { missing, rejoins } = totals({ publisher, viewers });
    assert.deepEqual({ missing, rejoins, again: publisher?.rejoins, why: trouble({ publisher, viewers }) }, { missing: 0, rejoins: 0, again: 0, why: null });
    await allCame(clients, 30);
    await late.end();
    await close(...pages);
    const fresh = await Clients.start({ whip: [b], whep: urls(), room: "nats-back", viewers: 6 });
    await fresh.end();
    await clients.end();
  });

  test("signaling of all nodes can die at once, and without NATS too: no packet is lost", async (context) => {
    const clients = await Clients.start({ whip: urls().slice(0, 1), whep: urls(), room: "headless", viewers: 12 });
    const pages = [await stage.publisher(cluster.node(1), "headless-pages"), await stage.viewer(cluster.node(2), "headless-pages")];
    const cuts = await watchForCuts(pages.slice(1));
    const streamIsKnown = () => Promise.all(cluster.nodes.map((node) => until(`${node.name} knows the stream`, async () => (await owners(node, "headless")).length === 1)));
    clients.begin();
    const gaps = await longestGaps(pages.slice(1), async () => {
      await restartSignaling(cluster);
      await cluster.knowsAll();
      await streamIsKnown();

      await cluster.nats.kill();
      await restartSignaling(cluster);
      // Longer than others are waited for at the start, and than a node that is not heard is believed to be there.
      await sleep(HEADLESS_MS);
    });
    assert.deepEqual(await cuts(), [UNTOUCHED]);
    holdMs(context, "the longest gap without signaling", { ms: longest(gaps), limitMs: PAGE_STILL_MS_MAX });
    await close(...pages);
    const { publisher: alone, viewers: served } = await clients.report();
    assert.equal(totals({ publisher: alone, viewers: served }).missing, 0);
    await cluster.nats.start();
    await cluster.knowsAll();
    await streamIsKnown();
    const fresh = await Clients.start({ whep: urls(), room: "headless", viewers: 6 });
    await fresh.end();
    const { publisher, viewers } = await clients.report();
    const { missing, rejoins, longestGapMs } = totals({ publisher, viewers });
    assert.deepEqual({ missing, rejoins, again: publisher?.rejoins, why: trouble({ publisher, viewers }) }, { missing: 0, rejoins: 0, again: 0, why: null });
    await allCame(clients, 30);
    holdMs(context, "the longest time without a packet", { ms: longestGapMs, limitMs: STILL_MS_MAX });
    await clients.end();
  });

  test("a stream has one owner soon after two halves of the cluster meet again", async (context) => {
    const [first, ...others] = cluster.nodes;
    if (!first) throw new Error("no node");
    const [a = "", b = "", c = ""] = urls();
    const mine = await Clients.start({ whip: [a], whep: [a], room: "halves", viewers: 3 });
    for (const node of cluster.nodes) await until("it is known", async () => (await owners(node, "halves")).length === 1);
    cluster.fabric.part([first.plug], [...others.map((node) => node.plug), cluster.nats.plug]);
    await until("the others do not count on it any more", async () => (await owners(others[0] ?? first, "halves")).length === 0);
    const theirs = await Clients.start({ whip: [b], whep: [b, c], room: "halves", viewers: 4 });
    cluster.fabric.join();
    const healed = performance.now();
    await until("all agree on one owner", async () => {
      const lists = await Promise.all(cluster.nodes.map((node) => owners(node, "halves")));
      return lists.every((list) => list.length === 1) && new Set(lists.flat()).size === 1;
    });
    holdMs(context, "until there was one owner", { ms: performance.now() - healed, limitMs: ONE_OWNER_WITHIN_MS });
    // Who lost has no session left, and everybody sees who won.
    for (const clients of [mine, theirs]) clients.begin();
    for (const clients of [mine, theirs]) {
      await until("all viewers of both halves get packets", async () => (await clients.report()).viewers.every((viewer) => viewer.packets > 50));
    }
    const publishing = (await Promise.all(cluster.nodes.map((node) => node.list("sessions")))).flat().filter((session) => session.room === "halves" && session.kind === "whip");
    assert.equal(new Set(publishing.map((session) => session.id)).size, 1, JSON.stringify(publishing));
    await mine.end();
    await theirs.end();
  });

  test("an owner that was stopped and goes on later is not the owner any more", async (context) => {
    const [a = "", b = "", c = ""] = urls();
    const zombie = cluster.node(1);
    const clients = await Clients.start({ whip: [a, b], whep: [c], room: "zombie", viewers: 6 });
    const [before] = await owners(cluster.node(3), "zombie");
    clients.begin();
    zombie.freeze();
    await until("the publisher is elsewhere", async () => {
      const list = await owners(cluster.node(3), "zombie");
      return list.length === 1 && list[0] !== before;
    });
    await until("its packets arrive", async () => {
      const { publisher, viewers } = await clients.report();
      return (publisher?.rejoins ?? 0) > 0 && viewers.every((viewer) => viewer.packets > 100);
    });
    const { longestGapMs } = totals(await clients.report());
    holdMs(context, "without a packet when the owner stopped", { ms: longestGapMs, limitMs: PUBLISHER_GAP_MS_MAX });
    clients.begin();
    zombie.thaw();
    await until("all agree on the new owner", async () => {
      const lists = await Promise.all(cluster.nodes.map((node) => owners(node, "zombie")));
      return lists.every((list) => list.length === 1 && list[0] !== before);
    });
    await until("a hundred packets more", async () => (await clients.report()).viewers.every((viewer) => viewer.packets > 100));
    const after = totals(await clients.report());
    assert.deepEqual({ missing: after.missing, rejoins: after.rejoins }, { missing: 0, rejoins: 0 }, "the return of the old one was seen");
    holdMs(context, "without a packet when the old owner went on", { ms: after.longestGapMs, limitMs: PAGE_STILL_MS_MAX });
    await cluster.knowsAll();
    await clients.end();
  });

  test("NATS that comes back with nothing in its store is told everything again", async () => {
    const clients = await Clients.start({ whip: urls().slice(0, 1), whep: urls(), room: "wiped", viewers: 6 });
    clients.begin();
    await cluster.nats.kill();
    await cluster.nats.wipe();
    await cluster.nats.start();
    await until("every node is in the cluster again", async () => {
      const answers = await Promise.all(cluster.nodes.map((node) => answer(`${node.url}/readyz`)));
      return answers.every(({ text }) => JSON.parse(text).cluster?.state === "up");
    });
    for (const node of cluster.nodes) {
      await until(`${node.name} knows the stream`, async () => (await owners(node, "wiped")).length === 1);
    }
    assert.equal(totals(await clients.report()).missing, 0);
    // Who starts now must come to the same keys of relays as who was there before.
    await restartSignaling(cluster, [cluster.node(2)]);
    const joining = cluster.make();
    await joining.start();
    await cluster.knowsAll();
    const across = await Clients.start({ whip: urls().slice(1, 2), whep: urls(), room: "wiped-across", viewers: 8 });
    const there = await Clients.start({ whep: [joining.url], room: "wiped", viewers: 2 });
    for (const viewers of [across, there]) {
      assert.equal(totals(await viewers.report()).missing, 0);
      await viewers.end();
    }
    assert.equal(totals(await clients.report()).missing, 0);
    const fresh = await Clients.start({ whip: urls().slice(1, 2), whep: urls(), room: "wiped-new", viewers: 6 });
    await fresh.end();
    await clients.end();
  });
});

/**
 * Kills signaling of nodes, of all if none are named, in the same moment, and waits until each has another one that answers.
 * @param {Cluster} cluster
 * @param {import("./harness/node.mjs").ClusterNode[]} [nodes]
 */
async function restartSignaling(cluster, nodes = cluster.nodes) {
  const before = await Promise.all(nodes.map(async (node) => (await node.state()).signaling.pid));
  await Promise.all(nodes.map((node) => node.killSignaling()));
  for (const [at, node] of nodes.entries()) {
    await until(`signaling of ${node.name} is back`, async () => {
      const { pid } = (await node.state()).signaling;
      return pid !== before[at] && (await answer(`${node.url}/readyz`).catch(() => null))?.status === 200;
    });
  }
}

/** @param {import("../browser/harness/observe.mjs").Gaps[]} gaps */
function longest(gaps) {
  return Math.max(...gaps.map((gap) => gap.longestMs));
}

/**
 * Who has the stream of a room, as one node knows it: session and node, which change with the owner.
 * @param {import("./harness/node.mjs").ClusterNode} node
 * @param {string} room
 */
async function owners(node, room) {
  const streams = (await node.list("streams")).filter((stream) => stream.room === room);
  return streams.map((stream) => `${stream.node} ${stream.session} ${stream.epoch}`);
}

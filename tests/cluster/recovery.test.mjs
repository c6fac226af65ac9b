// How long pictures stand still when something dies, seen by two pages and by plain clients at the same time.
// `make recovery` does each twenty times, holds the limits and prints the table that the README has. `make test` does
// each twice and holds that the pages find out by themselves and come back, counted in turns of a timer of the page:
// how fast is measured on a machine that does nothing else.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { TURN_MS } from "../browser/harness/observe.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { diaryOf } from "./harness/diary.mjs";
import { MEASURING } from "./harness/measure.mjs";
import { Stage, close, longestGaps, picturesAreEven } from "./harness/stage.mjs";
import { Clients, quantile, totals } from "./harness/clients.mjs";

/** @typedef {import("./harness/node.mjs").ClusterNode} ClusterNode */
/** @typedef {{page: number, turns: number, plain: number}} Sample longest gaps: worse of both pages in ms and in turns, worst of all plain viewers in ms */
/**
 * @typedef {object} Event
 * @property {string} name
 * @property {number} limitMs for pages
 * @property {(cluster: Cluster, room: string) => Promise<unknown>} happen
 * @property {(cluster: Cluster) => Promise<unknown> | void} restore
 */

const KILLS = Number(process.env["CHAPPE_KILLS"] ?? 2);
const PLAIN_VIEWERS = Number(process.env["CHAPPE_PLAIN_VIEWERS"] ?? 100);
/** Where the table goes. */
const TABLE = process.env["CHAPPE_RECOVERY_TABLE"];
/** Who is back only after this came back by ICE giving its connection up, not by watching the media. */
const BACK_AT_ALL_TURNS = 2000 / TURN_MS;

/** Of the log of each node, in the story of a failure. */
const LOG_CHARACTERS = 6_000;

/** The publisher is at node 1, both pages and half of the plain viewers at node 2, the other half at node 3. */
/** @type {Event[]} */
const EVENTS = [
  {
    // What the machine does to pictures by itself: every other figure has this in it.
    name: "nothing",
    limitMs: 500,
    happen: () => sleep(2000),
    restore: () => {},
  },
  {
    name: "a viewer's worker is killed",
    limitMs: 1000,
    happen: async (cluster, room) => {
      const sessions = await cluster.node(2).list("sessions");
      const page = sessions.find((session) => session.room === room && session.member !== null);
      assert.ok(page, "no page has a session where it asked");
      await cluster.node(2).killWorker(Number(page.worker.split("/")[1]));
    },
    restore: () => {},
  },
  {
    name: "the publisher's worker is killed",
    limitMs: 1000,
    happen: async (cluster, room) => {
      const stream = (await cluster.node(1).list("streams")).find((one) => one.room === room);
      // A busy machine may have placed it at another node than the one it asked.
      const home = cluster.nodes.find((node) => node.name === stream?.node);
      assert.ok(stream && home, "nobody knows the stream");
      await home.killWorker(Number(stream.worker.split("/")[1]));
    },
    restore: () => {},
  },
  {
    name: "a viewer's node is killed",
    limitMs: 1000,
    happen: (cluster) => cluster.node(2).kill(),
    restore: (cluster) => cluster.node(2).start(),
  },
  {
    name: "a viewer's node loses its network",
    limitMs: 1000,
    happen: async (cluster) => cluster.fabric.cut(cluster.node(2).plug),
    restore: (cluster) => cluster.fabric.heal(cluster.node(2).plug),
  },
  {
    name: "the publisher's node is killed",
    limitMs: 2000,
    happen: (cluster) => cluster.node(1).kill(),
    restore: (cluster) => cluster.node(1).start(),
  },
  {
    name: "the publisher's node loses its network",
    limitMs: 2000,
    happen: async (cluster) => cluster.fabric.cut(cluster.node(1).plug),
    restore: (cluster) => cluster.fabric.heal(cluster.node(1).plug),
  },
  {
    name: "signaling of the publisher's node is killed",
    limitMs: 250,
    happen: (cluster) => cluster.node(1).killSignaling(),
    restore: () => {},
  },
  {
    name: "a viewer's node drains",
    limitMs: 100,
    happen: (cluster) => drain(cluster.node(2)),
    restore: (cluster) => cluster.node(2).start(),
  },
  {
    name: "the publisher's node drains",
    limitMs: 100,
    happen: (cluster) => drain(cluster.node(1)),
    restore: (cluster) => cluster.node(1).start(),
  },
];

describe("pictures come back when", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Stage} */
  let stage;
  /** @type {Map<Event, Sample[]>} */
  const results = new Map();
  before(async () => void (cluster = await Cluster.start()));
  after(async () => {
    await cluster?.end();
    const text = table(results);
    console.log(text);
    if (TABLE) await writeFile(TABLE, text);
  });

  for (const [number, event] of EVENTS.entries()) {
    test(event.name, async (context) => {
      /** @type {Sample[]} */
      const samples = [];
      results.set(event, samples);
      // A browser for each kind: twenty times three pages are what one bears well.
      stage = await Stage.set(cluster.nodes);
      try {
        for (let kill = 0; kill < KILLS; kill++) samples.push(await once(event, `r${number}-${kill}`));
      } finally {
        await stage.end();
      }
      context.diagnostic(row(event, samples));
      const turns = Math.max(...samples.map((sample) => sample.turns));
      assert.ok(turns <= BACK_AT_ALL_TURNS, `no picture for ${turns} turns of at most ${BACK_AT_ALL_TURNS}`);
      const ms = Math.max(...samples.map((sample) => sample.page));
      if (MEASURING) assert.ok(ms <= event.limitMs, `${Math.round(ms)} ms of at most ${event.limitMs} ms`);
    });
  }

  /**
   * @param {Event} event
   * @param {string} room
   * @returns {Promise<Sample>}
   */
  async function once(event, room) {
    const [first, second, third] = [cluster.node(1), cluster.node(2), cluster.node(3)];
    const publisher = await stage.publisher(first, room);
    const viewers = [await stage.viewer(second, room), await stage.viewer(second, room)];
    const clients = await Clients.start({ whep: [second.url, third.url], room, viewers: PLAIN_VIEWERS });
    try {
      if (MEASURING) await picturesAreEven(viewers);
      clients.begin();
      const began = Date.now();
      const relays = watchRelays(cluster.nodes, began);
      const gaps = await longestGaps(viewers, () => event.happen(cluster, room), { sound: false });
      const relayed = relays();
      const without = async () => (await clients.report()).viewers.filter((viewer) => viewer.packets <= 20);
      const isBack = async () => (await without()).length === 0;
      await until("every plain viewer has packets again", isBack, { everyMs: 200 }).catch(async (error) => {
        throw new Error(`${error.message}; those without: ${JSON.stringify((await without()).slice(0, 5))}`, { cause: error });
      });
      const { longestGapMs } = totals(await clients.report());
      const page = Math.max(...gaps.map((gap) => gap.longestMs));
      const turns = Math.max(...gaps.map((gap) => gap.longestTurns));
      if (turns > BACK_AT_ALL_TURNS) console.log(`${story(cluster.nodes, [publisher, ...viewers], began)}\n\nrelays:\n${relayed}`);
      return { page, turns, plain: longestGapMs };
    } finally {
      await clients.end();
      await close(publisher, ...viewers);
      await event.restore(cluster);
      await settled(cluster);
    }
  }
});

/**
 * What the publisher, the viewers and the nodes did, for who wants to know why pictures stood still for so long.
 * @param {ClusterNode[]} nodes
 * @param {import("../browser/harness/scene.mjs").Page[]} pages
 * @param {number} began when it happened
 */
function story(nodes, pages, began) {
  const diaries = pages.map((page, at) => `${at === 0 ? "the publisher" : `viewer ${at}`}, seconds since it happened:\n${diaryOf(page, began)}`);
  const logs = nodes.map((node) => `${node.name}:\n${node.running?.log().slice(-LOG_CHARACTERS) ?? "not running"}`);
  return [...diaries, ...logs].join("\n\n");
}

/**
 * Asks the nodes that answer how their relays are, until it is ended; then it tells.
 * @param {ClusterNode[]} nodes
 * @param {number} began
 */
function watchRelays(nodes, began) {
  /** @type {string[]} */
  const told = [];
  const look = async (/** @type {ClusterNode} */ node) => {
    const relays = await node.list("relays").catch(() => null);
    if (relays && told.length < 500) told.push(`${((Date.now() - began) / 1000).toFixed(3)} ${node.name} ${JSON.stringify(relays)}`);
  };
  const timer = setInterval(() => nodes.forEach((node) => void look(node)), 1000);
  return () => {
    clearInterval(timer);
    return told.join("\n");
  };
}

/** @param {ClusterNode} node */
async function drain(node) {
  await node.drain(3000);
  assert.deepEqual(await node.running?.ended, { code: 0, signal: null });
}

/**
 * Everything is as before: every node knows all, and every worker serves.
 * @param {Cluster} cluster
 */
async function settled(cluster) {
  await cluster.knowsAll();
  for (const node of cluster.nodes) {
    await until(`${node.name} knows six workers that serve`, async () => {
      const workers = await node.list("workers");
      return workers.filter((worker) => worker.state === "serving").length === 6;
    });
  }
}

/** @param {Map<Event, Sample[]>} results */
function table(results) {
  const head = [
    "| what happens | pages: median / max | plain WHEP clients: median / max | n |",
    "|---|---|---|---|",
  ];
  return [...head, ...[...results].map(([event, samples]) => row(event, samples)), ""].join("\n");
}

/**
 * @param {Event} event
 * @param {Sample[]} samples
 */
function row(event, samples) {
  const figures = (/** @type {number[]} */ values) => [0.5, 1].map((share) => Math.round(quantile(values, share))).join(" / ");
  const [pages, plain] = [samples.map((sample) => sample.page), samples.map((sample) => sample.plain)];
  return `| ${event.name} | ${figures(pages)} ms | ${figures(plain)} ms | ${samples.length} |`;
}

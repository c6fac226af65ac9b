// Processes that stand still for a moment, as on a machine that is too busy, alone and with others that die: nobody
// is left without media afterwards.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { Clients } from "./harness/clients.mjs";

/** @typedef {{name: string, pid: number}} Process */

const ROUNDS = Number(process.env["CHAPPE_ROUNDS"] ?? 6);
const SEED = Number(process.env["CHAPPE_SEED"] ?? 8);
/** From what nobody notices to beyond what a worker is given up after. */
const STILL_MS = { from: 300, to: 1200 };

describe("standing still", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => void (cluster = await Cluster.start()));
  after(() => cluster?.end());

  test(`after each of ${ROUNDS} rounds in which processes stood still or died, all viewers get packets (seed ${SEED})`, async (context) => {
    const random = numbers(SEED);
    const urls = cluster.nodes.map((node) => node.url);
    const clients = await Clients.start({ whip: urls.slice(0, 2), whep: urls, room: "still", viewers: 6 });
    for (let round = 0; round < ROUNDS; round++) {
      const processes = await running(cluster);
      const still = processes.filter(() => random() < 0.5);
      const stillMs = STILL_MS.from + random() * (STILL_MS.to - STILL_MS.from);
      const dies = random() < 0.6 ? processes[Math.floor(random() * processes.length)] : undefined;
      context.diagnostic(`round ${round}: ${still.map((one) => one.name).join(" ")} for ${Math.round(stillMs)} ms; ${dies?.name ?? "nobody"} dies`);
      for (const one of still) signal(one, "SIGSTOP");
      // Who joins now may be placed on a worker that is not yet known to stand still.
      const during = Clients.start({ whep: urls, room: "still", viewers: 6 });
      await sleep(stillMs);
      for (const one of still) signal(one, "SIGCONT");
      if (dies) signal(dies, "SIGKILL");
      const afterwards = Clients.start({ whep: urls, room: "still", viewers: 6 });
      for (const joining of await Promise.all([during, afterwards])) await joining.end();
      clients.begin();
      await until("those who were there get packets again", async () => (await clients.report()).viewers.every((viewer) => viewer.packets > 50));
    }
    await clients.end();
    assert.equal(cluster.living.length, cluster.nodes.length);
  });
});

/**
 * Workers and signaling of all nodes.
 * @param {Cluster} cluster
 * @returns {Promise<Process[]>}
 */
async function running(cluster) {
  /** @type {Process[]} */
  const processes = [];
  for (const node of cluster.nodes) {
    for (const worker of await node.list("workers")) {
      if (worker.node === node.name && worker.pid) processes.push({ name: `${node.name}/${worker.index}`, pid: worker.pid });
    }
    const signaling = (await node.list("nodes")).find((entry) => entry.node === node.name);
    if (signaling?.pid) processes.push({ name: `${node.name}/signaling`, pid: signaling.pid });
  }
  return processes;
}

/**
 * @param {Process} one it may have ended meanwhile
 * @param {NodeJS.Signals} name
 */
function signal({ pid }, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ESRCH") throw error;
  }
}

/**
 * Numbers from 0 to 1, the same for the same seed (a linear congruential generator; POSIX's example for `rand`).
 * @param {number} seed
 */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) / 0x1000000;
  };
}

// Owns the scenarios: what the link does, and what is measured meanwhile. Never prints.

import { STRUCTURES } from "../harness/structures.mjs";
import { bytesOf, fittedMs, framesOf, frozenMs, longestMs, reachedMs, settledMs, switches } from "./frames.mjs";
import { greedy } from "./greedy.mjs";
import { RIGHT_WIDTHS, firstLayer, joins } from "./joins.mjs";
import { switching } from "./switching.mjs";

/** @typedef {import("./emulation.mjs").Emulation} Emulation */
/** @typedef {import("./emulation.mjs").Row} Row */
/** @typedef {{run: (emulation: Emulation) => Promise<Row>, source?: string, noise?: boolean, lines?: number, rates?: number[]}} Scenario see `Emulation` */

const wait = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));
const now = () => performance.timeOrigin + performance.now();
const percent = (/** @type {number} */ part, /** @type {number} */ whole) => `${((100 * part) / whole).toFixed(1)} %`;

/**
 * @param {Emulation} emulation
 * @param {"whep" | "page"} kind
 * @returns {Promise<Row>}
 */
async function step(emulation, kind) {
  emulation.link.rate(3000);
  const page = kind === "whep" ? await emulation.whep() : await emulation.ourPage();
  await wait(15_000);
  const top = (await framesOf(page)).at(-1)?.width ?? 0;
  await emulation.link.counts();
  const droppedMs = now();
  emulation.link.rate(700);
  await wait(2000);
  const firstQueueMs = (await emulation.link.counts()).there.wait_p95_ms;
  await wait(13_000);
  const queueMs = (await emulation.link.counts()).there.wait_p95_ms;
  const raisedMs = now();
  emulation.link.rate(3000);
  await wait(33_000);
  const endMs = now();
  const frames = await framesOf(page);
  await page.context().close();
  const back = reachedMs(frames, top, raisedMs);
  const fitted = fittedMs(frames, droppedMs, raisedMs);
  const low = frames.findLast((f) => f.atMs < raisedMs)?.width ?? 0;
  return {
    what: `3 Mbit/s, 700 kbit/s for 15 s, 3 Mbit/s: ${kind === "whep" ? "a plain WHEP page" : "our page"}`,
    figures: {
      "frozen after the drop": `${frozenMs(frames, droppedMs, raisedMs)} ms`,
      "still no more after": `${settledMs(frames, droppedMs, raisedMs)} ms`,
      "a layer that fits, and kept, after": fitted === null ? "never" : `${fitted} ms (${top} to ${low} wide)`,
      "top layer again after": back === null ? "never" : `${back} ms`,
      "frozen after the rise": `${frozenMs(frames, raisedMs, endMs)} ms`,
      "switches in the 30 s from 3 s on": String(switches(frames, raisedMs + 3000, endMs)),
      "queue p95 on 700 kbit/s": `${Math.round(queueMs)} ms (of the first 2 s ${Math.round(firstQueueMs)})`,
    },
  };
}

/**
 * @param {Emulation} emulation
 * @param {{share: number, burst: number, kind?: "whep" | "page"}} loss our page is there before it begins, because it comes over
 *   TCP, which such a line holds up
 * @returns {Promise<Row>}
 */
async function loss(emulation, { share, burst, kind = "whep" }) {
  emulation.link.rate(0);
  emulation.link.delay(40);
  emulation.link.burst(burst);
  if (kind === "whep") emulation.link.lose(share);
  const page = kind === "whep" ? await emulation.whep() : await emulation.ourPage();
  emulation.link.lose(share);
  await wait(5000);
  const fromMs = now();
  await wait(30_000);
  const toMs = now();
  const frames = await framesOf(page);
  await page.context().close();
  const how = burst > 1 ? `in bursts of ${burst}` : "at random";
  const widths = [...new Set(frames.filter((f) => f.atMs >= fromMs).map((f) => f.width))];
  return {
    what: `${100 * share} % lost ${how} each way at 80 ms round trip, ${kind === "whep" ? "WHEP" : "our page"}`,
    figures: {
      frozen: percent(frozenMs(frames, fromMs, toMs), toMs - fromMs),
      "longest time without a picture": `${longestMs(frames, fromMs, toMs)} ms`,
      "widths seen": widths.join(", "),
    },
  };
}

/**
 * @param {Emulation} emulation
 * @returns {Promise<Row>}
 */
async function two(emulation) {
  emulation.link.rate(300);
  const near = await emulation.whep({ near: true });
  const far = await emulation.whep();
  await wait(8000);
  const fromMs = now();
  await wait(20_000);
  const toMs = now();
  const [nearFrames, farFrames] = [await framesOf(near), await framesOf(far)];
  await Promise.all([near.context().close(), far.context().close()]);
  return {
    what: "two viewers of one stream, one on 300 kbit/s",
    figures: {
      "the other one frozen": percent(frozenMs(nearFrames, fromMs, toMs), toMs - fromMs),
      "the one on 300 kbit/s frozen": percent(frozenMs(farFrames, fromMs, toMs), toMs - fromMs),
    },
  };
}

/**
 * @param {Emulation} emulation
 * @returns {Promise<Row>}
 */
async function ten(emulation) {
  emulation.link.rate(10_000);
  const page = await emulation.whep({ count: 10 });
  await wait(10_000);
  const before = await bytesOf(page);
  await wait(20_000);
  const after = await bytesOf(page);
  await page.context().close();
  const each = after.map((bytes, at) => bytes - (before[at] ?? 0)).sort((a, b) => a - b);
  const factor = (each.at(-1) ?? 0) / Math.max(1, each[0] ?? 0);
  const kbps = each.reduce((sum, bytes) => sum + bytes, 0) * 8 / 20_000;
  return { what: "ten viewers behind 10 Mbit/s", figures: { "most over least": factor.toFixed(2), "all together": `${Math.round(kbps)} kbit/s` } };
}

/** The second is what a fifth of 4 Mbit/s would be, and a little more. */
const RATES = [250, 900, 3_000];

/** @type {Record<string, Scenario>} */
export const SCENARIOS = {
  "step-whep": { run: (emulation) => step(emulation, "whep") },
  "step-page": { run: (emulation) => step(emulation, "page") },
  loss: { run: (emulation) => loss(emulation, { share: 0.05, burst: 1 }) },
  bursts: { run: (emulation) => loss(emulation, { share: 0.03, burst: 5 }) },
  "loss-av1": { run: (emulation) => loss(emulation, { share: 0.1, burst: 1, kind: "page" }), source: "av1-svc", noise: false },
  two: { run: two },
  ten: { run: ten },
  "greedy-cubic": { run: (emulation) => greedy(emulation, "cubic") },
  "greedy-bbr": { run: (emulation) => greedy(emulation, "bbr") },
  "greedy-cubic-900": { run: (emulation) => greedy(emulation, "cubic", `of encodings of ${RATES.join(", ")} kbit/s`), source: "vp8", rates: RATES },
  "greedy-bbr-900": { run: (emulation) => greedy(emulation, "bbr", `of encodings of ${RATES.join(", ")} kbit/s`), source: "vp8", rates: RATES },
  "greedy-cubic-svc": { run: (emulation) => greedy(emulation, "cubic", "of VP9 in three sizes with three frame rates each"), source: "vp9-svc" },
  "greedy-bbr-svc": { run: (emulation) => greedy(emulation, "bbr", "of VP9 in three sizes with three frame rates each"), source: "vp9-svc" },
  ...Object.fromEntries(Object.keys(STRUCTURES).map((source) => [`switch-${source}`, { run: switching, source, noise: false, lines: 576 }])),
  join: { run: joins, source: "vp8" },
  ...Object.fromEntries(Object.entries(RIGHT_WIDTHS).map(([kbps, width]) => [`first-${kbps}`, { run: (/** @type {Emulation} */ emulation) => firstLayer(emulation, Number(kbps), width), source: "vp8" }])),
};

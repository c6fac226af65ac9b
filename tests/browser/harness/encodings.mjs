// Owns what a publishing page is seen to send: which encodings of its picture flow. Never publishes.

import assert from "node:assert/strict";

import { GROWS_WITHIN_MS } from "./player.mjs";
import { until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{kind: string, rid: string, frames: number, lines: number}} Flow */

/**
 * Until these encodings flow and no others.
 * @param {Page} page
 * @param {number[]} lines of each, the smallest first
 */
export async function sends(page, lines) {
  /** @type {Flow[]} */
  let flows = [];
  try {
    await until("", async () => {
      flows = await sent(page, 500);
      return String(flows.map((flow) => flow.lines).sort((a, b) => a - b)) === String(lines);
    }, { withinMs: GROWS_WITHIN_MS });
  } catch {
    assert.fail(`it should send ${lines}, but sends ${JSON.stringify(flows)}`);
  }
}

/**
 * The encodings of which pictures come within a time.
 * @param {Page} page
 * @param {number} withinMs
 */
export async function sent(page, withinMs) {
  const before = await outbound(page);
  await page.waitForTimeout(withinMs);
  const frames = (/** @type {Flow} */ flow) => before.find((one) => one.rid === flow.rid)?.frames ?? 0;
  return (await outbound(page)).filter((flow) => flow.frames > frames(flow));
}

/**
 * @param {Page} page
 * @returns {Promise<Flow[]>}
 */
async function outbound(page) {
  const flows = await page.evaluate(() => /** @type {any} */ (window).chappeOutbound());
  return flows.filter((/** @type {Flow} */ flow) => flow.kind === "video");
}

// What a page sends on one node follows from what viewers on another one have use for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { sends } from "../browser/harness/encodings.mjs";
import { decodes } from "../browser/harness/player.mjs";
import { isLive } from "../browser/harness/scene.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { holdMs } from "./harness/measure.mjs";
import { Stage, close, videoOf } from "./harness/stage.mjs";

/** @typedef {import("../browser/harness/scene.mjs").Page} Page */

/** From the size of a tile, which has to stay for 150 ms, to the first large frame that is shown in it. */
const SHOWN_MS_MAX = 1150;

test("an encoding that viewers elsewhere have no use for is neither relayed nor sent, and comes back for a large tile", async (context) => {
  const cluster = await Cluster.start({ count: 2 });
  try {
    const stage = await Stage.set(cluster.nodes);
    cluster.alsoEnd(() => stage.end());
    const publisher = await stage.page(cluster.node(1), "/publish?room=demand&stream=cam&codec=vp8&quality=720");
    await publisher.click("#go");
    await isLive(publisher);
    const viewer = await stage.viewer(cluster.node(2), "demand");
    const relayed = async () => (await cluster.node(1).list("relays")).filter((relay) => relay.room === "demand" && relay.direction === "out");

    await viewer.setViewportSize(SMALL);
    await sends(publisher, [180]);
    await decodes(viewer, 180);
    await until("the smallest encoding and the sound are relayed, and nothing else", async () => (await relayed()).length === 2);

    for (let round = 0; round < ROUNDS; round++) {
      await noteLargeFrame(viewer);
      await viewer.setViewportSize(LARGE);
      await decodes(viewer, 720);
      const { resizedMs, shownMs } = await viewer.evaluate(() => /** @type {any} */ (window).chappeSizes);
      assert.ok(shownMs > resizedMs, "a large frame was shown before anybody wanted it");
      holdMs(context, "from a large tile to the first large frame that is shown at another node", { ms: shownMs - resizedMs, limitMs: SHOWN_MS_MAX });
      await sends(publisher, [180, 720]);
      await until("the largest encoding and the sound are relayed", async () => (await relayed()).length === 2);
      await viewer.setViewportSize(SMALL);
      await sends(publisher, [180]);
      await decodes(viewer, 180);
    }
    await close(publisher, viewer);
  } finally {
    await cluster.end();
  }
});

/**
 * Notes when the viewer's window is another, and when a frame of 720 lines is shown in it.
 * @param {Page} viewer
 */
async function noteLargeFrame(viewer) {
  await viewer.evaluate(({ query, lines }) => {
    const video = document.querySelector(query);
    if (!(video instanceof HTMLVideoElement)) throw new Error(`no video ${query}`);
    const sizes = { resizedMs: 0, shownMs: 0 };
    addEventListener("resize", () => (sizes.resizedMs = Date.now()), { once: true });
    const onFrame = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
      if (frame.height === lines) sizes.shownMs = Date.now();
      else video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    Object.assign(window, { chappeSizes: sizes });
  }, { query: videoOf("cam"), lines: 720 });
}

const ROUNDS = 2;
const SMALL = { width: 300, height: 260 };
const LARGE = { width: 1400, height: 900 };

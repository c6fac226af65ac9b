// Processes of the server are killed while a picture is watched.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { gaps, picturesMove, tile, watchForGaps } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** What the design promises: pictures again within a second. */
const WORKER_GAP_MS_MAX = 1000;
/** Media does not pass through signaling: only the machine's own noise may show. */
const SIGNALING_GAP_MS_MAX = 500;

describe("failover", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set({ server: { workers: 2 } })));
  after(() => scene?.end());

  test("pictures come back by themselves after the worker was killed", async () => {
    const publisher = await scene.publisher("worker", "cam");
    const viewer = await scene.viewer("worker");
    const video = `${tile("cam")} video`;
    await picturesMove(viewer, video);
    await watchForGaps(viewer, video);
    const state = await scene.server.state();
    for (const { index } of state.workers) await scene.server.killWorker(index);
    await until("both workers are replaced", async () => (await scene.server.state()).workers.every((w) => w.restarts > 0 && w.pid));
    await picturesMove(viewer, video, { withinMs: 15_000 });
    const { longestMs } = await gaps(viewer);
    assert.ok(longestMs < WORKER_GAP_MS_MAX, `the picture stood still for ${Math.round(longestMs)} ms`);
    assert.ok(await publisher.locator("#live-badge.live").isVisible());
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("no picture stops when the signaling process is killed, and the pages resume", async () => {
    const publisher = await scene.publisher("signaling", "cam");
    const viewer = await scene.viewer("signaling");
    const video = `${tile("cam")} video`;
    await picturesMove(viewer, video);
    await watchForGaps(viewer, video);
    const before = (await scene.server.state()).signaling.restarts;
    await scene.server.killSignaling();
    await until("the page notices", async () => (await linkPhase(viewer)) !== "open", { withinMs: 5000, everyMs: 5 });
    await until("signaling is back", async () => (await scene.server.state()).signaling.restarts > before);
    for (const page of [viewer, publisher]) await until("the page resumes", async () => (await linkPhase(page)) === "open");
    await until("a hundred frames more", async () => (await gaps(viewer)).frames > 100);
    const { longestMs } = await gaps(viewer);
    assert.ok(longestMs < SIGNALING_GAP_MS_MAX, `the picture stood still for ${Math.round(longestMs)} ms`);
    assert.equal(await viewer.locator(tile("cam")).count(), 1);

    const late = await scene.viewer("signaling");
    await picturesMove(late, video);
    for (const page of [publisher, viewer, late]) await page.context().close();
  });
});

/** @param {import("playwright-core").Page} page */
function linkPhase(page) {
  return page.getAttribute("#link-state", "data-phase");
}

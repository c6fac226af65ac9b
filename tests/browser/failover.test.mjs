// Processes of the server are killed while a picture is watched.
// Runs alone: it counts the turns for which pictures stand still.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { TURN_MS, connectionsMade, gaps, picturesMove, tile, watchForGaps, watchForLoss } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** What the design promises, pictures again within a second, as long as the machine gives the page its turns. */
const WORKER_GAP_TURNS_MAX = 1000 / TURN_MS;
const KILLS = 5;

describe("failover", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set({ server: { workers: 2 } })));
  after(() => scene?.end());

  test("pictures come back by themselves each time their worker is killed", async () => {
    const publisher = await scene.publisher("worker", "cam");
    const viewer = await scene.viewer("worker");
    const video = `${tile("cam")} video`;
    await picturesMove(viewer, video);
    for (let kill = 0; kill < KILLS; kill++) {
      await watchForGaps(viewer, video);
      const { index, restarts } = await servingWorker(scene);
      await scene.server.killWorker(index);
      await until("the worker is replaced", async () => ((await scene.server.state()).workers[index]?.restarts ?? 0) > restarts);
      await picturesMove(viewer, video);
      const { longestMs, longestTurns } = await gaps(viewer);
      assert.ok(longestTurns < WORKER_GAP_TURNS_MAX, `kill ${kill}: no picture for ${longestTurns} turns, ${Math.round(longestMs)} ms`);
    }
    assert.ok(await publisher.locator("#live-badge.live").isVisible());
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("no picture stops when the signaling process is killed, and the pages resume", async () => {
    const publisher = await scene.publisher("signaling", "cam");
    const viewer = await scene.viewer("signaling");
    const video = `${tile("cam")} video`;
    await picturesMove(viewer, video);
    await watchForGaps(viewer, video);
    const lost = await watchForLoss(viewer);
    const made = await connectionsMade(viewer);
    const before = (await scene.server.state()).signaling.restarts;
    await notePhases(viewer);
    await scene.server.killSignaling();
    await until("the page notices", async () => (await phases(viewer)).includes("waiting"));
    await until("signaling is back", async () => (await scene.server.state()).signaling.restarts > before);
    for (const page of [viewer, publisher]) await until("the page resumes", async () => (await linkPhase(page)) === "open");
    await until("a hundred frames more", async () => (await gaps(viewer)).frames > 100);
    // Media does not pass through signaling.
    assert.deepEqual({ lost: await lost(), made: await connectionsMade(viewer) }, { lost: 0, made });
    assert.equal(await viewer.locator(tile("cam")).count(), 1);

    const late = await scene.viewer("signaling");
    await picturesMove(late, video);
    for (const page of [publisher, viewer, late]) await page.context().close();
  });
});

/**
 * The one that publisher and viewer are on.
 * @param {Scene} scene
 */
async function servingWorker(scene) {
  return until("one worker has both sessions", async () => {
    const response = await fetch(`${scene.server.admin}/api/v1/workers`);
    const workers = /** @type {{index: number, restarts: number, sessions: number}[]} */ (await response.json());
    return workers.find((worker) => worker.sessions === 2);
  });
}

/**
 * Notes in the page what becomes of its link: it may be back before anybody could ask.
 * @param {import("playwright-core").Page} page
 */
function notePhases(page) {
  return page.evaluate(() => {
    const link = document.querySelector("#link-state");
    if (!(link instanceof HTMLElement)) throw new Error("the page does not show its link");
    /** @type {(string | undefined)[]} */
    const seen = [];
    new MutationObserver(() => seen.push(link.dataset["phase"])).observe(link, { attributes: true });
    Object.assign(window, { chappePhases: seen });
  });
}

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>}
 */
function phases(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappePhases);
}

/** @param {import("playwright-core").Page} page */
function linkPhase(page) {
  return page.getAttribute("#link-state", "data-phase");
}

// What the watch page shows when something broke, when it is over, and when it lasted no second.
// Runs alone: what lasts for less than a second is told from what lasts for longer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("broken", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("a stream that has ended is not one that is not live yet", async () => {
    const viewer = await scene.viewer("over", "cam");
    const all = await scene.viewer("over");
    const says = async () => (await viewer.textContent(`${tile("cam")} .say`)) ?? "";
    await until("it waits", async () => /Not live yet/.test(await says()));
    assert.match((await all.textContent("#nobody h2")) ?? "", /live yet/);
    const publisher = await scene.publisher("over", "cam");
    await picturesMove(viewer, `${tile("cam")} video`);
    await publisher.context().close();
    await until("it has ended", async () => /has ended/.test(await says()));
    await until("so has the room", async () => /ended/.test((await all.textContent("#nobody h2")) ?? ""));
    for (const page of [viewer, all]) await page.context().close();
  });

  test("signaling that is back within a second flashes nothing, a server that is gone is said over a dimmed picture", async () => {
    const publisher = await scene.publisher("gone", "cam");
    const viewer = await scene.viewer("gone");
    await picturesMove(viewer, `${tile("cam")} video`);
    await noteLooks(viewer);
    const before = (await scene.server.state()).signaling.restarts;
    await scene.server.killSignaling();
    await until("signaling is back", async () => (await scene.server.state()).signaling.restarts > before);
    await until("the page resumes", async () => (await viewer.getAttribute("#link-state", "data-phase")) === "open");
    const { away, looks } = await viewer.evaluate(() => /** @type {any} */ (window).chappeLooks);
    if (away < 1000) assert.deepEqual(looks.filter((/** @type {string} */ l) => l !== "open/playing"), []);

    await scene.server.stop();
    await until("it is said in the tile", async () => /broken/.test((await viewer.textContent(`${tile("cam")} .say`)) ?? ""), { withinMs: 8000 });
    const opacity = await viewer.evaluate((query) => getComputedStyle(document.querySelector(query) ?? document.body).opacity, `${tile("cam")} video`);
    assert.ok(Number(opacity) < 0.5, `the picture is dimmed: ${opacity}`);
    await until("the publish page says so", async () => /server is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    for (const page of [publisher, viewer]) await page.context().close();
  });
});

/**
 * Notes all that the page shows of its link and its tile, and how long the link was away.
 * @param {Page} page
 */
function noteLooks(page) {
  return page.evaluate(() => {
    const link = document.querySelector("#link-state");
    const tile = document.querySelector(".tile");
    if (!(link instanceof HTMLElement) || !(tile instanceof HTMLElement)) throw new Error("the page shows no tile");
    /** @type {{away: number, looks: string[]}} */
    const noted = { away: 0, looks: [] };
    let sinceMs = 0;
    const note = () => {
      noted.looks.push(`${link.dataset["look"]}/${tile.dataset["face"]}`);
      if (link.dataset["phase"] === "open") sinceMs = 0;
      else sinceMs ||= performance.now();
      if (sinceMs > 0) noted.away = Math.max(noted.away, performance.now() - sinceMs);
    };
    for (const element of [link, tile]) new MutationObserver(note).observe(element, { attributes: true });
    Object.assign(window, { chappeLooks: noted });
  });
}

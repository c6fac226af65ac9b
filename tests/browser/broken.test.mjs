// What the watch page shows when something broke, when it is over, and when it lasted no second.
// Runs alone: what lasts for less than a second is told from what lasts for longer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { dimsWithWords, flashesNothing } from "./harness/looks.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

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

  test("a link or a picture that is away for less than a second flashes nothing", async () => {
    const publisher = await scene.publisher("blink", "cam");
    const viewer = await scene.viewer("blink");
    await picturesMove(viewer, `${tile("cam")} video`);
    await flashesNothing(viewer, scene.server, () => picturesMove(viewer, `${tile("cam")} video`));
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("a server that is gone is said over a dimmed picture after a second, and not earlier", async () => {
    const publisher = await scene.publisher("gone", "cam");
    const viewer = await scene.viewer("gone");
    await picturesMove(viewer, `${tile("cam")} video`);
    await dimsWithWords(viewer, scene.server);
    await until("the publish page says so", async () => /server is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    for (const page of [publisher, viewer]) await page.context().close();
  });
});

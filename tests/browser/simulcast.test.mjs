// Several encodings of one camera: what the publish page sends, and which of them each viewer decodes.
// Runs alone: an encoder that is short of processor time leaves out the largest pictures.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { sends, sent } from "./harness/encodings.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { decodes, player } from "./harness/player.mjs";
import { Scene, goLive, isLive } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

describe("simulcast", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const codec of ["vp8", "h264"]) {
    test(`the publish page sends ${codec} in three sizes, and each viewer decodes the one that it may have`, async () => {
      const room = `sizes-${codec}`;
      const publisher = await scene.page(`/publish?room=${room}&stream=cam&codec=${codec}&quality=720`);
      await goLive(publisher);
      const [page, large, middle, small] = await Promise.all([scene.viewer(room), player(scene, `${room}/cam`), player(scene, `${room}/cam?max=360`), player(scene, `${room}/cam?max=180`)]);
      await picturesMove(page, `${tile("cam")} video`);
      await sends(publisher, [180, 360, 720]);
      await Promise.all([decodes(page, 720), decodes(large, 720), decodes(middle, 360), decodes(small, 180)]);
      await until("the figures say what is sent", async () => (await publisher.textContent("#fact-picture")) === "1280 × 720");
      for (const one of [publisher, page, large, middle, small]) await one.context().close();
    });
  }

  test("another quality and another source are sent in the sizes that fit them, and the viewer goes along", async () => {
    const publisher = await scene.page("/publish?room=changes&stream=cam&codec=vp8&quality=360");
    await goLive(publisher);
    const viewer = await scene.viewer("changes");
    const second = await player(scene, "changes/cam?max=360");
    await sends(publisher, [180, 360]);
    await decodes(viewer, 360);
    await publisher.selectOption("#quality", "720");
    await sends(publisher, [180, 360, 720]);
    await decodes(viewer, 720);
    await publisher.selectOption("#camera", "none");
    await until("viewers are told of the camera", () => viewer.locator(`${tile("cam")}[data-face="off"]`).isVisible());
    await publisher.selectOption("#camera", { index: 0 });
    await sends(publisher, [180, 360, 720]);
    await decodes(viewer, 720);
    await publisher.selectOption("#quality", "360");
    await sends(publisher, [180, 360]);
    await decodes(viewer, 360);
    await until("the figures say what is sent", async () => (await publisher.textContent("#fact-picture")) === "640 × 360");
    for (const page of [publisher, viewer, second]) await page.context().close();
  });

  test("a screen is sent in its own size alone", async () => {
    const publisher = await scene.page("/publish?room=desk&stream=desk&codec=vp8&quality=720");
    await until("the preview shows the camera", () => publisher.locator("#go").isEnabled());
    await publisher.check('input[name="from"][value="screen"]', { force: true });
    await publisher.click("#go");
    await isLive(publisher);
    const viewer = await scene.viewer("desk");
    await picturesMove(viewer, `${tile("desk")} video`);
    const flows = await until("something is sent", async () => {
      const flows = await sent(publisher, 500);
      return flows.length > 0 ? flows : null;
    });
    assert.equal(flows.length, 1, JSON.stringify(flows));
    await publisher.check('input[name="from"][value="camera"]', { force: true });
    await decodes(viewer, 720);
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("what nobody watches is not sent until somebody does, who begins with the smallest at once", async () => {
    const publisher = await scene.page("/publish?room=demand&stream=cam&codec=vp8&quality=720");
    await goLive(publisher);
    await sends(publisher, [180]);
    await until("the figures say what is sent", async () => (await publisher.textContent("#fact-picture")) === "320 × 180");
    const viewer = await scene.viewer("demand");
    await picturesMove(viewer, `${tile("cam")} video`);
    await sends(publisher, [180, 720]);
    await decodes(viewer, 720);
    const small = await player(scene, "demand/cam?max=360");
    await decodes(small, 360);
    await viewer.context().close();
    await sends(publisher, [180, 360]);
    await decodes(small, 360);
    for (const page of [publisher, small]) await page.context().close();
  });
});

// From the fake camera of one page to the screen of another, through the real server.
// Runs alone: it encodes VP9 and AV1.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene, isLive, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

describe("camera to screen", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const codec of ["VP8", "H264", "VP9", "AV1"]) {
    test(`${codec} from the publish page is seen and heard on the watch page`, async () => {
      const room = `codec-${codec}`;
      const publisher = await scene.publisher(room, "cam", codec.toLowerCase());
      const viewer = await scene.viewer(room);
      await picturesMove(viewer, `${tile("cam")} video`);
      const codecs = await viewer.evaluate(() => /** @type {any} */ (window).chappeCodecs());
      assert.ok(codecs.includes(`video/${codec}`), `the viewer received ${codecs}`);
      await until("the publish page shows its figures", async () => (await publisher.textContent("#fact-codec")) === codec);
      await viewer.context().close();
      await publisher.context().close();
    });
  }

  test("media is protected by the cipher that costs least, although Chromium lists it last", async () => {
    const publisher = await scene.publisher("cipher", "cam");
    const viewer = await scene.viewer("cipher");
    await picturesMove(viewer, `${tile("cam")} video`);
    for (const page of [publisher, viewer]) {
      const ciphers = await page.evaluate(() => /** @type {any} */ (window).chappeCiphers());
      assert.ok(ciphers.length > 0 && ciphers.every((/** @type {any} */ c) => c.srtp === "SRTP_AEAD_AES_128_GCM"), JSON.stringify(ciphers));
      await page.context().close();
    }
  });

  test("a shared screen is seen", async () => {
    const publisher = await scene.page("/publish?room=screen&stream=desk&codec=vp8&quality=360");
    await until("the preview shows the camera", () => publisher.locator("#go").isEnabled());
    await publisher.check('input[name="from"][value="screen"]', { force: true });
    await publisher.click("#go");
    await isLive(publisher);
    const viewer = await scene.viewer("screen");
    await picturesMove(viewer, `${tile("desk")} video`);
    await publisher.context().close();
    await viewer.context().close();
  });

  test("a publisher who leaves takes the tile along, and brings it back", async () => {
    const first = await scene.publisher("leave", "cam");
    const viewer = await scene.viewer("leave");
    await picturesMove(viewer, `${tile("cam")} video`);
    await first.context().close();
    await until("the tile disappears", async () => (await viewer.locator(tile("cam")).count()) === 0);
    assert.ok(await viewer.locator("#nobody").isVisible());
    const second = await scene.publisher("leave", "cam");
    await picturesMove(viewer, `${tile("cam")} video`);
    await second.context().close();
    await viewer.context().close();
  });

  test("a stream watched by its own address starts when its publisher comes, and again when it returns", async () => {
    const viewer = await scene.viewer("later", "cam");
    await until("the page says that it waits", () => viewer.locator(`${tile("cam")}[data-face="gone"]`).isVisible());
    for (let turn = 0; turn < 2; turn++) {
      const publisher = await scene.publisher("later", "cam");
      await picturesMove(viewer, `${tile("cam")} video`);
      await publisher.context().close();
      await until("the page says that it waits", () => viewer.locator(`${tile("cam")}[data-face="gone"]`).isVisible());
    }
    await viewer.context().close();
  });

  test("two publishers in one room are two moving tiles, and a muted one says so", async () => {
    const anna = await scene.publisher("two", "anna");
    const viewer = await scene.viewer("two");
    await picturesMove(viewer, `${tile("anna")} video`);
    const berta = await scene.publisher("two", "berta");
    await picturesMove(viewer, `${tile("berta")} video`);
    await picturesMove(viewer, `${tile("anna")} video`);
    await berta.click("#mute");
    await until("the tile shows the muted microphone", () => viewer.locator(`${tile("berta")} .flag`).isVisible());
    await berta.click("#blank");
    await until("the tile says that the camera is off", () => viewer.locator(`${tile("berta")}[data-face="off"]`).isVisible());
    for (const page of [anna, berta, viewer]) await page.context().close();
  });

  test("a name in use is said, and had when its owner has left it", async () => {
    const first = await scene.publisher("taken", "cam");
    const viewer = await scene.viewer("taken");
    await picturesMove(viewer, `${tile("cam")} video`);
    const second = await scene.page("/publish?room=taken&stream=cam&quality=360");
    await second.click("#go");
    const notice = second.locator("#notice-title");
    await until("the second publisher is told", async () => (await notice.textContent())?.includes("already"));
    assert.ok(await first.locator("#live-badge.live").isVisible(), "the one that has it goes on");
    await first.close();
    await until("the second one is live", async () => {
      const again = second.locator("#notice-action");
      if (await again.isVisible()) await again.click();
      return second.locator("#live-badge.live").isVisible();
    });
    await picturesMove(viewer, `${tile("cam")} video`);
    for (const page of [second, viewer]) await page.context().close();
  });

  test("everyone in a meeting room sees the others", async () => {
    const one = await join(await scene.page("/room/meet"));
    const two = await join(await scene.page("/room/meet"));
    for (const page of [one, two]) await picturesMove(page, ".tile video");
    assert.equal(await one.locator(".tile").count(), 1, "one's own picture is no tile");
    for (const page of [one, two]) await page.context().close();
  });
});

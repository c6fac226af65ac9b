// The pages in Firefox, which has its own WebRTC: other SDP, other statistics, other autoplay rules.
// Runs alone: pictures are encoded and decoded in two kinds of browser.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";

import { FIREFOX, pictureMoves } from "./harness/firefox.mjs";
import { flashesNothing } from "./harness/looks.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { GROWS_WITHIN_MS, decodes, player } from "./harness/player.mjs";
import { goLive } from "./harness/scene.mjs";
import { close, describeFirefox } from "./harness/stage.mjs";
import { until } from "./harness/until.mjs";

test("Firefox is there", () => assert.ok(existsSync(FIREFOX), `${FIREFOX} is not installed: make tools`));

describeFirefox("our pages in Firefox", import.meta.url, (stage) => {
  test("Firefox publishes from our page, and both browsers watch", async () => {
    const publisher = await stage.firefox.newPage();
    await publisher.goto(`${stage.scene.server.url}/publish?room=fox&stream=fox&codec=vp8&quality=360`);
    await publisher.locator("#go").click();
    await until("it says that it is live", () => publisher.$("#live-badge.live:not([hidden])"));
    const chromium = await stage.scene.viewer("fox");
    await picturesMove(chromium, `${tile("fox")} video`);
    await pictureMoves(await watch("fox"), `${tile("fox")} video`);
    const small = await player(stage.scene, "fox/fox?max=200");
    await decodes(small, 180);
    await small.context().close();
    await until("the figures say what is sent", async () => /VP8/.test((await publisher.$eval("#fact-codec", (e) => e.textContent)) ?? ""));
    await publisher.close();
    await until("the tile disappears when the page is closed", async () => (await chromium.locator(tile("fox")).count()) === 0);
    await chromium.context().close();
  });

  for (const codec of ["vp8", "vp9"]) {
    test(`Firefox watches ${codec} from Chromium`, async () => {
      const publisher = await stage.scene.publisher(codec, "cam", codec);
      const viewer = await watch(codec);
      await pictureMoves(viewer, `${tile("cam")} video`);
      await publisher.context().close();
      await until("the tile disappears", async () => (await viewer.$(tile("cam"))) === null);
      await viewer.close();
    });
  }

  test("Firefox watches that of several encodings from Chromium which its tile shows", async () => {
    const publisher = await stage.scene.page("/publish?room=sizes&stream=cam&codec=vp8&quality=720");
    await goLive(publisher);
    const viewer = await watch("sizes");
    const lines = () => viewer.$eval(`${tile("cam")} video`, (e) => (e instanceof HTMLVideoElement ? e.videoHeight : 0));
    await viewer.setViewport({ width: 800, height: 600 });
    await until("it shows 360 lines", async () => (await lines()) === 360, { withinMs: GROWS_WITHIN_MS });
    await viewer.setViewport({ width: 1600, height: 1000 });
    await until("it shows the largest", async () => (await lines()) === 720, { withinMs: GROWS_WITHIN_MS });
    await pictureMoves(viewer, `${tile("cam")} video`);
    await publisher.context().close();
    await viewer.close();
  });

  for (const [how, replace] of /** @type {const} */ ([
    ["is replaced", (/** @type {any} */ worker) => restart(worker.id)],
    ["was killed", (/** @type {any} */ worker) => process.kill(worker.pid, "SIGKILL")],
  ])) {
    test(`the picture goes on in Firefox after its worker ${how}`, async () => {
      const room = how.replaceAll(" ", "-");
      const publisher = await stage.scene.publisher(room, "cam");
      const viewer = await watch(room);
      await pictureMoves(viewer, `${tile("cam")} video`);
      const track = () => viewer.$eval(`${tile("cam")} video`, (e) => (e instanceof HTMLVideoElement && e.srcObject instanceof MediaStream ? e.srcObject.getVideoTracks().map(({ id }) => id).join() : ""));
      const before = await track();
      const [worker] = await stage.scene.server.workers();
      await replace(worker);
      await until("another track took its place", async () => ![before, ""].includes(await track()));
      await until("the worker serves", async () => (await stage.scene.server.workers())[0]?.state === "serving");
      await pictureMoves(viewer, `${tile("cam")} video`);
      await publisher.context().close();
      await viewer.close();
    });
  }

  test("a link or a picture that is away for less than a second flashes nothing in Firefox", async () => {
    const publisher = await stage.scene.publisher("blink", "cam");
    const viewer = await stage.open("/watch/blink");
    const moves = () => pictureMoves(viewer, `${tile("cam")} video`);
    await moves();
    await flashesNothing(viewer, stage.scene.server, moves);
    await close(publisher, viewer);
  });

  /** @param {string} id of a worker */
  async function restart(id) {
    // It is the only one, so that its sessions have nowhere to go until they are not waited for any more.
    const body = JSON.stringify({ deadline_ms: 1_000 });
    const response = await fetch(`${stage.scene.server.admin}/api/v1/workers/${id}/restart`, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(response.status, 202);
  }

  /** @param {string} room */
  async function watch(room) {
    const page = await stage.firefox.newPage();
    await page.goto(`${stage.scene.server.url}/watch/${room}`);
    return page;
  }
});

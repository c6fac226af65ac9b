// What the publish page shows is what it sends: changed, refused, cancelled and lost sources.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { allow, refuse, silence, unplug } from "./harness/devices.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { GROWS_WITHIN_MS } from "./harness/player.mjs";
import { Scene, isLive } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("sources", () => {
  /** @type {Scene} */
  let scene;
  /** @type {Page} */
  let publisher;
  /** @type {Page} */
  let viewer;
  before(async () => {
    scene = await Scene.set();
    publisher = await scene.publisher("sources", "cam");
    viewer = await scene.viewer("sources");
    await picturesMove(viewer, `${tile("cam")} video`);
  });
  after(() => scene?.end());

  test("a cancelled screen picker keeps the camera, shown and sent", async () => {
    await refuse(publisher, "getDisplayMedia", "NotAllowedError");
    await publisher.click('#from label:has(input[value="screen"])');
    await until("it is said", async () => /No screen was chosen/.test((await publisher.textContent("#notice-title")) ?? ""));
    assert.ok(await publisher.isChecked('input[name="from"][value="camera"]'), "the choice is the old one");
    assert.ok(await publisher.locator("#middle").isHidden(), "the preview goes on");
    await picturesMove(viewer, `${tile("cam")} video`);
    await publisher.click("#notice-action");
    assert.ok(await publisher.locator("#notice").isHidden());
  });

  test("a microphone that does not open leaves the old one, and its name in the list", async () => {
    const old = await publisher.inputValue("#microphone");
    await refuse(publisher, "getUserMedia", "NotReadableError");
    const other = await publisher.evaluate((used) => [...document.querySelectorAll("#microphone option")].map((o) => o instanceof HTMLOptionElement ? o.value : "").find((v) => v !== used && v !== "none"), old);
    await publisher.selectOption("#microphone", other ?? "");
    await until("it is said", () => publisher.locator("#notice").isVisible());
    assert.equal(await publisher.inputValue("#microphone"), old);
    await picturesMove(viewer, `${tile("cam")} video`);
    await allow(publisher);
  });

  test("no camera and no microphone are taken away, viewers are told, and the figures are a dash", async () => {
    await publisher.selectOption("#camera", "none");
    await until("viewers are told of the camera", () => viewer.locator(`${tile("cam")}[data-face="off"]`).isVisible());
    await until("there is no picture in the figures", async () => (await publisher.textContent("#fact-picture")) === "–");
    await publisher.selectOption("#microphone", "none");
    await until("viewers are told of the microphone", () => viewer.locator(`${tile("cam")} .flag`).isVisible());
    await until("nothing is sent", async () => (await publisher.textContent("#fact-bitrate")) === "–");
    await publisher.selectOption("#camera", { index: 0 });
    await publisher.selectOption("#microphone", { index: 0 });
    await picturesMove(viewer, `${tile("cam")} video`);
  });

  test("a raised quality gives the picture and the rate that were chosen", async () => {
    await publisher.selectOption("#quality", "720");
    await until("the camera gives the size", async () => String(await pictureOf(publisher)) === "1280,720");
    await until("the rate may be as high", async () => (await limits(publisher)).includes(2_500_000));
    // A busy machine can't encode it, and Chromium says so.
    const fits = async () => (await publisher.textContent("#fact-picture")) === "1280 × 720" || (await outbound(publisher)).some(({ limited }) => limited === "cpu");
    await until("the picture has the size", fits, { withinMs: GROWS_WITHIN_MS }).catch(async (error) => assert.fail(`${error}: ${JSON.stringify(await outbound(publisher))}`));
  });

  test("a microphone and a camera that are unplugged are said, with the way out", async () => {
    await unplug(publisher, "audio");
    await until("it is said", async () => /microphone is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    assert.equal(await publisher.inputValue("#microphone"), "none");
    await until("viewers are told", () => viewer.locator(`${tile("cam")} .flag`).isVisible());
    await publisher.click("#notice-action");
    await until("viewers hear it again", () => viewer.locator(`${tile("cam")} .flag`).isHidden());
    assert.ok(await publisher.locator("#notice").isHidden(), "the note goes with its cause");
    await unplug(publisher, "video");
    await until("it is said", async () => /camera is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    await until("viewers are told", () => viewer.locator(`${tile("cam")}[data-face="off"]`).isVisible());
    await publisher.click("#notice-action");
    await picturesMove(viewer, `${tile("cam")} video`);
  });

  test("nothing is live before the button was pressed", async () => {
    const page = await scene.page("/publish?room=early&stream=cam");
    await until("the button is offered", () => page.locator("#go").isEnabled());
    const rooms = async () => (await fetch(`${scene.server.admin}/api/v1/streams`)).json();
    assert.ok(!(await rooms()).some((/** @type {any} */ s) => s.room === "early"));
    await page.focus("#room");
    await page.keyboard.press("Enter");
    await isLive(page);
    await page.context().close();
  });

  test("a camera that the system silences is said, here and to those who watch, until it is heard of again", async () => {
    const publisher = await scene.publisher("silenced", "cam");
    const viewer = await scene.viewer("silenced");
    await picturesMove(viewer, `${tile("cam")} video`);
    await silence(publisher, true);
    await until("viewers are told", () => viewer.locator(`${tile("cam")}[data-face="off"]`).isVisible());
    await until("it is said", async () => /silenced by your system/.test((await publisher.textContent("#notice-title")) ?? ""));
    await silence(publisher, false);
    await until("the note is gone", () => publisher.locator("#notice").isHidden());
    await picturesMove(viewer, `${tile("cam")} video`);
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("an address can't make a page live: that takes a click", async () => {
    const page = await scene.page("/publish?room=nobody&stream=cam&quality=360&autostart=1");
    await until("one can go live", () => page.locator("#go").isEnabled());
    const streams = await (await fetch(`${scene.server.admin}/api/v1/streams`)).json();
    assert.deepEqual(streams.filter((/** @type {any} */ s) => s.room === "nobody"), []);
    assert.ok(await page.locator("#live-badge").isHidden());
    assert.ok(await page.locator("#go").isVisible());
    await page.context().close();
  });

  test("a camera that is plugged in later is asked for without a click, and the note of its absence goes", async () => {
    const page = await scene.page("/healthz");
    await page.addInitScript(() => {
      const devices = navigator.mediaDevices;
      devices.enumerateDevices = () => Promise.resolve([]);
      Object.assign(window, {
        plugIn() {
          Reflect.deleteProperty(devices, "enumerateDevices");
          devices.dispatchEvent(new Event("devicechange"));
        },
      });
    });
    await page.goto(`${scene.server.url}/publish?room=later&stream=cam&quality=360`);
    await until("it is said", async () => /No camera or microphone/.test((await page.textContent("#notice-title")) ?? ""));
    await page.evaluate(() => /** @type {any} */ (window).plugIn());
    await until("one can go live", () => page.locator("#go").isEnabled());
    assert.ok(await page.locator("#notice").isHidden());
    await page.context().close();
  });
});

/**
 * Width and height of what the camera gives.
 * @param {Page} page
 */
function pictureOf(page) {
  return page.$eval("#preview", (video) => {
    const settings = video instanceof HTMLVideoElement && video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0]?.getSettings() : undefined;
    return [settings?.width, settings?.height];
  });
}

/**
 * @param {Page} page
 * @returns {Promise<{kind: string, rid: string, frames: number, lines: number, limited: string}[]>}
 */
function outbound(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeOutbound());
}

/**
 * Of what its senders of pictures may send.
 * @param {Page} page
 * @returns {Promise<number[]>}
 */
function limits(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeVideoLimits());
}

// The meeting on screens of all sizes: the dock is there, and no picture covers another.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { Crowd, tilesShow } from "./harness/crowd.mjs";
import { Scene, join } from "./harness/scene.mjs";
import { boxes, faults } from "./harness/tiles.mjs";
import { until } from "./harness/until.mjs";
import { untouched } from "./harness/untouched.mjs";

const SIZES = [
  { width: 390, height: 844 },
  { width: 844, height: 390 },
  { width: 360, height: 640 },
  { width: 1280, height: 800 },
];

describe("a meeting on any screen", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("with any number of others no picture covers another, and the dock is inside the window", async () => {
    const crowd = await Crowd.of(scene, "sizes");
    const page = await join(await scene.page("/room/sizes?name=Ada", { viewport: { width: 390, height: 844 } }));
    for (const others of [0, 1, 2, 5, 8]) {
      await crowd.growTo(others);
      await tilesShow(page, others);
      for (const size of SIZES) {
        await page.setViewportSize(size);
        const where = `${others} others at ${size.width}×${size.height}`;
        await until(`${where}: laid out`, async () => (await faults(page)).length === 0).catch(async (error) => assert.fail(`${where}: ${(await faults(page)).join("; ")}\n${error}`));
        const { tiles } = await boxes(page);
        assert.equal(tiles.length, others + 1, `${where}: the own picture is among them`);
      }
    }
    await page.setViewportSize({ width: 390, height: 844 });
    await page.click("#chat-toggle");
    await until("the chat is open", () => page.locator("#chat").isVisible());
    assert.deepEqual((await faults(page)).filter((fault) => /Leave/.test(fault)), [], "the chat leaves the dock free");
    await page.click("#chat-toggle");
    await page.click("text=Leave");
    await page.waitForURL(`${scene.server.url}/`);
    await crowd.end();
    await page.context().close();
  });

  test("what the device itself covers is left free", async () => {
    const page = await join(await scene.page("/room/notch?name=Ada", { viewport: { width: 390, height: 844 } }));
    const device = await page.context().newCDPSession(page);
    const insets = { top: 47, topMax: 47, bottom: 34, bottomMax: 34, left: 0, leftMax: 0, right: 0, rightMax: 0 };
    await device.send("Emulation.setSafeAreaInsetsOverride", { insets });
    await until("the bar and the dock make room", async () => {
      const { leave, brand } = await boxes(page);
      return leave.y + leave.height <= 844 - 34 && brand.y >= 47;
    });
    await page.setViewportSize({ width: 844, height: 390 });
    await device.send("Emulation.setSafeAreaInsetsOverride", { insets: { top: 0, bottom: 21, left: 47, right: 47 } });
    await until("nothing is behind the camera", async () => {
      const { tiles, brand, leave } = await boxes(page);
      const sides = [...tiles, brand, leave].every(({ x, width }) => x >= 47 && x + width <= 844 - 47);
      return sides && leave.y + leave.height <= 390 - 21;
    });
    await page.context().close();
  });

  test("a picture whose sound waits for a tap says so, also one that comes later, and one tap is enough for all", async () => {
    const strict = await launch({ autoplay: false });
    const crowd = await Crowd.of(scene, "tap");
    const page = await scene.page("/watch/tap", { browser: strict, viewport: { width: 390, height: 844 } });
    const ask = await untouched(page);
    const taps = () => ask(`[...document.querySelectorAll(".tile .tap")].filter((tap) => tap.checkVisibility()).map((tap) => tap.textContent)`);
    for (const others of [1, 2]) {
      await crowd.growTo(others);
      await until(`it is written on ${others}`, async () => String(await taps()) === Array(others).fill("Tap for sound").join());
    }
    assert.equal(await ask("navigator.userActivation.hasBeenActive"), false, "nobody has touched the page, not even this test");
    const { x, y } = await ask(`(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(document.querySelector(".tile .tap").getBoundingClientRect())`);
    await page.mouse.click(x, y);
    await until("both are heard", async () => String(await ask(`[...document.querySelectorAll(".tile video")].map((video) => !video.muted && !video.paused)`)) === "true,true");
    assert.deepEqual(await taps(), []);
    await crowd.end();
    await strict.close();
  });
});

// All pages in their states under axe, and where the focus is.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { Crowd, tilesShow } from "./harness/crowd.mjs";
import { Scene, goLive, isLive, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PHONE = { width: 390, height: 844 };

describe("pages for everybody", () => {
  /** @type {Scene} */
  let scene;
  let axe = "";
  before(async () => {
    axe = await readFile(AXE, "utf8");
    scene = await Scene.set();
  });
  after(() => scene?.end());

  test("axe finds nothing on any page in any of its states", async () => {
    const denied = await launch({ camera: "deny" });
    const crowd = await Crowd.of(scene, "axe");
    await crowd.growTo(2);
    for (const options of [{ dark: false }, { dark: true, viewport: PHONE }]) {
      const start = await scene.page("/", options);
      await until("the room is listed", () => start.locator(".rooms a").first().isVisible());
      await clean(start, "start");
      await start.fill("#room", "n".repeat(65));
      await start.keyboard.press("Enter");
      await clean(start, "start, with a name that is too long");
      await start.context().close();

      await clean(await scene.page("/nothing/here", options), "no such page", true);

      const publish = await scene.page(`/publish?room=axe-live-${options.dark}&stream=cam&quality=360`, options);
      await until("the preview is there", () => publish.locator("#go").isEnabled());
      await clean(publish, "publish, before");
      await goLive(publish);
      await publish.click("#blank");
      await clean(publish, "publish, live");
      await publish.context().close();
      const refused = await scene.page("/publish", { ...options, browser: denied });
      await until("it is said", () => refused.locator("#notice").isVisible());
      await clean(refused, "publish without a camera", true);

      const watch = await scene.page("/watch/axe", options);
      await tilesShow(watch, 2);
      await clean(watch, "watch");
      await watch.click("#facts");
      await until("the figures are there", () => watch.locator(".tile .facts").first().isVisible());
      await clean(watch, "watch with figures");
      await watch.click("#chat-toggle");
      await watch.fill("#chat-text", "look at https://a.example/ שלום");
      await watch.keyboard.press("Enter");
      await until("it was said", () => watch.locator(".said").first().isVisible());
      await watch.click(".people summary");
      await clean(watch, "watch with the chat", true);
      await clean(await scene.page("/watch/axe-empty", options), "watch, nobody live", true);
      await clean(await scene.page("/watch/%2e", options), "watch without a room", true);

      const room = await scene.page(`/room/axe-room-${options.dark}?name=Ada`, options);
      await until("one can join", () => room.locator("#join").isEnabled());
      await clean(room, "meeting, before");
      await join(room);
      await clean(room, "meeting, alone");
      await room.click("#blank");
      await room.click("#mute");
      await clean(room, "meeting, silent", true);
      const unseen = await scene.page("/room/axe-denied", { ...options, browser: denied });
      await until("it is said", () => unseen.locator("#join-again").isVisible());
      await clean(unseen, "meeting, before, without a camera");
      await join(unseen);
      await clean(unseen, "meeting without a camera", true);
    }
    await denied.close();
    await crowd.end();
  });

  test("the borders of fields stand out against what is around them, three to one", async () => {
    for (const dark of [false, true]) {
      const page = await scene.page("/publish", { dark });
      await goLive(page);
      const fields = await page.evaluate(fieldContrasts);
      assert.ok(fields.length > 3, "the page has fields");
      assert.deepEqual(fields.filter(({ contrast }) => !(contrast >= 3)), []);
      await page.context().close();
    }
  });

  test("the focus goes with the button: from Go live to Stop, and back", async () => {
    const page = await scene.page("/publish?room=focus&stream=cam&quality=360");
    await until("the preview is there", () => page.locator("#go").isEnabled());
    await page.focus("#go");
    await page.keyboard.press("Enter");
    await isLive(page);
    assert.equal(await focused(page), "stop");
    assert.match(await page.title(), /^● LIVE cam/);
    await page.keyboard.press("Enter");
    await until("it has stopped", () => page.locator("#go").isVisible());
    assert.equal(await focused(page), "go");
    assert.doesNotMatch(await page.title(), /LIVE/);
    await page.context().close();
  });

  test("a page that is live asks before it is left, and no other page does", async () => {
    const page = await scene.page("/publish?room=stay&stream=cam&quality=360");
    let asked = 0;
    page.on("dialog", (dialog) => {
      asked += dialog.type() === "beforeunload" ? 1 : 0;
      void dialog.dismiss();
    });
    await goLive(page);
    await page.evaluate(() => location.assign("/"));
    await until("it is asked", async () => asked === 1);
    assert.match(page.url(), /\/publish/);
    assert.ok(await page.locator("#live-badge.live").isVisible());
    await page.click("#stop");
    await page.goto(scene.server.url);
    assert.equal(asked, 1);
    const meeting = await join(await scene.page("/room/stay"));
    await until("it is live", async () => /LIVE/.test(await meeting.title()));
    meeting.on("dialog", () => void (asked += 1));
    await meeting.click("#leave");
    await meeting.waitForURL(`${scene.server.url}/`);
    assert.equal(asked, 1, "who presses Leave is not asked");
    for (const one of [page, meeting]) await one.context().close();
  });

  /**
   * @param {Page} page
   * @param {string} where
   * @param {boolean} [last] the page is closed afterwards
   */
  async function clean(page, where, last = false) {
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { violations } = await /** @type {any} */ (window).axe.run(document);
      return violations.map((/** @type {any} */ v) => `${v.id}: ${v.nodes.map((/** @type {any} */ n) => `${n.html} ${n.failureSummary}`).join("\n")}`);
    });
    assert.deepEqual(found, [], where);
    if (last) await page.context().close();
  }
});

/** @param {Page} page */
function focused(page) {
  return page.evaluate(() => document.activeElement?.id ?? "");
}

/** Runs in the page: the contrast of each field's border to what it is on. */
function fieldContrasts() {
  const parse = (/** @type {string} */ colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (/** @type {number[]} */ rgb) => {
    const [r = 0, g = 0, b = 0] = rgb.slice(0, 3).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (/** @type {Element | null} */ e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length > 0 && colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("input[type=text], select, textarea")].map((field) => {
    const border = luminance(parse(getComputedStyle(field).borderTopColor));
    const contrasts = [behind(field), behind(field.parentElement)].map((on) => {
      const [light, dark] = [Math.max(border, luminance(on)), Math.min(border, luminance(on))];
      return (light + 0.05) / (dark + 0.05);
    });
    return { id: field.id, contrast: Math.min(...contrasts) };
  });
}

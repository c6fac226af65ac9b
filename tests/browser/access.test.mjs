// All pages in their states under axe, and where the focus is.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { clean } from "./harness/axe.mjs";
import { fieldContrasts } from "./harness/borders.mjs";
import { launch } from "./harness/browser.mjs";
import { Crowd, tilesShow } from "./harness/crowd.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene, goLive, isLive, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("pages for everybody", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("axe finds nothing on the start page, nor where there is no page", async () => {
    const publisher = await scene.publisher("axe-list", "cam", "vp8", { listed: true });
    const start = await scene.page("/");
    await until("the room is listed", () => start.locator(".rooms a").first().isVisible());
    await clean(start, "start");
    await start.fill("#room", "n".repeat(65));
    await start.keyboard.press("Enter");
    await clean(start, "start, with a name that is too long");
    const missing = await scene.page("/nothing/here");
    await clean(missing, "no such page");
    await close(publisher, start, missing);
  });

  test("axe finds nothing on the publish page in any of its states", async () => {
    const page = await scene.page("/publish?room=axe&stream=cam&quality=360");
    await until("the preview is there", () => page.locator("#go").isEnabled());
    await clean(page, "publish, before");
    await goLive(page);
    await page.click("#blank");
    await clean(page, "publish, live");
    const namesake = await scene.page("/publish?room=axe&stream=cam&quality=360");
    await namesake.click("#go");
    await until("the name is refused", async () => /is live as .cam. already/.test((await namesake.textContent("#notice-title")) ?? ""));
    await clean(namesake, "publish, with a name that is in use");
    const denied = await launch({ camera: "deny" });
    const refused = await scene.page("/publish", { browser: denied });
    await until("it is said", () => refused.locator("#notice").isVisible());
    await clean(refused, "publish without a camera");
    const unseen = await scene.page("/room/axe-denied", { browser: denied });
    await until("it is said", () => unseen.locator("#join-again").isVisible());
    await clean(unseen, "meeting, before, without a camera");
    await join(unseen);
    await clean(unseen, "meeting without a camera");
    await denied.close();
    await close(page, namesake);
  });

  test("axe finds nothing on the watch page in any of its states", async () => {
    const crowd = await Crowd.of(scene, "axe-watch");
    await crowd.growTo(2);
    const ending = await Crowd.of(scene, "axe-watch");
    await ending.come({ name: "Cy", stream: "cy" });
    const ended = await scene.page("/watch/axe-watch/cy");
    await tilesShow(ended, 1);
    await ending.end();
    // A browser that is gone says no goodbye, and is waited for.
    await until("it has ended", async () => /has ended/.test((await ended.textContent(".tile .say")) ?? ""));
    const watch = await scene.page("/watch/axe-watch");
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
    await clean(watch, "watch with the chat");
    const [empty, nowhere] = [await scene.page("/watch/axe-empty"), await scene.page("/watch/%2e")];
    await clean(empty, "watch, nobody live");
    await clean(nowhere, "watch without a room");
    await clean(ended, "watch, ended");
    await crowd.end();
    await close(watch, ended, empty, nowhere);
  });

  test("axe finds nothing in a meeting in any of its states", async () => {
    const room = await scene.page("/room/axe-room?name=Ada");
    await until("one can join", () => room.locator("#join").isEnabled());
    await clean(room, "meeting, before");
    await join(room);
    await clean(room, "meeting, alone");
    await room.click("#blank");
    await room.click("#mute");
    await clean(room, "meeting, silent");
    const second = await room.context().newPage();
    await second.goto(room.url());
    await until("it is said that the room is open elsewhere", () => second.locator("#join-elsewhere").isVisible());
    await clean(second, "meeting, before, open elsewhere");
    await second.click("#join-elsewhere button");
    await until("the first has left", () => room.locator("#notice").isVisible());
    await clean(room, "meeting, gone on with in another tab");
    await close(room);
  });

  test("axe finds nothing on pages whose server is gone", async () => {
    const other = await Scene.set();
    const publisher = await other.publisher("gone", "cam");
    const watch = await other.viewer("gone");
    const meeting = await join(await other.page("/room/gone?name=Ada"));
    for (const page of [watch, meeting]) await picturesMove(page, `${tile("cam")} video`);
    await other.server.stop();
    for (const page of [watch, meeting]) await until("the tile says so", () => page.locator(`${tile("cam")}[data-face="broken"]`).isVisible());
    await until("the meeting says that nobody sees this person", async () => /do not see you/.test((await meeting.textContent("#notice-title")) ?? ""));
    await until("the publish page says so", async () => /server is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    for (const [where, page] of Object.entries({ publisher, watch, meeting })) await clean(page, `${where}, the server is gone`);
    await other.browser.close();
  });

  test("the borders of fields stand out against what is around them, three to one", async () => {
    const start = await scene.page("/");
    const publish = await scene.page("/publish");
    const meeting = await scene.page("/room/borders");
    for (const [page, fields] of /** @type {const} */ ([[start, 1], [publish, 6], [meeting, 3]])) await standOut(page, fields);
    await goLive(publish);
    await standOut(publish, 1);
    await join(meeting);
    await standOut(meeting, 2);
    await close(start, publish, meeting);
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
    await page.context().close();
  });

  test("a meeting that is closed without Leave asks, and goes on unless one says yes; Leave does not ask", async () => {
    const meeting = await join(await scene.page("/room/stay?name=Ada"));
    const other = await join(await scene.page("/room/stay?name=Bo"));
    await picturesMove(other, ".tile video");
    await until("it is live", async () => /LIVE/.test(await meeting.title()));
    const asked = meeting.waitForEvent("dialog");
    await meeting.close({ runBeforeUnload: true });
    const dialog = await asked;
    assert.equal(dialog.type(), "beforeunload");
    await dialog.dismiss();
    await picturesMove(other, ".tile video");
    assert.match(await meeting.title(), /LIVE/);
    meeting.once("dialog", (again) => void again.accept());
    await meeting.close({ runBeforeUnload: true });
    await until("Ada is gone", async () => (await other.locator(".tile").count()) === 0);
    let more = 0;
    other.on("dialog", () => void (more += 1));
    await other.click("#leave");
    await other.waitForURL(`${scene.server.url}/`);
    assert.equal(more, 0);
    await close(meeting, other);
  });
});

/** @param {Page[]} pages */
async function close(...pages) {
  for (const page of pages) await page.context().close();
}

/**
 * @param {Page} page
 * @param {number} count of fields that are seen
 */
async function standOut(page, count) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const fields = await page.evaluate(fieldContrasts);
    assert.ok(fields.length >= count, `${fields.length} fields of ${page.url()}`);
    assert.deepEqual(fields.filter(({ contrast }) => !(contrast >= 3)), [], `${page.url()}, ${colorScheme}`);
  }
}

/** @param {Page} page */
function focused(page) {
  return page.evaluate(() => document.activeElement?.id ?? "");
}

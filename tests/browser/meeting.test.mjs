// The meeting page: joining, what it knows of its own stream, and its words.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { clean } from "./harness/axe.mjs";
import { Crowd } from "./harness/crowd.mjs";
import { unplug } from "./harness/devices.mjs";
import { picturesMove } from "./harness/observe.mjs";
import { play } from "./harness/player.mjs";
import { Scene, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("meeting", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("nothing is sent, and nobody is there, before the click that joins", async () => {
    const ada = await scene.page("/room/door?name=Ada");
    await until("the preview is there", () => ada.locator("#join-preview").isVisible());
    assert.deepEqual(await streams("door"), []);
    const bo = await join(await scene.page("/room/door?name=Bo"));
    await until("Bo is alone", async () => /^1 person/.test((await bo.textContent(".people summary")) ?? ""));
    await ada.fill("#join-name", "Ada L.");
    await join(ada);
    await picturesMove(bo, ".tile video");
    assert.equal(await bo.textContent(".tile .name"), "Ada L.");
    await picturesMove(ada, ".tile video");
    for (const page of [ada, bo]) await page.context().close();
  });

  test("one can join without camera and microphone, and turn them on later", async () => {
    const ada = await scene.page("/room/quiet?name=Ada");
    await until("the devices are there", async () => (await ada.locator("#camera option").count()) > 1);
    await ada.selectOption("#camera", "none");
    await ada.selectOption("#microphone", "none");
    const bo = await join(await scene.page("/room/quiet?name=Bo"));
    await join(ada);
    await until("Bo sees that Ada is there", async () => /^2 people/.test((await bo.textContent(".people summary")) ?? ""));
    assert.equal((await streams("quiet")).length, 1);
    await ada.click("#blank");
    await picturesMove(bo, ".tile video", { sound: false });
    for (const page of [ada, bo]) await page.context().close();
  });

  test("a meeting is not listed, and who only watches it is named there, a player without a name counted", async () => {
    const ada = await join(await scene.page("/room/unseen?name=Ada"));
    await until("Ada is live", async () => (await streams("unseen")).length === 1);
    assert.deepEqual(await (await fetch(`${scene.server.url}/api/rooms`)).json(), []);
    assert.equal(await ada.textContent("#watching"), "");
    const eve = await scene.page("/watch/unseen?name=Eve");
    await until("Ada sees who watches", async () => (await ada.textContent("#watching")) === "Only watching: Eve");
    await until("so does Eve, without a name", async () => (await eve.textContent("#watching")) === "1 watching");
    const [stream] = await streams("unseen");
    await ada.evaluate(play, { url: `/whep/unseen/${stream.stream}?wait=1` }).catch(async (error) => {
      throw new Error(`${error} for one of ${JSON.stringify([stream, await streams("unseen")])}`);
    });
    await until("a player is counted", async () => (await ada.textContent("#watching")) === "Only watching: Eve, 1 other");
    for (const page of [ada, eve]) await page.context().close();
  });

  test("a copied tab is another guest, and can have the first one leave", async () => {
    const first = await join(await scene.page("/room/twin?name=Ada"));
    await until("it is live", async () => (await streams("twin")).length === 1);
    const opened = first.context().waitForEvent("page");
    await first.evaluate(() => void window.open(location.href));
    const copy = await opened;
    await until("it is said that the room is open elsewhere", () => copy.locator("#join-elsewhere").isVisible());
    await join(copy);
    await until("both are live", async () => (await streams("twin")).length === 2);
    assert.ok(await first.locator("#notice").isHidden(), "the first is not thrown out");
    const third = await first.context().newPage();
    await third.goto(first.url());
    await third.click("#join-elsewhere button");
    await until("the first says so, with the way back", async () => /another tab/.test((await first.textContent("#notice-title")) ?? ""));
    assert.equal(await first.textContent("#notice-action"), "Come back here");
    await until("it has left", async () => (await streams("twin")).length === 0);
    await until("its link has been down for a second", async () => (await first.getAttribute("#link-state", "data-look")) === "lost");
    assert.ok(await first.locator("#notice").isVisible(), "and it says so still");
    await first.click("#notice-action");
    await join(first);
    await until("it is back", async () => (await streams("twin")).length === 1);
    await first.context().close();
  });

  test("a lost microphone and an unplugged camera are said, with the way out", async () => {
    const ada = await join(await scene.page("/room/lost?name=Ada"));
    const bo = await join(await scene.page("/room/lost?name=Bo"));
    await picturesMove(bo, ".tile video");
    await unplug(ada, "audio");
    await until("it is said", async () => /microphone is gone/.test((await ada.textContent("#notice-title")) ?? ""));
    await until("Bo is told", () => bo.locator(".tile .flag").isVisible());
    await ada.click("#notice-action");
    await until("Bo hears Ada again", () => bo.locator(".tile .flag").isHidden());
    assert.ok(await ada.locator("#notice").isHidden());
    await unplug(ada, "video");
    await until("it is said", async () => /camera is gone/.test((await ada.textContent("#notice-title")) ?? ""));
    await until("Bo is told", () => bo.locator('.tile[data-face="off"]').isVisible());
    assert.ok(await ada.locator("#own .say").isVisible(), "and Ada sees that nobody sees her");
    await ada.click("#notice-action");
    await picturesMove(bo, ".tile video");
    assert.ok(await ada.locator("#notice").isHidden());
    for (const page of [ada, bo]) await page.context().close();
  });

  test("who is refused because the place is taken is told, and takes another", async () => {
    const other = await Crowd.of(scene, "taken");
    await other.come({ name: "Somebody", stream: "guest-ada1" });
    const ada = await scene.page("/healthz");
    await ada.evaluate(() => sessionStorage.setItem("chappe.guest", "guest-ada1"));
    await ada.goto(`${scene.server.url}/room/taken?name=Ada`);
    await join(ada);
    await until("it is said", async () => /place in this room is taken/.test((await ada.textContent("#notice-title")) ?? ""));
    assert.doesNotMatch(await ada.title(), /LIVE/);
    await clean(ada, "meeting, the place is taken");
    await ada.click("#notice-action");
    await until("both are live", async () => (await streams("taken")).length === 2);
    await until("the note goes with its cause", () => ada.locator("#notice").isHidden());
    await other.end();
    await ada.context().close();
  });

  test("whose place another device takes is told, and comes back", async () => {
    const telephone = await Crowd.of(scene, "over");
    const ada = await join(await scene.page("/room/over?name=Ada"));
    const [first] = await until("Ada is live", async () => {
      const all = await streams("over");
      return all.length === 1 && /LIVE/.test(await ada.title()) ? all : null;
    });
    // At the last moment: on a busy machine a page may give up its session for another.
    const insteadOf = await ada.evaluate((stream) => sessionStorage.getItem(`chappe.published.over/${stream}`) ?? "", first.stream);
    await telephone.come({ name: "Ada's telephone", stream: first.stream, insteadOf });
    await until("it is said", async () => /another tab or device took your place/.test((await ada.textContent("#notice-title")) ?? "")).catch(async (error) => {
      throw new Error(`${error} but “${await ada.textContent("#notice-title")}”, with ${JSON.stringify(await streams("over"))}, of ${insteadOf}\n${scene.server.log().slice(-4000)}`);
    });
    assert.doesNotMatch(await ada.title(), /LIVE/);
    await until("Ada sees who did", async () => (await ada.textContent(".tile .name")) === "Ada's telephone");
    await ada.click("#notice-action");
    await until("both are live", async () => (await streams("over")).length === 2);
    await until("the note goes with its cause", () => ada.locator("#notice").isHidden());
    await telephone.end();
    await ada.context().close();
  });

  test("m is one's own microphone, the words for sound are others, and only this one stays in the meeting", async () => {
    const ada = await join(await scene.page("/room/words?name=Ada"));
    const bo = await join(await scene.page("/room/words?name=Bo"));
    const cy = await join(await scene.page("/room/words?name=Cy"));
    await until("two tiles", async () => (await bo.locator(".tile").count()) === 2);
    await until("Bo is seen", async () => (await ada.locator(".tile").count()) === 2);
    await bo.evaluate(() => document.body.focus());
    await bo.locator("#main").click({ position: { x: 2, y: 2 } });
    await bo.keyboard.press("m");
    assert.equal(await bo.textContent("#mute"), "Unmute microphone");
    assert.equal(await bo.textContent("#sound"), "Turn off sound");
    await until("the others are told", async () => (await ada.locator(".tile .flag:visible").count()) === 1);
    // Offered while there are others to hide; a forced click waits for nothing.
    await until("each of two can be shown alone", async () => (await bo.locator('.tile button[aria-label^="Show only"]:not([hidden])').count()) === 2);
    const only = bo.locator('.tile button[aria-label^="Show only"]').first();
    await only.click({ force: true });
    assert.equal(await bo.locator(".tile:visible").count(), 1);
    assert.match(bo.url(), /\/room\/words/);
    assert.equal((await streams("words")).length, 3);
    await bo.locator('.tile button[aria-label="Show all"]').click({ force: true });
    assert.equal(await bo.locator(".tile:visible").count(), 2);
    for (const page of [ada, bo, cy]) await page.context().close();
  });

  /** @param {string} room */
  async function streams(room) {
    const all = await (await fetch(`${scene.server.admin}/api/v1/streams`)).json();
    return all.filter((/** @type {any} */ s) => s.room === room);
  }
});

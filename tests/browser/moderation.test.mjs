// An operator mutes who is in a meeting: the others neither see nor hear them, and their own page says why.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { clean } from "./harness/axe.mjs";
import { look, picturesMove } from "./harness/observe.mjs";
import { Scene, goLive, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

describe("moderation", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("who is muted in a meeting is told, can't take it back, and is seen and heard again when it is undone", async () => {
    const ada = await join(await scene.page("/room/court?name=Ada"));
    const bo = await join(await scene.page("/room/court?name=Bo"));
    await picturesMove(bo, ".tile video");
    await mute("court", "Ada", { muted: true });
    await until("Bo is shown that Ada's camera is off", () => bo.locator('.tile[data-face="off"]').isVisible());
    await until("and that her microphone is", () => bo.locator(".tile .flag").isVisible());
    await until("it is said", async () => (await ada.textContent("#notice-title")) === "A moderator muted your camera and microphone.");
    assert.deepEqual([await ada.textContent("#mute"), await ada.textContent("#blank")], ["Muted by a moderator", "Turned off by a moderator"]);
    assert.ok((await ada.locator("#mute").isDisabled()) && (await ada.locator("#blank").isDisabled()));
    await ada.keyboard.press("m");
    assert.equal(await ada.textContent("#mute"), "Muted by a moderator");
    await clean(ada, "meeting, muted by a moderator");
    await mute("court", "Ada", { muted: false, kind: "video" });
    await until("only the sound is muted", async () => (await ada.textContent("#notice-title")) === "A moderator muted your microphone.");
    await picturesMove(bo, ".tile video", { sound: false });
    assert.ok(await bo.locator(".tile .flag").isVisible());
    await mute("court", "Ada", { muted: false });
    await picturesMove(bo, ".tile video");
    await until("the note goes with its cause", () => ada.locator("#notice").isHidden());
    assert.equal(await ada.textContent("#mute"), "Mute microphone");
    for (const page of [ada, bo]) await page.context().close();
  });

  test("a broadcast that goes on sending is not seen, also by who comes meanwhile", async () => {
    const page = await scene.page("/publish?room=stage&stream=cam&codec=vp8&quality=360");
    await goLive(page);
    const first = await scene.viewer("stage");
    await picturesMove(first, ".tile video");
    await mute("stage", null, { muted: true, kind: "video" });
    await until("it is said", async () => (await page.textContent("#notice-title")) === "A moderator muted your camera.");
    const late = await scene.viewer("stage");
    await until("the sound comes", async () => (await look(late, ".tile video")).energy > 0);
    assert.equal((await look(late, ".tile video")).frames, 0, "and no picture of before");
    await mute("stage", null, { muted: false });
    for (const viewer of [first, late]) await picturesMove(viewer, ".tile video");
    for (const one of [page, first, late]) await one.context().close();
  });

  /**
   * @param {string} room
   * @param {string | null} name of the publisher, where there are several
   * @param {Record<string, unknown>} order
   */
  async function mute(room, name, order) {
    const all = await (await fetch(`${scene.server.admin}/api/v1/sessions`)).json();
    const session = all.find((/** @type {any} */ s) => s.room === room && s.kind === "page_publish" && (name === null || s.name === name));
    const answer = await fetch(`${scene.server.admin}/api/v1/sessions/${session.id}/mute`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(order),
    });
    assert.equal(answer.status, 200, await answer.text());
  }
});

// What the pages promise, in Firefox: what is shown is what is sent, nobody is live or watched unawares, and what broke
// looks broken.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AXE, violations } from "./harness/axe.mjs";
import { fieldContrasts } from "./harness/borders.mjs";
import { refuse, unplug } from "./harness/devices.mjs";
import { PHONE, launchFirefox, pictureMoves, shown, text } from "./harness/firefox.mjs";
import { dimsWithWords } from "./harness/looks.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { fingerprint, holdUntilCertain } from "./harness/returning.mjs";
import { join } from "./harness/scene.mjs";
import { close, describeFirefox, goLive, isLive, joinMeeting, says } from "./harness/stage.mjs";
import { until } from "./harness/until.mjs";

describeFirefox("the pages keep what they promise in Firefox", import.meta.url, (stage) => {
  test("what is shown is what is sent: a cancelled picker, no camera, a microphone that is gone", async () => {
    const page = await stage.live("/publish?room=sources&stream=fox&codec=vp8&quality=360");
    const viewer = await stage.scene.viewer("sources");
    await picturesMove(viewer, `${tile("fox")} video`);

    await refuse(page, "getDisplayMedia", "NotAllowedError");
    await page.click('#from label:has(input[value="screen"])');
    await says(page, "#notice-title", /No screen was chosen/);
    assert.ok(await page.$eval('input[name="from"][value="camera"]', (e) => e instanceof HTMLInputElement && e.checked), "the choice is the old one");
    await picturesMove(viewer, `${tile("fox")} video`);
    await page.click("#notice-action");

    await page.select("#camera", "none");
    await until("viewers are told", () => viewer.locator(`${tile("fox")}[data-face="off"]`).isVisible());
    await says(page, "#fact-picture", /^–$/);
    await page.select("#camera", (await page.$eval("#camera option", (e) => (e instanceof HTMLOptionElement ? e.value : ""))) ?? "");
    await picturesMove(viewer, `${tile("fox")} video`);

    await unplug(page, "audio");
    await says(page, "#notice-title", /microphone is gone/);
    await until("viewers are told", () => viewer.locator(`${tile("fox")} .flag`).isVisible());
    await page.click("#notice-action");
    await until("viewers hear it again", () => viewer.locator(`${tile("fox")} .flag`).isHidden());
    assert.ok(!(await shown(page, "#notice")), "the note goes with its cause");
    await close(page, viewer);
  });

  test("nobody is in a meeting before the click that joins, and on a phone Leave is always within reach", async () => {
    const page = await stage.open("/room/door?name=Fox", { viewport: PHONE });
    await until("the preview is there", () => shown(page, "#join-preview"));
    assert.deepEqual(await stage.streams("door"), []);
    const bo = await join(await stage.scene.page("/room/door?name=Bo"));
    await joinMeeting(page);
    await picturesMove(bo, ".tile video");
    assert.equal(await bo.textContent(".tile .name"), "Fox");
    await pictureMoves(page, ".tile video");
    for (const size of [PHONE, { width: 844, height: 390 }, { width: 360, height: 640 }]) {
      await page.setViewport(size);
      await until(`Leave is inside ${size.width} × ${size.height}`, () => page.$eval(".dock .stop", (leave) => {
        const { left, top, right, bottom } = leave.getBoundingClientRect();
        const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && bottom - top >= 40;
        return inside && document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === leave && document.documentElement.scrollWidth <= innerWidth;
      }));
    }
    await page.click("#leave");
    await until("Bo is alone", async () => (await bo.locator(".tile").count()) === 0);
    await close(page, bo);
  });

  test("a meeting is not listed, and who only watches it is named there", async () => {
    const page = await stage.meet("/room/unseen?name=Fox");
    await until("it is live", async () => (await stage.streams("unseen")).length === 1);
    assert.deepEqual(await (await fetch(`${stage.scene.server.url}/api/rooms`)).json(), []);
    const eve = await stage.open("/watch/unseen?name=Eve");
    await says(page, "#watching", /^Only watching: Eve$/);
    await says(eve, "#watching", /^1 watching$/);
    // Nothing is left of who goes to another page: Firefox closes the connection with a code of its own then.
    await eve.goto(stage.scene.server.url);
    await says(page, "#watching", /^$/);
    await close(page, eve);
  });

  test("the room knows its own publishing: a second tab and a camera that is gone, each with the way out", async () => {
    const page = await stage.meet("/room/own?name=Fox");
    const bo = await join(await stage.scene.page("/room/own?name=Bo"));
    await picturesMove(bo, ".tile video");
    await unplug(page, "video");
    await says(page, "#notice-title", /camera is gone/);
    await until("Bo is told", () => bo.locator('.tile[data-face="off"]').isVisible());
    await page.click("#notice-action");
    await picturesMove(bo, ".tile video");
    assert.ok(!(await shown(page, "#notice")));

    const second = await page.browserContext().newPage();
    await second.goto(page.url());
    await until("it is said that the room is open elsewhere", () => shown(second, "#join-elsewhere"));
    await second.click("#join-elsewhere button");
    await says(page, "#notice-title", /another tab/);
    assert.equal(await text(page, "#notice-action"), "Come back here");
    await until("it has left", async () => (await stage.streams("own")).length === 1);
    await close(page, bo);
  });

  test("the focus goes from Go live to Stop, the title says LIVE, and who is live is asked before the page is left", async () => {
    const page = await stage.open("/publish?room=focus&stream=fox&codec=vp8&quality=360");
    await until("one can go live", () => page.$("#go:enabled"));
    await page.focus("#go");
    await page.keyboard.press("Enter");
    await isLive(page);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "stop");
    assert.match(await page.title(), /^● LIVE fox/);
    let asked = 0;
    page.on("dialog", (dialog) => {
      asked += dialog.type() === "beforeunload" ? 1 : 0;
      void dialog.dismiss();
    });
    await page.evaluate(() => void setTimeout(() => location.assign("/"), 0));
    await until("it is asked", async () => asked === 1);
    assert.match(await page.evaluate(() => location.pathname), /^\/publish/);
    assert.ok(await shown(page, "#live-badge.live"));
    await page.click("#stop");
    await until("one could go live again", () => shown(page, "#go"));
    assert.equal(await page.evaluate(() => document.activeElement?.id), "go");
    assert.doesNotMatch(await page.title(), /LIVE/);
    await close(page);
  });

  test("axe finds nothing on the pages", async () => {
    for (const path of ["/", "/publish", "/watch/axe", "/room/axe"]) {
      const page = await stage.open(path, { viewport: PHONE });
      await page.evaluate(AXE);
      assert.deepEqual(await page.evaluate(violations), [], path);
      await close(page);
    }
  });

  for (const dark of [false, true]) {
    test(`the borders of fields stand out against what is around them, three to one, where pages are ${dark ? "dark" : "light"}`, async () => {
      const browser = dark ? await launchFirefox({ dark }) : stage.firefox;
      const open = (/** @type {string} */ path) => stage.open(path, { browser });
      const [start, publish, meeting] = [await open("/"), await open("/publish"), await open("/room/borders")];
      assert.equal(await start.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches), dark);
      await until("the devices are there", () => publish.$("#go:enabled"));
      await until("one can join", () => meeting.$("#join:enabled"));
      for (const [page, fields] of /** @type {const} */ ([[start, 1], [publish, 6], [meeting, 3]])) await standOut(page, fields);
      await goLive(publish);
      await standOut(publish, 1);
      await joinMeeting(meeting);
      await standOut(meeting, 2);
      await close(start, publish, meeting);
      if (dark) await browser.close();
    });
  }

  test("a question to the server that is lost flashes nothing on the start page", async () => {
    const page = await stage.open("/");
    await until("it is known what is live", async () => (await shown(page, ".rooms a")) || (await shown(page, "#rooms-empty")));
    await page.evaluate(() => {
      const note = document.querySelector("#rooms-state");
      const real = window.fetch;
      const seen = Object.assign(window, { said: [""], asked: 0, loses: (/** @type {number} */ asked) => asked === 1 });
      if (note) new MutationObserver(() => seen.said.push(note.textContent ?? "")).observe(note, { childList: true });
      window.fetch = async (...args) => {
        if (String(args[0]).endsWith("api/rooms") && seen.loses((seen.asked += 1))) throw new TypeError("lost");
        return real(...args);
      };
    });
    await until("it was asked again", () => page.evaluate(() => /** @type {any} */ (window).asked >= 3));
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).said.filter(Boolean)), []);
    await page.evaluate(() => void Object.assign(window, { loses: () => true }));
    await says(page, "#rooms-state", /not reachable/);
    await page.evaluate(() => void Object.assign(window, { loses: () => false }));
    await says(page, "#rooms-state", /^$/);
    await close(page);
  });

  test("a page that is loaded anew shows the certificate that it had", async () => {
    const publisher = await stage.scene.publisher("anew", "cam");
    const viewer = await stage.open("/healthz");
    await viewer.evaluateOnNewDocument(holdUntilCertain);
    await viewer.goto(`${stage.scene.server.url}/watch/anew`);
    await pictureMoves(viewer, `${tile("cam")} video`);
    const before = await fingerprint(viewer);
    await viewer.reload();
    await pictureMoves(viewer, `${tile("cam")} video`);
    assert.equal(await fingerprint(viewer), before);
    await close(publisher, viewer);
  });

  // The last one: it ends the server.
  test("a stream that ended, and a server that is gone, are said over a dimmed picture", async () => {
    const publisher = await stage.scene.publisher("gone", "cam");
    const ending = await stage.scene.publisher("gone", "other");
    const one = await stage.open("/watch/gone/other");
    await pictureMoves(one, `${tile("other")} video`);
    await ending.context().close();
    await says(one, `${tile("other")} .say`, /has ended/);
    // A tab behind another one shows nothing to anybody, and looks at nothing: this one is in front.
    const page = await stage.open("/watch/gone");
    await pictureMoves(page, `${tile("cam")} video`);
    await dimsWithWords(page, stage.scene.server);
    await says(page, "#link-state", /Reconnecting/);
    await page.setViewport(PHONE);
    await until("the name of the room can be read on a phone", () => page.$eval("#place", (place) => place.clientWidth > 0 && place.scrollWidth <= place.clientWidth));
    await close(page, one, publisher);
  });
});

/**
 * @param {import("puppeteer-core").Page} page
 * @param {number} count of fields that are seen
 */
async function standOut(page, count) {
  const fields = await page.evaluate(fieldContrasts);
  assert.ok(fields.length >= count, `${fields.length} fields of ${page.url()}`);
  assert.deepEqual(fields.filter(({ contrast }) => !(contrast >= 3)), [], page.url());
}

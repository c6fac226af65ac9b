// The pages as somebody new to them uses them, in Firefox: from the start page on, in a meeting, in the chat, on a phone.
// Runs alone: pictures are encoded and decoded in two kinds of browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Crowd, tilesShow } from "./harness/crowd.mjs";
import { PHONE, launchFirefox, pictureMoves, shown, text } from "./harness/firefox.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { GROWS_WITHIN_MS } from "./harness/player.mjs";
import { join } from "./harness/scene.mjs";
import { close, describeFirefox, goLive, joinMeeting, says } from "./harness/stage.mjs";
import { faults } from "./harness/tiles.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** Written from right to left, with a space. */
const TITLE = "חדר הישיבות של הצוות";

describeFirefox("somebody new walks through the pages in Firefox", import.meta.url, (stage) => {
  test("Enter on the start page leads to publishing, in a room of any name, which is shown wherever the room is", async () => {
    const page = await stage.open("/");
    await page.type("#room", TITLE);
    assert.equal(await direction(page, "#room"), "rtl");
    await page.keyboard.press("Enter");
    await until("it is the publish page", () => /\/publish\?room=xn--/.test(page.url()));
    await until("the room is there", () => page.$("#room"));
    assert.equal(await valueOf(page, "#room"), TITLE);
    await page.select("#quality", "360");
    await page.click("#listed");
    await goLive(page);
    const { pathname } = new URL(await valueOf(page, "#link"));
    const viewer = await stage.open(pathname.split("/").slice(0, 3).join("/"));
    await pictureMoves(viewer, ".tile video");
    assert.equal(await text(viewer, "#place strong"), TITLE);
    assert.equal(await direction(viewer, "#place strong"), "rtl");
    assert.match(await text(viewer, "#place .id"), /^xn--/);
    assert.equal(await viewer.title(), `${TITLE} · Chappe`);
    const start = await stage.open("/", { viewport: PHONE });
    await until("it is listed", () => start.$$eval(".rooms strong", (all, title) => all.some((one) => one.textContent === title), TITLE));
    assert.ok(await start.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the list fits a phone");
    assert.ok(await start.$$eval(".rooms .count", (all) => all.every((count) => count.getBoundingClientRect().right <= innerWidth)));
    await start.type("#room", TITLE);
    await start.click("button[value=room]");
    await says(start, "#join-step h2", new RegExp(`Join ${TITLE}`));
    await close(page, viewer, start);
  });

  test("a raised quality gives the picture and the rate that were chosen", async () => {
    const page = await stage.live("/publish?room=raised&stream=fox&codec=vp8&quality=360");
    const viewer = await stage.scene.viewer("raised");
    await picturesMove(viewer, `${tile("fox")} video`);
    await says(page, "#fact-picture", /^640 × 360$/);
    await page.select("#quality", "720");
    await until("the rate may be as high", async () => (await limits(page)).includes(2_500_000)).catch(async (error) => assert.fail(`${error}: ${await limits(page)}`));
    await until("the picture has the size", async () => (await text(page, "#fact-picture")) === "1280 × 720", { withinMs: GROWS_WITHIN_MS }).catch(async (error) => {
      assert.fail(`${error}: ${await text(page, "#fact-picture")}, the camera gives ${await page.$eval("#preview", (v) => (v instanceof HTMLVideoElement ? [v.videoWidth, v.videoHeight] : []))}`);
    });
    await picturesMove(viewer, `${tile("fox")} video`);
    await close(page, viewer);
  });

  test("who is refused because the place is taken is told, and takes another", async () => {
    const other = await Crowd.of(stage.scene, "taken");
    await other.come({ name: "Somebody", stream: "guest-fox1" });
    const page = await stage.open("/healthz");
    await page.evaluate(() => sessionStorage.setItem("chappe.guest", "guest-fox1"));
    await page.goto(`${stage.scene.server.url}/room/taken?name=Fox`);
    await joinMeeting(page);
    await says(page, "#notice-title", /place in this room is taken/);
    assert.doesNotMatch(await page.title(), /LIVE/);
    assert.equal(await text(page, "#notice-action"), "Take another place");
    await page.click("#notice-action");
    await until("both are live", async () => (await stage.streams("taken")).length === 2);
    await until("the note goes with its cause", async () => !(await shown(page, "#notice")));
    await other.end();
    await close(page);
  });

  test("whose place another device takes is told, and comes back", async () => {
    const telephone = await Crowd.of(stage.scene, "over");
    const page = await stage.meet("/room/over?name=Fox");
    const [first] = await until("it is live", async () => {
      const all = await stage.streams("over");
      return all.length === 1 && /LIVE/.test(await page.title()) ? all : null;
    });
    const insteadOf = await page.evaluate((stream) => sessionStorage.getItem(`chappe.published.over/${stream}`) ?? "", first.stream);
    await telephone.come({ name: "Fox's telephone", stream: first.stream, insteadOf });
    await says(page, "#notice-title", /another tab or device took your place/);
    assert.doesNotMatch(await page.title(), /LIVE/);
    await says(page, ".tile .name", /^Fox's telephone$/);
    assert.equal(await text(page, "#notice-action"), "Come back");
    await page.click("#notice-action");
    await until("both are live", async () => (await stage.streams("over")).length === 2);
    await until("the note goes with its cause", async () => !(await shown(page, "#notice")));
    await telephone.end();
    await close(page);
  });

  test("m is one's own microphone, the words for sound are others, and only this one stays in the meeting", async () => {
    const ada = await join(await stage.scene.page("/room/words?name=Ada"));
    const cy = await join(await stage.scene.page("/room/words?name=Cy"));
    const fox = await stage.meet("/room/words?name=Fox");
    await until("the fox sees two", async () => (await fox.$$(".tile")).length === 2);
    await until("the fox is seen", async () => (await ada.locator(".tile").count()) === 2);
    assert.deepEqual([await text(fox, "#mute"), await text(fox, "#sound")], ["Mute microphone", "Turn off sound"]);
    await fox.keyboard.press("m");
    assert.deepEqual([await text(fox, "#mute"), await text(fox, "#sound")], ["Unmute microphone", "Turn off sound"]);
    await until("the others are told", async () => (await ada.locator(".tile .flag:visible").count()) === 1);
    const alone = ".tile button[aria-label^=\"Show only\"]:not([hidden])";
    await until("each of two can be shown alone", async () => (await fox.$$(alone)).length === 2);
    await fox.$eval(alone, (button) => button instanceof HTMLElement && button.click());
    assert.equal(await visible(fox, ".tile"), 1);
    assert.match(fox.url(), /\/room\/words/);
    assert.equal((await stage.streams("words")).length, 3);
    await fox.$eval('.tile button[aria-label="Show all"]', (button) => button instanceof HTMLElement && button.click());
    assert.equal(await visible(fox, ".tile"), 2);
    await close(ada, cy, fox);
  });

  test("who goes to another page, loads it anew or closes the tab is gone at once", async () => {
    const ada = await join(await stage.scene.page("/room/leaving?name=Ada"));
    const watching = (/** @type {string} */ words) => until(`“${words}” is said`, async () => (await ada.textContent("#watching")) === words);
    const eve = await stage.open("/watch/leaving?name=Eve");
    await watching("Only watching: Eve");
    const before = await members("leaving");
    await eve.reload();
    await until("another Eve is there, and the first one is not", async () => {
      const now = await members("leaving");
      return now.length === 2 && String(now) !== String(before);
    });
    await eve.goto(stage.scene.server.url);
    await watching("");
    await eve.goBack();
    await watching("Only watching: Eve");
    await until("she sees who is there", () => eve.$('#link-state[data-phase="open"]'));
    // As a person closes it. Without this the tab is torn down unasked, and Firefox loses now and then what its page said last.
    await eve.close({ runBeforeUnload: true });
    await watching("");
    await close(ada);
  });

  test("web addresses in the chat can be followed, in any script's text, and nothing else becomes a link", async () => {
    const page = await stage.meet("/room/links?name=Fox");
    await page.type("#chat-text", "שלום https://a.example/x, javascript:alert(1) <a href=https://b.example>");
    assert.equal(await direction(page, "#chat-text"), "rtl");
    await page.keyboard.press("Enter");
    await until("it is said", () => page.$(".said p"));
    const links = await page.$$eval(".said a", (all) => all.map((a) => (a instanceof HTMLAnchorElement ? [a.href, a.target, a.rel] : [])));
    const how = ["_blank", "noopener noreferrer nofollow"];
    assert.deepEqual(links, [["https://a.example/x", ...how], ["https://b.example/", ...how]]);
    assert.equal(await direction(page, ".said p"), "rtl");
    await close(page);
  });

  test("on a phone no picture covers another, however many others there are", async () => {
    const crowd = await Crowd.of(stage.scene, "sizes");
    const page = await stage.meet("/room/sizes?name=Fox", PHONE);
    for (const others of [0, 1, 2, 5]) {
      await crowd.growTo(others);
      await tilesShow(page, others);
      for (const size of [PHONE, { width: 844, height: 390 }, { width: 360, height: 640 }]) {
        await page.setViewport(size);
        const where = `${others} others at ${size.width}×${size.height}`;
        await until(`${where}: laid out`, async () => (await faults(page)).length === 0).catch(async (error) => assert.fail(`${where}: ${(await faults(page)).join("; ")}\n${error}`));
      }
    }
    await crowd.end();
    await close(page);
  });

  test("where there is no pointer the statistics lie beside a tile's tools and name, or make way for them", async () => {
    const crowd = await Crowd.of(stage.scene, "facts");
    await crowd.growTo(1);
    const page = await stage.open("/watch/facts", { viewport: PHONE });
    assert.ok(await page.evaluate(() => matchMedia("(hover: none)").matches), "Firefox without a screen has no pointer");
    await pictureMoves(page, ".tile video");
    await page.click("#facts");
    await until("they are there", () => shown(page, ".tile .facts"));
    assert.deepEqual(await covered(page), []);
    await crowd.growTo(4);
    await tilesShow(page, 4);
    await page.setViewport({ width: 844, height: 390 });
    await until("the small ones fit", async () => (await covered(page)).length === 0).catch(async (error) => assert.fail(`${error}: ${await covered(page)}`));
    await page.setViewport(PHONE);
    await page.focus(".tile");
    await until("those of the tile that was tapped are gone", async () => (await visible(page, ".tile .facts")) === 3);
    await crowd.end();
    await close(page);
  });

  test("a picture whose sound waits for a tap says so, and one tap is enough for all", async () => {
    const strict = await launchFirefox({ autoplay: false });
    const crowd = await Crowd.of(stage.scene, "tap");
    await crowd.growTo(2);
    const page = await stage.open("/healthz", { viewport: PHONE, browser: strict });
    await page.evaluateOnNewDocument(tellTaps);
    /** @type {string[]} */
    const told = [];
    page.on("console", (message) => void told.push(message.text()));
    await page.goto(`${stage.scene.server.url}/watch/tap`);
    await until("it is written on both, and nobody has touched the page", () => told.includes("untouched: Tap for sound, Tap for sound"));
    await pictureMoves(page, ".tile video");
    const taps = () => page.$$eval(".tile .tap", (all) => all.filter((tap) => tap.checkVisibility()).map((tap) => tap.textContent));
    await page.click(".tile .tap");
    await until("both are heard", () => page.$$eval(".tile video", (all) => all.length === 2 && all.every((video) => video instanceof HTMLVideoElement && !video.muted && !video.paused)));
    assert.deepEqual(await taps(), []);
    await crowd.end();
    await strict.close();
  });

  /**
   * Ids of who is in a room.
   * @param {string} room
   * @returns {Promise<string[]>}
   */
  async function members(room) {
    const { member_list: list } = await (await fetch(`${stage.scene.server.admin}/api/v1/rooms/${room}`)).json();
    return list.map((/** @type {any} */ one) => one.id).sort();
  }
});

/**
 * Runs in the page, and tells by itself: a look of Puppeteer's counts as a person's click there, which allows the page to
 * play sound.
 */
function tellTaps() {
  let before = "";
  setInterval(() => {
    const taps = [...document.querySelectorAll(".tile .tap")].filter((tap) => tap.checkVisibility());
    const now = `${navigator.userActivation.hasBeenActive ? "touched" : "untouched"}: ${taps.map((tap) => tap.textContent).join(", ")}`;
    if (now !== before) console.log(now);
    before = now;
  }, 100);
}

/**
 * @param {Page} page
 * @param {string} selector
 */
function direction(page, selector) {
  return page.$eval(selector, (element) => getComputedStyle(element).direction);
}

/**
 * @param {Page} page
 * @param {string} selector
 */
function valueOf(page, selector) {
  return page.$eval(selector, (element) => (element instanceof HTMLInputElement ? element.value : ""));
}

/**
 * What of a tile lies over its statistics.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
function covered(page) {
  return page.$$eval(".tile", (tiles) => tiles.flatMap((tile) => {
    const facts = tile.querySelector(".facts");
    if (!facts?.checkVisibility()) return [];
    const one = facts.getBoundingClientRect();
    return [...tile.querySelectorAll(".tools button, .name")].filter((e) => e.checkVisibility({ opacityProperty: true })).flatMap((e) => {
      const other = e.getBoundingClientRect();
      const apart = other.left >= one.right || other.right <= one.left || other.top >= one.bottom || other.bottom <= one.top;
      return apart ? [] : [`${e.getAttribute("aria-label") ?? e.textContent} over the statistics of a tile ${Math.round(tile.getBoundingClientRect().width)} px wide`];
    });
  }));
}

/**
 * How many of these a person sees.
 * @param {Page} page
 * @param {string} selector
 */
function visible(page, selector) {
  return page.$$eval(selector, (all) => all.filter((element) => element.checkVisibility()).length);
}

/**
 * Of what its senders of pictures may send.
 * @param {Page} page
 * @returns {Promise<number[]>}
 */
function limits(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeVideoLimits());
}

// What the pages say and how they look, with the real server behind them.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "./harness/browser.mjs";
import { instrument, look, picturesMove, tile } from "./harness/observe.mjs";
import { Scene, goLive, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";
import { untouched } from "./harness/untouched.mjs";

/** @typedef {import("playwright-core").Page} Page */

const SHOTS = path.join(path.dirname(fileURLToPath(import.meta.url)), "screenshots");
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

describe("pages", () => {
  /** @type {Scene} */
  let scene;
  before(async () => {
    scene = await Scene.set();
    await mkdir(SHOTS, { recursive: true });
  });
  after(() => scene?.end());

  test("the start page lists a broadcast whose publisher said so while it is live, and leads to it", async () => {
    const page = await scene.page("/");
    await until("it says that nothing is listed", () => page.locator("#rooms-empty").isVisible());
    const publisher = await scene.publisher("listed", "cam", "vp8", { listed: true });
    await page.click(`.rooms a[href="/watch/listed"]`);
    await picturesMove(page, `${tile("cam")} video`);
    await until("the publisher sees that somebody watches", async () => (await publisher.textContent("#watching")) === "1 watching");
    // Somebody else in the room neither hides it nor is shown.
    const stranger = await scene.publisher("listed", "stranger", "vp8");
    await page.goto(`${scene.server.url}/`);
    await page.click(`.rooms a[href="/watch/listed/cam"]`);
    await picturesMove(page, `${tile("cam")} video`);
    assert.equal(await page.locator(tile("stranger")).count(), 0);
    for (const one of [stranger, publisher, page]) await one.context().close();
  });

  test("the start page takes a room's name and refuses one that is too long, until it is changed", async () => {
    const page = await scene.page("/");
    const hint = await page.textContent("#room-hint");
    await page.fill("#room", "n".repeat(65));
    await page.click("button[value=watch]");
    assert.match((await page.textContent("#room-hint")) ?? "", /too long/);
    await page.fill("#room", "fine-1");
    assert.equal(await page.textContent("#room-hint"), hint, "what was wrong is not said any more");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/publish?room=fine-1");
    await page.context().close();
  });

  test("a room may have any name: it is shown beside its id wherever the room is", async () => {
    const title = "회의실 Süd";
    const page = await scene.page("/");
    await page.fill("#room", title);
    await page.click("button[value=publish]");
    await page.waitForURL("**/publish?room=xn--*");
    assert.equal(await page.inputValue("#room"), title);
    await page.selectOption("#quality", "360");
    await page.check("#listed");
    await goLive(page);
    const link = await page.inputValue("#link");
    const viewer = await scene.page(new URL(link).pathname.split("/").slice(0, 3).join("/"));
    assert.equal(await viewer.textContent("#place strong"), title);
    assert.match((await viewer.textContent("#place .id")) ?? "", /^xn--/);
    assert.equal(await viewer.title(), `${title} · Chappe`);
    await until("there is a picture", () => viewer.locator(".tile").first().isVisible());
    const start = await scene.page("/");
    await until("it is listed", async () => (await start.locator(".rooms strong").allTextContents()).includes(title));
    await start.fill("#room", title);
    await start.click("button[value=room]");
    await start.waitForURL("**/room/xn--*");
    assert.equal(await start.textContent("#join-step h2"), `Join ${title}`);
    for (const one of [page, viewer, start]) await one.context().close();
  });

  test("a question to the server that is lost flashes nothing on the start page", async () => {
    const page = await scene.page("/");
    await until("it is known what is live", async () => (await page.locator(".rooms a:visible, #rooms-empty:visible").count()) > 0);
    await page.evaluate(() => {
      const note = document.querySelector("#rooms-state");
      Object.assign(window, { said: [] });
      if (note) new MutationObserver(() => /** @type {any} */ (window).said.push(note.textContent)).observe(note, { childList: true });
    });
    let lost = 0;
    await page.route("**/api/rooms", (route) => (lost++ === 0 ? route.abort() : route.continue()));
    await until("it was asked again", async () => lost >= 3);
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).said.filter(Boolean)), []);
    await page.route("**/api/rooms", (route) => route.abort());
    await until("what lasts is said", async () => /not reachable/.test((await page.textContent("#rooms-state")) ?? ""));
    await page.unroute("**/api/rooms");
    await until("and is gone with its cause", async () => (await page.textContent("#rooms-state")) === "");
    await page.context().close();
  });

  test("a camera that is not allowed is said, with a way to try again", async () => {
    const browser = await launch({ camera: "deny" });
    const page = await scene.page("/publish?room=denied", { browser });
    await until("the notice is there", () => page.locator("#notice").isVisible());
    assert.match((await page.textContent("#notice-title")) ?? "", /not allowed/);
    assert.equal(await page.textContent("#notice-action"), "Try again");
    assert.ok(await page.locator("#go").isDisabled());
    await browser.close();
  });

  test("no camera and no microphone is said, and the screen offered", async () => {
    const page = await scene.page("/publish?room=none");
    await page.addInitScript(() => (MediaDevices.prototype.enumerateDevices = async () => []));
    await page.reload();
    await until("the notice is there", () => page.locator("#notice").isVisible());
    assert.match((await page.textContent("#notice-title")) ?? "", /No camera or microphone/);
    await page.context().close();
  });

  test("a codec that the viewer cannot decode is said in the tile, and sound goes on", async () => {
    const publisher = await scene.publisher("unsupported", "cam", "av1");
    const context = await scene.browser.newContext();
    await instrument(context);
    await context.addInitScript(() => {
      const add = RTCPeerConnection.prototype.addTransceiver;
      RTCPeerConnection.prototype.addTransceiver = function (what, options) {
        const transceiver = add.call(this, what, options);
        const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
        if (what === "video") transceiver.setCodecPreferences(codecs.filter((c) => /VP8|rtx/.test(c.mimeType)));
        return transceiver;
      };
    });
    const viewer = await context.newPage();
    await viewer.goto(`${scene.server.url}/watch/unsupported`);
    const face = viewer.locator(`${tile("cam")}[data-face="unsupported"]`);
    await until("the tile says so", () => face.isVisible());
    assert.match((await face.textContent()) ?? "", /AV1/i);
    const energy = () => viewer.evaluate(() => /** @type {any} */ (window).chappeSoundEnergy());
    const before = await energy();
    await until("the sound goes on", async () => (await energy()) > before);
    await context.close();
    await publisher.context().close();
  });

  test("sound that the browser holds back waits for one click", async () => {
    const publisher = await scene.publisher("sound", "cam");
    const browser = await launch({ autoplay: false });
    const viewer = await scene.page("/watch/sound", { browser });
    const ask = await untouched(viewer);
    const offered = () => ask(`document.querySelector("#sound")?.textContent`);
    await until("the page offers the sound", async () => (await offered()) === "Turn on sound");
    const button = viewer.locator("#sound");
    await picturesMove(viewer, `${tile("cam")} video`, { sound: false });
    const muted = () => viewer.evaluate(() => document.querySelector("video")?.muted);
    assert.equal(await muted(), true);
    await button.click();
    await until("the sound is on", async () => (await muted()) === false);
    await picturesMove(viewer, `${tile("cam")} video`);
    await browser.close();
    await publisher.context().close();
  });

  test("who comes back to a page that the browser has kept sees what is live", async () => {
    const publisher = await scene.publisher("back", "cam");
    const browser = await launch({ keeps: true });
    const viewer = await scene.page("/watch/back", { browser });
    await picturesMove(viewer, `${tile("cam")} video`);
    await viewer.evaluate(() => addEventListener("pageshow", ({ persisted }) => persisted && sessionStorage.setItem("kept", "yes")));
    await viewer.goto(`${scene.server.url}/healthz`);
    // Playwright's own way back waits for a page that loads.
    await viewer.evaluate(() => history.back());
    await until("it is back", async () => (await viewer.getAttribute("#link-state", "data-phase")) === "open");
    await picturesMove(viewer, `${tile("cam")} video`);
    assert.equal(await viewer.evaluate(() => sessionStorage.getItem("kept")), "yes");
    await browser.close();
    await publisher.context().close();
  });

  test("statistics come and go with a key", async () => {
    const publisher = await scene.publisher("facts", "cam");
    const viewer = await scene.viewer("facts");
    await picturesMove(viewer, `${tile("cam")} video`);
    await viewer.keyboard.press("s");
    const facts = viewer.locator(`${tile("cam")} .facts`);
    await until("they show the codec and the size", async () => /VP8.*opus/is.test((await facts.textContent()) ?? "") && /\d+ × \d+/.test((await facts.textContent()) ?? ""));
    await viewer.keyboard.press("s");
    await until("they are gone", () => facts.isHidden());
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("a page whose server is gone says that it reconnects, and the camera keeps running", async () => {
    const other = await Scene.set();
    const publisher = await other.publisher("gone", "cam");
    await other.server.stop();
    await until("the notice is there", () => publisher.locator("#notice").isVisible());
    assert.match((await publisher.textContent("#notice-title")) ?? "", /reconnecting/);
    await until("the figures do not say that something is sent", async () => (await publisher.textContent("#fact-bitrate")) === "–");
    const preview = await look(publisher, "#preview");
    await until("the preview moves on", async () => (await look(publisher, "#preview")).frames > preview.frames);
    await other.browser.close();
  });

  test("every page fits its screen, names its controls, and breaks no rule of its security policy", async () => {
    const publisher = await scene.publisher("look", "anna", "vp8", { listed: true });
    const second = await scene.publisher("look", "berta", "vp8", { listed: true });
    const pages = { start: "/", publish: "/publish?room=look&stream=carla", watch: "/watch/look", one: "/watch/look/anna", empty: "/watch/nobody", joining: "/room/look", room: "/room/look" };
    for (const [name, address] of Object.entries(pages)) {
      for (const [size, viewport] of Object.entries(SIZES)) {
        for (const dark of [false, true]) await inspect(scene, name, address, size, viewport, dark);
      }
    }
    for (const page of [publisher, second]) await page.context().close();
  });
});

/**
 * @param {Scene} scene
 * @param {string} name
 * @param {string} address
 * @param {string} size
 * @param {{width: number, height: number}} viewport
 * @param {boolean} dark
 */
async function inspect(scene, name, address, size, viewport, dark) {
  const page = await scene.page("/healthz", { viewport, dark });
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(scene.server.url + address);
  if (name === "room") await join(page);
  await settled(page, name);
  await page.screenshot({ path: path.join(SHOTS, `${name}-${size}${dark ? "-dark" : ""}.png`) });
  const found = await page.evaluate(() => {
    const visible = [...document.querySelectorAll("button, a, input, select, video")].filter((e) => e.checkVisibility());
    const named = (/** @type {Element} */ e) =>
      e.getAttribute("aria-label") || e.textContent?.trim() || e.getAttribute("title") || (e instanceof HTMLInputElement || e instanceof HTMLSelectElement ? e.labels?.length : 0);
    return {
      wider: document.documentElement.scrollWidth - innerWidth,
      nameless: visible.filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 120)),
      cut: [...document.querySelectorAll("#place, #watching")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent),
      ids: [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, n, all) => all.indexOf(id) !== n),
    };
  });
  assert.ok(found.wider <= 0, `${name} on a ${size} is ${found.wider} px too wide`);
  assert.deepEqual(found.nameless, [], `${name}: controls without a name`);
  assert.deepEqual(found.cut, [], `${name} on a ${size}: words that can't be read`);
  assert.deepEqual(found.ids, [], `${name}: ids used twice`);
  assert.deepEqual(complaints, [], `${name}: the console`);
  await page.context().close();
}

/**
 * @param {Page} page
 * @param {string} name
 */
async function settled(page, name) {
  const playing = (/** @type {string} */ stream) => `${tile(stream)}[data-face="playing"]`;
  // In any order: a publisher that lost its server for a moment may be the younger one now.
  const both = `body:has(${playing("anna")}):has(${playing("berta")})`;
  const ready = {
    start: ".rooms a",
    publish: "#go:enabled",
    watch: both,
    one: playing("anna"),
    empty: "#nobody",
    room: both,
    joining: "#join:enabled",
  };
  await page.waitForSelector(ready[/** @type {keyof typeof ready} */ (name)]);
}

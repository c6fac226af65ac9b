// What a page costs before it can be used: requests, and bytes on the wire.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

const REQUESTS_MAX = 6;
const WIRE_BYTES_MAX = 60_000;
const PAGES = { start: "/", publish: "/publish", watch: "/watch/weight", room: "/room/weight", missing: "/nothing" };

for (const below of ["", "/site/live"]) describe(`the weight of pages${below && ` below ${below}`}`, () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set({ server: { args: below ? ["--base-path", below] : [] } })));
  after(() => scene?.end());

  for (const [name, path] of Object.entries(PAGES)) {
    test(`the ${name} page is at most ${REQUESTS_MAX} requests and ${WIRE_BYTES_MAX / 1000} kB, and the second time only itself`, async () => {
      const page = await scene.page("/healthz");
      // Else the browser's own search for an icon of that page falls into the count.
      await page.goto("about:blank");
      const wire = await Wire.watch(page);

      await page.goto(scene.server.url + below + path, { waitUntil: "load" });
      await until("the style is there", () => page.evaluate(() => document.styleSheets.length > 0));
      const first = await wire.taken();
      const bytes = first.reduce((sum, request) => sum + request.bytes, 0);
      console.log(`${name}: ${first.length} requests, ${bytes} bytes`);
      assert.ok(first.length <= REQUESTS_MAX, `${first.length} requests:\n${list(first)}`);
      assert.ok(bytes <= WIRE_BYTES_MAX, `${bytes} bytes:\n${list(first)}`);

      await page.goto(scene.server.url + below + path, { waitUntil: "load" });
      const again = (await wire.taken()).filter((request) => request.url.includes("/assets/"));
      assert.equal(list(again), "", "what has a hashed name is not asked for again");
      await page.context().close();
    });
  }
});

/**
 * @typedef {object} Asked one request of a page
 * @property {string} url
 * @property {number} bytes
 * @property {boolean} cached
 * @property {string} end how it ended; empty while it goes on
 */

/** What a page asks the server for, as the browser's network sees it. */
class Wire {
  /** @type {Map<string, Asked>} */
  #asked = new Map();
  /** Requests whose head has left the browser, which may be told before the request is. */
  #sent = new Set();
  /** Addresses that were answered in full. */
  #got = new Set();

  /** @param {import("playwright-core").Page} page */
  static async watch(page) {
    const wire = new Wire();
    const outside = await page.context().newCDPSession(page);
    await outside.send("Network.enable");
    const begin = (/** @type {string} */ id, /** @type {string} */ url) => void wire.#asked.set(id, { url, bytes: 0, cached: false, end: "" });
    const at = (/** @type {string} */ id) => wire.#asked.get(id) ?? { url: "", bytes: 0, cached: false, end: "" };
    outside.on("Network.requestWillBeSent", ({ requestId, request }) => begin(requestId, request.url));
    outside.on("Network.requestWillBeSentExtraInfo", ({ requestId }) => void wire.#sent.add(requestId));
    outside.on("Network.requestServedFromCache", ({ requestId }) => void (at(requestId).cached = true));
    outside.on("Network.responseReceived", ({ requestId, response }) => void (at(requestId).cached ||= response.fromDiskCache === true));
    outside.on("Network.dataReceived", ({ requestId, encodedDataLength }) => void (at(requestId).bytes += encodedDataLength));
    outside.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      Object.assign(at(requestId), { bytes: encodedDataLength, end: "done" });
      wire.#got.add(at(requestId).url);
    });
    outside.on("Network.loadingFailed", ({ requestId, errorText, canceled }) => void (at(requestId).end = canceled ? GIVEN_UP : errorText));
    outside.on("Network.webSocketCreated", ({ requestId, url }) => begin(requestId, url));
    outside.on("Network.webSocketHandshakeResponseReceived", ({ requestId }) => void (at(requestId).end = "upgraded"));
    return wire;
  }

  /** All that went to the server since the last time, when it has ended. */
  async taken() {
    const all = () => [...this.#asked].filter(([_, asked]) => !asked.cached && !asked.url.startsWith("data:"));
    // Chromium may ask anew for an icon that it has just got: it gives that up, or drops it without a word before it is sent.
    const isDropped = (/** @type {string} */ id, /** @type {Asked} */ { url, end }) =>
      this.#got.has(url) && (end === GIVEN_UP || (end === "" && !this.#sent.has(id)));
    await until("all requests have ended", () => {
      const open = all().filter(([id, asked]) => !asked.end && !isDropped(id, asked));
      assert.equal(list(open.map(([_, asked]) => asked)), "");
      return true;
    });
    const ended = all();
    this.#asked.clear();
    for (const [id, asked] of ended) if (isDropped(id, asked)) console.log(`dropped by the browser, ${this.#sent.has(id) ? "after" : "before"} it was sent: ${list([asked])}`);
    return ended.filter(([id, asked]) => !isDropped(id, asked)).map(([_, asked]) => asked);
  }
}

const GIVEN_UP = "given up";

/** @param {Asked[]} asked */
function list(asked) {
  return asked.map(({ url, bytes, end }) => `${bytes} ${url} (${end})`).join("\n");
}

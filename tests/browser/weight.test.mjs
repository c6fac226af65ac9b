// What a page costs before it can be used: requests, and bytes on the wire.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

const REQUESTS_MAX = 6;
const WIRE_BYTES_MAX = 60_000;
const PAGES = { start: "/", publish: "/publish", watch: "/watch/weight", room: "/room/weight", missing: "/nothing" };

describe("the weight of pages", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const [name, path] of Object.entries(PAGES)) {
    test(`the ${name} page is at most ${REQUESTS_MAX} requests and ${WIRE_BYTES_MAX / 1000} kB, and the second time only itself`, async () => {
      const page = await scene.page("/healthz");
      const outside = await page.context().newCDPSession(page);
      await outside.send("Network.enable");
      /** @type {Map<string, {url: string, bytes: number, cached: boolean}>} */
      const requests = new Map();
      outside.on("Network.requestWillBeSent", ({ requestId, request }) => requests.set(requestId, { url: request.url, bytes: 0, cached: false }));
      outside.on("Network.requestServedFromCache", ({ requestId }) => void (at(requestId).cached = true));
      outside.on("Network.responseReceived", ({ requestId, response }) => void (at(requestId).cached ||= response.fromDiskCache === true));
      outside.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => void (at(requestId).bytes = encodedDataLength));
      const at = (/** @type {string} */ id) => requests.get(id) ?? { url: "", bytes: 0, cached: false };

      await page.goto(scene.server.url + path, { waitUntil: "load" });
      await until("the style is there", () => page.evaluate(() => document.styleSheets.length > 0));
      const first = [...requests.values()].filter((r) => !r.cached && !r.url.startsWith("data:"));
      const bytes = first.reduce((sum, r) => sum + r.bytes, 0);
      console.log(`${name}: ${first.length} requests, ${bytes} bytes`);
      const list = first.map((r) => `${r.bytes} ${r.url}`).join("\n");
      assert.ok(first.length <= REQUESTS_MAX, `${first.length} requests:\n${list}`);
      assert.ok(bytes <= WIRE_BYTES_MAX, `${bytes} bytes:\n${list}`);

      requests.clear();
      await page.goto(scene.server.url + path, { waitUntil: "load" });
      const again = [...requests.values()].filter((r) => !r.cached && r.url.includes("/assets/"));
      assert.deepEqual(again, [], "what has a hashed name is not asked for again");
      await page.context().close();
    });
  }
});

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
      const outside = await page.context().newCDPSession(page);
      await outside.send("Network.enable");
      /** @type {Map<string, {url: string, bytes: number, cached: boolean}>} */
      const requests = new Map();
      outside.on("Network.requestWillBeSent", ({ requestId, request }) => requests.set(requestId, { url: request.url, bytes: 0, cached: false }));
      outside.on("Network.requestServedFromCache", ({ requestId }) => void (at(requestId).cached = true));
      outside.on("Network.responseReceived", ({ requestId, response }) => void (at(requestId).cached ||= response.fromDiskCache === true));
      outside.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => void (at(requestId).bytes = encodedDataLength));
      const at = (/** @type {string} */ id) => requests.get(id) ?? { url: "", bytes: 0, cached: false };

      await page.goto(scene.server.url + below + path, { waitUntil: "load" });
      await until("the style is there", () => page.evaluate(() => document.styleSheets.length > 0));
      const first = [...requests.values()].filter((r) => !r.cached && !r.url.startsWith("data:"));
      const bytes = first.reduce((sum, r) => sum + r.bytes, 0);
      // Chromium may ask for the icon anew while its first request is under way, and gives one of them up.
      const count = new Set(first.map((r) => r.url)).size;
      console.log(`${name}: ${count} requests, ${bytes} bytes`);
      const list = first.map((r) => `${r.bytes} ${r.url}`).join("\n");
      assert.ok(count <= REQUESTS_MAX, `${count} requests:\n${list}`);
      assert.ok(bytes <= WIRE_BYTES_MAX, `${bytes} bytes:\n${list}`);

      requests.clear();
      await page.goto(scene.server.url + below + path, { waitUntil: "load" });
      // An icon that Chromium asked for and gave up brings nothing.
      const again = [...requests.values()].filter((r) => !r.cached && r.bytes > 0 && r.url.includes("/assets/"));
      assert.deepEqual(again, [], "what has a hashed name is not asked for again");
      await page.context().close();
    });
  }
});

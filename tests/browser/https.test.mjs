// Pages over HTTPS at an address of the network, where a browser gives no camera over plain HTTP.

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { Server } from "./harness/server.mjs";

describe("a node that speaks TLS", () => {
  /** @type {Scene} */
  let scene;
  before(async () => {
    const address = Object.values(networkInterfaces()).flat().find((it) => it && !it.internal && it.family === "IPv4")?.address;
    assert.ok(address, "the machine has an address beside loopback");
    const server = await Server.start({ host: address, https: true, args: ["--auth", "public"] });
    try {
      scene = new Scene({ server, browser: await launch({ args: ["--ignore-certificate-errors"] }) });
    } catch (error) {
      await server.stop();
      throw error;
    }
  });
  after(() => scene?.end());

  test("a page publishes its camera and another one watches it, and both come over HTTP/2", async () => {
    const publisher = await scene.publisher("secure", "cam");
    assert.equal(await publisher.evaluate(() => isSecureContext), true);
    assert.equal(await publisher.inputValue("#link"), `${scene.server.url}/watch/secure/cam`);
    const watcher = await scene.page("/watch/secure");
    await picturesMove(watcher, `${tile("cam")} video`);
    const protocols = await watcher.evaluate(() =>
      [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map((entry) => /** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol),
    );
    assert.ok(protocols.length > 1);
    assert.deepEqual(protocols.filter((name) => name !== "h2"), []);
    for (const page of [publisher, watcher]) await page.context().close();
  });

  test("who leaves out the s is sent to the same page over HTTPS", async () => {
    const page = await scene.page("/");
    await page.goto(`${scene.server.url.replace("https:", "http:")}/watch/secure`);
    assert.equal(page.url(), `${scene.server.url}/watch/secure`);
    await page.context().close();
  });
});

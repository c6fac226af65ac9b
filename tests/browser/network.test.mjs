// Media over a network that does not let UDP through.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { Network } from "./harness/network.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { Server } from "./harness/server.mjs";
import { until } from "./harness/until.mjs";

describe("a network without UDP", { skip: process.getuid?.() === 0 ? false : "network namespaces need root" }, () => {
  /** @type {Network} */
  let network;
  /** @type {Scene} */
  let scene;
  before(async () => {
    network = await Network.make();
    const server = await Server.start({ netns: network.server, host: network.serverAddress, args: ["--auth", "public"] });
    // The camera is only for secure addresses, and this one is neither localhost nor https.
    const args = [`--unsafely-treat-insecure-origin-as-secure=${server.url}`];
    scene = new Scene({ server, browser: await launch({ program: network.chromium, args }) });
  });
  after(async () => {
    await scene?.end();
    await network?.remove();
  });

  /** @param {import("playwright-core").Page} page */
  const paths = (page) => page.evaluate(() => /** @type {any} */ (window).chappePaths());

  /**
   * All that flows. The list of candidates comes a little after the pair that has one of them.
   * @param {import("playwright-core").Page} page
   * @param {"udp" | "tcp"} path
   */
  async function take(page, path) {
    const known = await until("the paths are known", async () => {
      const all = await paths(page);
      return all.length > 0 && !all.includes("?") ? all : null;
    });
    assert.deepEqual(new Set(known), new Set([path]));
  }

  test("publisher and viewer use UDP while they can", async () => {
    network.unblockUdp();
    const publisher = await scene.publisher("open", "cam");
    const viewer = await scene.viewer("open");
    await picturesMove(viewer, `${tile("cam")} video`);
    for (const page of [publisher, viewer]) {
      await take(page, "udp");
      await page.context().close();
    }
  });

  test("publisher and viewer connect over TCP when UDP is blocked", async () => {
    network.blockUdp();
    const publisher = await scene.publisher("blocked", "cam");
    const viewer = await scene.viewer("blocked");
    await picturesMove(viewer, `${tile("cam")} video`);
    for (const page of [publisher, viewer]) {
      await take(page, "tcp");
      await page.context().close();
    }
  });

  test("pictures come back over TCP when UDP is blocked while they play", async () => {
    network.unblockUdp();
    const publisher = await scene.publisher("later", "cam");
    const viewer = await scene.viewer("later");
    const video = `${tile("cam")} video`;
    await picturesMove(viewer, video);
    network.blockUdp();
    await until("both use TCP", async () => {
      const all = [...(await paths(publisher)), ...(await paths(viewer))];
      return all.length > 0 && all.includes("tcp");
    });
    await picturesMove(viewer, video);
    for (const page of [publisher, viewer]) await page.context().close();
  });
});

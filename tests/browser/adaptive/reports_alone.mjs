// A viewer that estimates nothing and says by receiver reports alone what it loses, on a line that gets worse: GStreamer, which
// sends one in a few seconds.
// Run by `make gstreamer`, alone: an encoder that is short of processor time leaves out the largest pictures.

import { after, before, describe, test } from "node:test";

import { LossyLink } from "../../cluster/harness/link.mjs";
import { launch } from "../harness/browser.mjs";
import { Network } from "../harness/network.mjs";
import { Scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { STRUCTURES, sendCamera } from "../harness/structures.mjs";
import { Watcher } from "../harness/watcher.mjs";

/** Of the largest pictures, of which an encoder that is short of time makes a little less; the others have a half and a quarter. */
const LINES = 576;
/** What each encoding may take, the smallest first. */
const KBPS = [80, 500, 1_200];
/** What the line carries at last: the smallest alone. */
const LINE_KBPS = 200;

describe("a viewer with reports alone", { skip: process.getuid?.() === 0 ? false : "network namespaces need root" }, () => {
  /** @type {Network} */
  let network;
  /** @type {Scene} */
  let scene;
  /** @type {LossyLink} */
  let link;
  before(async () => {
    network = await Network.make();
    const server = await Server.start({ netns: network.server, host: network.serverAddress, args: ["--auth", "public"] });
    const [here, there] = [[network.server, network.serverAddress], [network.browser, network.browserAddress]];
    link = await LossyLink.lay({ name: here[0] ?? "", address: here[1] ?? "", port: "" }, { name: there[0] ?? "", address: there[1] ?? "", port: "" });
    // The camera is only for secure addresses, and this one is neither localhost nor https.
    const args = [`--unsafely-treat-insecure-origin-as-secure=${server.url}`];
    scene = new Scene({ server, browser: await launch({ program: network.neighbour, args }) });
    const { vp8 } = STRUCTURES;
    if (vp8) await sendCamera(await scene.page("/healthz"), `${server.url}/whip/reports/cam`, vp8, LINES, KBPS);
  });
  after(async () => {
    await scene?.end();
    await link?.end();
    await network?.remove();
  });

  test("GStreamer decodes the largest pictures, goes on where packets are lost, and with smaller ones where they do not fit", async () => {
    link.delay(20);
    link.queue(300);
    const watcher = new Watcher("GStreamer", `${scene.server.url}/whep/reports/cam`, network.browser);
    try {
      await watcher.tells("the largest pictures", ({ lines, frames }) => lines > LINES / 2 && frames > 60);
      link.lose(0.05);
      const { frames } = await watcher.tells("some are lost", ({ lost }) => lost > 10);
      await watcher.tells("pictures where packets are lost", (seen) => seen.frames > frames + 60);
      link.lose(0);
      link.rate(LINE_KBPS);
      const small = await watcher.tells("smaller pictures", ({ lines }) => lines <= LINES / 2);
      await watcher.tells("smaller pictures that go on", (seen) => seen.lines <= LINES / 2 && seen.frames > small.frames + 60);
    } finally {
      await watcher.end();
    }
  });
});

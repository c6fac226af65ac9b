// Owns what each measurement needs: a server, a publisher beside it, and viewers behind a link that has a rate, a queue, a
// delay and loss. Never judges what it sees.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { LossyLink } from "../../cluster/harness/link.mjs";
import { launch } from "../harness/browser.mjs";
import { writeNoise } from "../harness/ffmpeg.mjs";
import { Network } from "../harness/network.mjs";
import { instrument } from "../harness/observe.mjs";
import { play } from "../harness/player.mjs";
import { goLive } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { STRUCTURES, sendCamera } from "../harness/structures.mjs";
import { until } from "../harness/until.mjs";
import { collect } from "./frames.mjs";
import { Lines } from "./lines.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{what: string, figures: Record<string, string>}} Row what a scenario found */

/** Milliseconds one way, and of the queue, unless a scenario says otherwise. */
const DELAY_MS = 20;
const QUEUE_MS = 300;
export const ROOM = "adaptive";
export const STREAM = "cam";

export class Emulation {
  #parts;

  /** @param {{folder: string, network: Network, server: Server, link: LossyLink, near: import("playwright-core").Browser, far: import("playwright-core").Browser}} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {{noise: boolean}} options the camera shows noise, which fills all rates, or else Chromium's own picture */
  static async make({ noise }) {
    const folder = await mkdtemp(join(tmpdir(), "chappe-adaptive-"));
    const picture = join(folder, "noise.mjpeg");
    if (noise) writeNoise(picture);
    const camera = noise ? [`--use-file-for-fake-video-capture=${picture}`] : [];
    const network = await Network.make();
    const server = await Server.start({ netns: network.server, host: network.serverAddress, args: ["--auth", "public"] });
    const [here, there] = [[network.server, network.serverAddress], [network.browser, network.browserAddress]];
    const link = await LossyLink.lay({ name: here[0] ?? "", address: here[1] ?? "", port: "" }, { name: there[0] ?? "", address: there[1] ?? "", port: "" });
    link.delay(DELAY_MS);
    link.queue(QUEUE_MS);
    // The camera is only for secure addresses, and this one is neither localhost nor https.
    const args = [`--unsafely-treat-insecure-origin-as-secure=${server.url}`];
    const near = await launch({ program: network.neighbour, args: [...args, ...camera] });
    const far = await launch({ program: network.chromium, args });
    return new Emulation({ folder, network, server, link, near, far });
  }

  get link() {
    return this.#parts.link;
  }

  get network() {
    return this.#parts.network;
  }

  get url() {
    return this.#parts.server.url;
  }

  /** What the server says of its viewers from now on. */
  lines() {
    return new Lines(this.#parts.network.server, this.#parts.server.admin);
  }

  /**
   * A camera that goes on until the end.
   * @param {string} source our publish page with 720 lines, or a structure that WHIP sends
   * @param {number} [lines]
   * @param {number[]} [rates] of the encodings that WHIP sends, in kbit/s
   */
  async publish(source, lines, rates) {
    const structure = STRUCTURES[source];
    if (structure) {
      const page = await this.#page(this.#parts.near, "/healthz");
      await sendCamera(page, `${this.url}/whip/${ROOM}/${STREAM}`, structure, lines, rates);
      return page;
    }
    const page = await this.#page(this.#parts.near, `/publish?room=${ROOM}&stream=${STREAM}&codec=vp8&quality=720`);
    await goLive(page);
    return page;
  }

  /** A viewer of our page behind the link. */
  async ourPage() {
    const page = await this.#page(this.#parts.far, `/watch/${ROOM}/${STREAM}`);
    return this.#shown(page);
  }

  /**
   * A page that knows nothing but WHEP.
   * @param {{near?: boolean, count?: number}} [options] `near`: not behind the link; `count`: so many players in one page
   */
  async whep({ near = false, count = 1 } = {}) {
    const page = await this.#page(near ? this.#parts.near : this.#parts.far, "/");
    for (let at = 0; at < count; at++) await page.evaluate(play, { url: `/whep/${ROOM}/${STREAM}?wait=1`, kinds: ["video", "audio"] });
    return this.#shown(page);
  }

  /**
   * A page that does nothing by itself.
   * @param {{near?: boolean}} [options] `near`: not behind the link
   */
  async blank({ near = false } = {}) {
    return this.#page(near ? this.#parts.near : this.#parts.far, "/healthz");
  }

  async end() {
    const { folder, network, server, link, near, far } = this.#parts;
    await Promise.all([near.close(), far.close()]);
    await link.end();
    await server.stop();
    await network.remove();
    await rm(folder, { recursive: true });
  }

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {string} path
   */
  async #page(browser, path) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await instrument(context);
    await context.addInitScript(collect);
    const page = await context.newPage();
    // A link that has just come up is a change of the network, which ends what Chromium loads.
    await until(`${path} is loaded`, () => page.goto(this.url + path));
    return page;
  }

  /** @param {Page} page */
  async #shown(page) {
    await until("the first picture", () => page.evaluate(() => /** @type {any} */ (window).chappeFrames.length > 0));
    return page;
  }
}

// Owns what nearly every end-to-end test needs: a server, a browser, publishing and watching pages, and their end.

import { launch } from "./browser.mjs";
import { instrument } from "./observe.mjs";
import { Server } from "./server.mjs";
import { GIVEN_UP_AFTER_MS, until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{server: Server, browser: import("playwright-core").Browser}} Parts */

export class Scene {
  server;
  browser;

  /** @param {Parts} parts */
  constructor({ server, browser }) {
    this.server = server;
    this.browser = browser;
  }

  /**
   * @param {{server?: Parameters<typeof Server.start>[0], browser?: Parameters<typeof launch>[0]}} [options]
   */
  static async set({ server: serverOptions, browser: browserOptions } = {}) {
    const server = await Server.start(serverOptions);
    try {
      return new Scene({ server, browser: await launch(browserOptions) });
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /**
   * A page of its own, as if on another computer: no shared storage.
   * @param {string} path
   * @param {{browser?: Parts["browser"], viewport?: {width: number, height: number}, dark?: boolean}} [options]
   * @returns {Promise<Page>}
   */
  async page(path, { browser = this.browser, viewport = { width: 1280, height: 800 }, dark = false } = {}) {
    const context = await browser.newContext({ viewport, colorScheme: dark ? "dark" : "light" });
    context.setDefaultTimeout(GIVEN_UP_AFTER_MS);
    await instrument(context);
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`page error in ${path}:`, error));
    await page.goto(this.server.url + path);
    return page;
  }

  /**
   * A publish page that is live, with a small picture to be kind to slow machines.
   * @param {string} room
   * @param {string} stream
   * @param {string} [codec]
   * @param {{listed?: boolean}} [options]
   */
  async publisher(room, stream, codec = "vp8", { listed = false } = {}) {
    const page = await this.page(`/publish?room=${room}&stream=${stream}&codec=${codec}&quality=360`);
    if (listed) await page.check("#listed");
    await goLive(page);
    return page;
  }

  /**
   * @param {string} room
   * @param {string} [stream]
   */
  viewer(room, stream) {
    return this.page(stream ? `/watch/${room}/${stream}` : `/watch/${room}`);
  }

  async end() {
    await this.browser.close();
    await this.server.stop();
  }
}

/**
 * Presses the button that joins a meeting.
 * @param {Page} page
 */
export async function join(page) {
  await until("one can join", () => page.locator("#join").isEnabled());
  await page.click("#join");
  await until("the page is in the meeting", async () => (await page.getAttribute("#link-state", "data-phase")) === "open");
  return page;
}

/**
 * Presses the button of a publish page.
 * @param {Page} page
 */
export async function goLive(page) {
  await page.click("#go");
  await isLive(page);
}

/** @param {Page} page a publish page */
export function isLive(page) {
  return until("the publish page says that it is live", () => page.locator("#live-badge.live").isVisible());
}

// Owns what a test of our pages in Firefox begins with: a namespace, a server, Chromium beside Firefox, and the first
// steps on each page. Never judges what a page shows.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchFirefox, openFirefox, shown, text } from "./firefox.mjs";
import { INSIDE_ADDRESS, isInside, runInside } from "./inside.mjs";
import { Scene } from "./scene.mjs";
import { until } from "./until.mjs";

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("puppeteer-core").Browser} Browser */

const needsRoot = process.getuid?.() !== 0 && "network namespaces need root";

/**
 * The tests of one file, in a namespace with an address: Firefox sends from the address of an interface, and from there
 * 127.0.0.1 is out of reach.
 * @param {string} what
 * @param {string} url `import.meta.url` of the file
 * @param {(stage: Stage) => void} tests
 */
export function describeFirefox(what, url, tests) {
  test(`${what}, inside a namespace with an address`, { skip: isInside || needsRoot }, async () => {
    const { code, output } = await runInside(url);
    assert.equal(code, 0, output);
  });

  describe(what, { skip: !isInside }, () => {
    const stage = new Stage();
    before(() => stage.set());
    after(() => stage.end());
    tests(stage);
  });
}

export class Stage {
  /** @type {Scene | null} */
  #scene = null;
  /** @type {Browser | null} */
  #firefox = null;

  async set() {
    this.#scene = await Scene.set({ server: { publicIp: INSIDE_ADDRESS } });
    this.#firefox = await launchFirefox();
  }

  async end() {
    await this.#firefox?.close();
    await this.#scene?.end();
  }

  /** The server, and Chromium. */
  get scene() {
    if (!this.#scene) throw new Error("it is not set yet");
    return this.#scene;
  }

  get firefox() {
    if (!this.#firefox) throw new Error("it is not set yet");
    return this.#firefox;
  }

  /**
   * @param {string} path
   * @param {{viewport?: {width: number, height: number}, browser?: Browser}} [options]
   */
  open(path, { viewport, browser = this.firefox } = {}) {
    return openFirefox(browser, this.scene.server.url + path, viewport);
  }

  /**
   * A publish page that is live.
   * @param {string} path
   */
  async live(path) {
    const page = await this.open(path);
    await goLive(page);
    return page;
  }

  /**
   * A page that is in a meeting.
   * @param {string} path
   * @param {{width: number, height: number}} [viewport]
   */
  async meet(path, viewport) {
    const page = await this.open(path, { viewport });
    await joinMeeting(page);
    return page;
  }

  /**
   * What is live in a room.
   * @param {string} room
   */
  async streams(room) {
    const all = await (await fetch(`${this.scene.server.admin}/api/v1/streams`)).json();
    return all.filter((/** @type {any} */ stream) => stream.room === room);
  }
}

/** @param {Page} page a publish page */
export async function goLive(page) {
  await until("one can go live", () => page.$("#go:enabled"));
  await page.click("#go");
  await isLive(page);
}

/** @param {Page} page a publish page */
export function isLive(page) {
  return until("it says that it is live", () => shown(page, "#live-badge.live"));
}

/** @param {Page} page a meeting page */
export async function joinMeeting(page) {
  await until("one can join", () => page.$("#join:enabled"));
  await page.click("#join");
  await until("the page is in the meeting", () => page.$('#link-state[data-phase="open"]'));
}

/**
 * @param {Page} page
 * @param {string} selector
 * @param {RegExp} words
 */
export function says(page, selector, words) {
  return until(`${selector} says ${words}`, async () => words.test(await text(page, selector)));
}

/** @param {(Page | import("playwright-core").Page)[]} pages */
export async function close(...pages) {
  for (const page of pages) await ("browserContext" in page ? page.browserContext() : page.context()).close();
}

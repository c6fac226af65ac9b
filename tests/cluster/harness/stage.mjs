// Owns the browser of a cluster test and its pages at any node or load balancer. Never asks a server anything.

import { setTimeout as sleep } from "node:timers/promises";

import { launch } from "../../browser/harness/browser.mjs";
import { connectionsMade, gaps, instrument, picturesMove, tile, watchForGaps, watchForLoss } from "../../browser/harness/observe.mjs";
import { isLive } from "../../browser/harness/scene.mjs";
import { GIVEN_UP_AFTER_MS, until } from "../../browser/harness/until.mjs";
import { keepDiary } from "./diary.mjs";

/** @typedef {import("../../browser/harness/scene.mjs").Page} Page */
/** Whatever pages are at. */
/** @typedef {{url: string}} Place */

export class Stage {
  #browser;

  /** @param {Awaited<ReturnType<typeof launch>>} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  /** @param {Place[]} places whose pages get the camera, as if they had a certificate */
  static async set(places) {
    const origins = places.map((place) => place.url).join(",");
    return new Stage(await launch({ args: [`--unsafely-treat-insecure-origin-as-secure=${origins}`] }));
  }

  /**
   * For places that have a certificate.
   * @param {string} home of a person who trusts whoever signed it
   */
  static async at(home) {
    return new Stage(await launch({ home }));
  }

  /**
   * @param {Place} place
   * @param {string} path
   */
  async page(place, path) {
    const context = await this.#browser.newContext({ viewport: { width: 640, height: 480 } });
    context.setDefaultTimeout(GIVEN_UP_AFTER_MS);
    await instrument(context);
    const page = await context.newPage();
    await keepDiary(page);
    /** @type {string[]} */
    const trouble = [];
    troubles.set(page, trouble);
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
    page.on("requestfailed", (request) => trouble.push(`${request.url()}: ${request.failure()?.errorText}`));
    await page.goto(place.url + path);
    return page;
  }

  /**
   * A publish page that is live.
   * @param {Place} place
   * @param {string} room
   * @param {string} [stream]
   */
  async publisher(place, room, stream = "cam") {
    const page = await this.page(place, `/publish?room=${room}&stream=${stream}&codec=vp8&quality=360`);
    await page.click("#go");
    await isLive(page).catch(async (error) => {
      throw new Error(`the publish page in ${room} is not live: ${await told(page)}`, { cause: error });
    });
    return page;
  }

  /**
   * A watching page in which the picture moves.
   * @param {Place} place
   * @param {string} room
   * @param {string} [stream]
   * @param {{sound?: boolean}} [options]
   */
  async viewer(place, room, stream = "cam", options = {}) {
    const page = await this.page(place, `/watch/${room}`);
    await picturesMove(page, videoOf(stream), options).catch(async (error) => {
      throw new Error(`no moving picture in ${room}: ${await told(page)}`, { cause: error });
    });
    return page;
  }

  end() {
    return this.#browser.close();
  }
}

/** What went wrong in each page, for who wants to know why it is not as it should be. */
/** @type {WeakMap<Page, string[]>} */
const troubles = new WeakMap();

/**
 * What a page says of its own state.
 * @param {Page} page
 */
async function told(page) {
  const notice = (await page.locator("#notice").isVisible()) ? await page.textContent("#notice") : "no notice";
  const state = `link ${await page.getAttribute("#link-state", "data-phase")}, ${notice?.trim()}`;
  return [state, ...(troubles.get(page) ?? []).slice(0, 10)].join("; ");
}

/** @param {string} stream */
export function videoOf(stream) {
  return `${tile(stream)} video`;
}

/** @param {Page[]} pages */
export async function close(...pages) {
  for (const page of pages) await page.context().close();
}

/**
 * The longest pause between two decoded frames of each viewer while something happens, and until pictures move again.
 * @param {Page[]} viewers
 * @param {() => Promise<unknown>} happen
 * @param {{stream?: string, sound?: boolean}} [options]
 */
export async function longestGaps(viewers, happen, { stream = "cam", sound = false } = {}) {
  const video = videoOf(stream);
  for (const viewer of viewers) await watchForGaps(viewer, video);
  await happen();
  for (const viewer of viewers) {
    await picturesMove(viewer, video, { sound }).catch(async (error) => {
      throw new Error(`${error.message}: ${await told(viewer)}`, { cause: error });
    });
  }
  return Promise.all(viewers.map(gaps));
}

/**
 * Begins to watch whether pages are cut off for a moment: whether one loses packets, or makes a connection anew.
 * @param {Page[]} viewers
 * @returns {Promise<() => Promise<{lost: number, made: number}[]>>} of each viewer, since then
 */
export async function watchForCuts(viewers) {
  const before = await Promise.all(viewers.map(connectionsMade));
  const losses = await Promise.all(viewers.map(watchForLoss));
  return () =>
    Promise.all(viewers.map(async (viewer, at) => ({ lost: (await losses[at]?.()) ?? NaN, made: (await connectionsMade(viewer)) - (before[at] ?? 0) })));
}

/** What {@link watchForCuts} tells of a page that nothing happened to. */
export const UNTOUCHED = { lost: 0, made: 0 };

/**
 * Comes back when the pictures come evenly: what opening the pages and clients did to them is over.
 * @param {Page[]} viewers
 */
export async function picturesAreEven(viewers) {
  const longestMs = async () => Math.max(...(await longestGaps(viewers, () => sleep(EVEN_FOR_MS))).map((gap) => gap.longestMs));
  await until("pictures come evenly", async () => (await longestMs()) <= STILL_GAP_MS);
}

const EVEN_FOR_MS = 500;
/** Between two pictures where nothing happens and nobody else uses the machine. */
const STILL_GAP_MS = 67;

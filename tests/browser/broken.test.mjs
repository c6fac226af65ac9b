// What the watch page shows when something broke, when it is over, and when it lasted no second.
// Runs alone: what lasts for less than a second is told from what lasts for longer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("broken", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("a stream that has ended is not one that is not live yet", async () => {
    const viewer = await scene.viewer("over", "cam");
    const all = await scene.viewer("over");
    const says = async () => (await viewer.textContent(`${tile("cam")} .say`)) ?? "";
    await until("it waits", async () => /Not live yet/.test(await says()));
    assert.match((await all.textContent("#nobody h2")) ?? "", /live yet/);
    const publisher = await scene.publisher("over", "cam");
    await picturesMove(viewer, `${tile("cam")} video`);
    await publisher.context().close();
    await until("it has ended", async () => /has ended/.test(await says()));
    await until("so has the room", async () => /ended/.test((await all.textContent("#nobody h2")) ?? ""));
    for (const page of [viewer, all]) await page.context().close();
  });

  test("a link or a picture that is away for less than a second flashes nothing", async () => {
    const publisher = await scene.publisher("blink", "cam");
    const viewer = await scene.viewer("blink");
    await picturesMove(viewer, `${tile("cam")} video`);
    await shortCut(viewer, "link", async () => {
      const { supervisor, signaling } = await scene.server.state();
      const before = signaling.restarts;
      // Its successor would be there before anybody could see anything.
      await stopped(viewer, supervisor.pid, LINK_TURNS, () => scene.server.killSignaling());
      await until("signaling is back", async () => (await scene.server.state()).signaling.restarts > before);
      await until("the page resumes", async () => (await viewer.getAttribute("#link-state", "data-phase")) === "open");
    });
    await shortCut(viewer, "media", async () => {
      // Another one each time, when a busy machine let a cut last until it was replaced.
      const [worker] = (await scene.server.state()).workers;
      await stopped(viewer, worker?.pid, MEDIA_TURNS);
      await picturesMove(viewer, `${tile("cam")} video`);
    });
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("a server that is gone is said over a dimmed picture after a second, and not earlier", async () => {
    const publisher = await scene.publisher("gone", "cam");
    const viewer = await scene.viewer("gone");
    await picturesMove(viewer, `${tile("cam")} video`);
    await noteLooks(viewer);
    await scene.server.stop();
    await until("it is said in the tile", async () => /broken/.test((await viewer.textContent(`${tile("cam")} .say`)) ?? ""));
    const opacity = await viewer.evaluate((query) => getComputedStyle(document.querySelector(query) ?? document.body).opacity, `${tile("cam")} video`);
    assert.ok(Number(opacity) < 0.5, `the picture is dimmed: ${opacity}`);
    const { looks } = await noted(viewer);
    const broken = looks.find(({ look }) => look === "tile broken");
    assert.ok(broken && broken.lastedMs >= SHOWN_AFTER_MS, `not earlier: ${JSON.stringify(looks)}`);
    assert.ok(broken.lastedTurns <= SHOWN_WITHIN_TURNS, `and not much later: ${JSON.stringify(looks)}`);
    await until("the publish page says so", async () => /server is gone/.test((await publisher.textContent("#notice-title")) ?? ""));
    for (const page of [publisher, viewer]) await page.context().close();
  });
});

/** What lasts for less is not shown. */
const SHOWN_AFTER_MS = 1000;
/** Of a look at what arrives, and the pause before the next. */
const TURN_MS = 100;
/** A browser may answer with a report of so long ago. */
const REPORT_KEPT_MS = 50;
/** With the time that signaling takes to start less than a second. */
const LINK_TURNS = 4;
/** Less than a second, and long enough for the page to give up its session and ask for another. */
const MEDIA_TURNS = 6;
/** The second, and as much again for the page's own looks. */
const SHOWN_WITHIN_TURNS = 20;
/** A busy machine may make each of some cuts longer than a second. */
const CUTS_MAX = 5;

/**
 * Cuts something off until that was short by the page's own clock. Of no cut is anything shown before it has lasted.
 * @param {Page} page
 * @param {"link" | "media"} what
 * @param {() => Promise<void>} cut
 */
async function shortCut(page, what, cut) {
  for (let n = 0; n < CUTS_MAX; n++) {
    await noteLooks(page);
    await cut();
    const { looks, longestMs } = await noted(page);
    const early = looks.filter(({ lastedMs }) => lastedMs < SHOWN_AFTER_MS);
    assert.deepEqual(early, [], `shown of a cut of the ${what} for ${Math.round(longestMs[what])} ms`);
    assert.ok(longestMs[what] > (what === "media" ? MEDIA_TURNS : LINK_TURNS - 1) * TURN_MS, `the page has noticed the cut of the ${what}`);
    if (longestMs[what] < SHOWN_AFTER_MS) return;
  }
  assert.fail(`no cut of the ${what} was shorter than a second`);
}

/**
 * Stops a process for so many turns of the page.
 * @param {Page} page
 * @param {number | null | undefined} pid
 * @param {number} turns
 * @param {() => Promise<unknown>} [meanwhile]
 */
async function stopped(page, pid, turns, meanwhile = async () => {}) {
  if (!pid) throw new Error("that process does not run now");
  const before = (await noted(page)).turns;
  process.kill(pid, "SIGSTOP");
  try {
    await meanwhile();
    await until("the page has gone through some turns", async () => (await noted(page)).turns >= before + turns);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/**
 * @typedef {object} Noted
 * @property {number} turns
 * @property {{link: number, media: number}} longestMs how long the link, and all packets and pictures, were away at most
 * @property {{look: string, lastedMs: number, lastedTurns: number}[]} looks of what is wrong, each with how long it had
 *   been when it was shown
 */

/**
 * @param {Page} page
 * @returns {Promise<Noted>}
 */
function noted(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeNoted);
}

/**
 * Notes from now on all that the page shows of its link and its tile, by the page's own clock and in turns of its own,
 * which a machine that stalls makes as much longer as all else.
 * @param {Page} page
 */
async function noteLooks(page) {
  await page.evaluate(({ everyMs, keptMs }) => {
    const link = document.querySelector("#link-state");
    const tile = document.querySelector(".tile");
    if (!(link instanceof HTMLElement) || !(tile instanceof HTMLElement)) throw new Error("the page shows no tile");
    /** @type {any} */ (window).chappeNoting?.();
    const here = () => ({ ms: performance.now(), turns: noted.turns });
    /** @type {Noted} */
    const noted = { turns: 0, longestMs: { link: 0, media: 0 }, looks: [] };
    /** @type {{ms: number, turns: number} | null} when the link was lost */
    let lost = null;
    /** What the last look at packets and pictures counted, and when the looks before the last change of each were. */
    let counts = [0, 0];
    const moved = [here(), here()];
    let before = here();
    const note = () => {
      const now = here();
      if (link.dataset["phase"] !== "open") lost ??= now;
      if (lost) noted.longestMs.link = Math.max(noted.longestMs.link, now.ms - lost.ms);
      if (link.dataset["phase"] === "open") lost = null;
      const show = (/** @type {string} */ look, /** @type {{ms: number, turns: number}} */ since) => {
        const shown = { look, lastedMs: now.ms - since.ms, lastedTurns: now.turns - since.turns };
        if (noted.looks.at(-1)?.look !== look) noted.looks.push(shown);
      };
      if (link.dataset["look"] !== "open") show(`link ${link.dataset["look"]}`, lost ?? now);
      const still = moved.reduce((a, b) => (a.ms < b.ms ? a : b));
      if (tile.dataset["face"] !== "playing") show(`tile ${tile.dataset["face"]}`, still);
    };
    const observer = new MutationObserver(note);
    for (const element of [link, tile]) observer.observe(element, { attributes: true });
    let on = true;
    const look = async () => {
      const now = here();
      const inbound = await /** @type {any} */ (window).chappeInbound();
      const sums = ["packets", "frames"].map((key) => inbound.reduce((/** @type {number} */ sum, /** @type {any} */ e) => sum + e[key], 0));
      // It moved after the look before at the earliest, in a report that may be as old as browsers keep them. Sums fall
      // when a peer connection is closed.
      for (const [n, sum] of sums.entries()) if (sum > (counts[n] ?? 0)) moved[n] = { ms: before.ms - keptMs, turns: before.turns };
      counts = sums;
      before = now;
      noted.longestMs.media = Math.max(noted.longestMs.media, ...moved.map(({ ms }) => now.ms - ms));
      noted.turns += 1;
      if (on) setTimeout(look, everyMs);
    };
    Object.assign(window, {
      chappeNoted: noted,
      chappeNoting: () => {
        on = false;
        observer.disconnect();
      },
    });
    void look();
  }, { everyMs: TURN_MS, keptMs: REPORT_KEPT_MS });
}

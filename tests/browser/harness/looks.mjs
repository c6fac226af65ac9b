// Owns cutting off a watch page, and noting what it shows of that, by its own clock. Never knows which browser it is in.

import assert from "node:assert/strict";

import { until } from "./until.mjs";

/** @typedef {import("./server.mjs").Server} Server */
/** @typedef {{evaluate(run: any, argument?: any): Promise<any>}} Page of any browser, with one stream */

/** What lasts for less is not shown. */
const SHOWN_AFTER_MS = 1000;
/** Of a look at what arrives, and the pause before the next. */
const TURN_MS = 100;
/** A browser may answer with a report of so long ago. */
const REPORT_KEPT_MS = 50;
/** With the time that signaling takes to start less than a second. */
const LINK_TURNS = 4;
/** With the looks before and after less than a second. */
const MEDIA_TURNS = 6;
/** The second, and as much again for the page's own looks. */
const SHOWN_WITHIN_TURNS = 20;
/** A busy machine may make each of some cuts longer than a second. A process that dies again and again is replaced ever later. */
const CUTS_MAX = 4;

/**
 * The link to the server, and then all packets, are away for less than a second, and the page shows nothing of it.
 * @param {Page} page
 * @param {Server} server
 * @param {() => Promise<unknown>} moves waits until the page's picture moves
 */
export async function flashesNothing(page, server, moves) {
  await shortCut(page, "link", async () => {
    const { supervisor, signaling } = await server.state();
    // Its successor would be there before anybody could see anything.
    await stopped(supervisor.pid, async () => {
      await server.killSignaling();
      await until("the link has been away for some turns", async () => (await noted(page)).awayTurns.link >= LINK_TURNS);
    });
    await until("signaling is back", async () => (await server.state()).signaling.restarts > signaling.restarts);
    await until("the page resumes", async () => (await noted(page)).awayTurns.link === 0);
  });
  await shortCut(page, "media", async () => {
    // Another one each time, when a busy machine let a cut last until it was replaced.
    const [worker] = (await server.state()).workers;
    const before = await page.evaluate(sessions);
    await stopped(worker?.pid, async () => {
      await until("packets have been away for some turns", async () => (await noted(page)).awayTurns.media >= MEDIA_TURNS);
      await until("the page asks for another session", async () => (await page.evaluate(sessions)).made > before.made);
    });
    await until("the picture is that of the other session", async () => {
      const { shown } = await page.evaluate(sessions);
      return shown !== "" && shown !== before.shown;
    });
    await moves();
  });
}

/**
 * A server that is gone is said over a dimmed picture after a second, and nothing is shown before.
 * @param {Page} page
 * @param {Server} server which ends
 */
export async function dimsWithWords(page, server) {
  await noteLooks(page);
  await server.stop();
  const opacity = await until("it is said in the tile", () => page.evaluate(() => {
    const [video, say] = ["video", ".say"].map((part) => document.querySelector(`.tile ${part}`));
    return video && /connection to the server is broken/.test(say?.textContent ?? "") && getComputedStyle(video).opacity;
  }));
  assert.ok(Number(opacity) < 0.5, `the picture is dimmed: ${opacity}`);
  const { looks } = await noted(page);
  assert.deepEqual(early(looks), [], "shown before a second was over");
  const broken = looks.find(({ look }) => look === "tile broken");
  assert.ok(broken && broken.lastedTurns <= SHOWN_WITHIN_TURNS, `and not much later: ${JSON.stringify(looks)}`);
}

/**
 * Cuts something off, again when that lasted so long that the page shows it. Of no cut is anything shown before.
 * @param {Page} page
 * @param {"link" | "media"} what
 * @param {() => Promise<void>} cut
 */
async function shortCut(page, what, cut) {
  for (let n = 0; n < CUTS_MAX; n++) {
    await noteLooks(page);
    await cut();
    const { looks } = await noted(page);
    assert.deepEqual(early(looks), [], `shown of a cut of the ${what} before a second was over`);
    if (looks.length === 0) return;
  }
  assert.fail(`each cut of the ${what} was longer than a second`);
}

/**
 * Stops a process for as long as something takes.
 * @param {number | null | undefined} pid
 * @param {() => Promise<unknown>} meanwhile
 */
async function stopped(pid, meanwhile) {
  if (!pid) throw new Error("that process does not run now");
  process.kill(pid, "SIGSTOP");
  try {
    await meanwhile();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Runs in the page: how many peer connections it has made, and the picture of which one its tile shows. */
function sessions() {
  const video = document.querySelector(".tile video");
  const media = video instanceof HTMLVideoElement && video.srcObject instanceof MediaStream ? video.srcObject : null;
  const made = /** @type {any} */ (window).chappeConnections();
  return { made, shown: media?.getVideoTracks().map(({ id }) => id).join() ?? "" };
}

/**
 * @typedef {object} Noted
 * @property {number} turns
 * @property {{link: number, media: number}} awayTurns for how many turns by now the link, and packets, have been away
 * @property {Look[]} looks of what is wrong
 */

/** @typedef {{look: string, lastedMs: number, lastedTurns: number}} Look with how long, at most, it had been wrong when it was shown */
/** @typedef {{ms: number, turns: number}} Instant */

/** @param {Look[]} looks */
function early(looks) {
  return looks.filter(({ lastedMs }) => lastedMs < SHOWN_AFTER_MS);
}

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
function noteLooks(page) {
  return page.evaluate(startNoting, { everyMs: TURN_MS, keptMs: REPORT_KEPT_MS });
}

/**
 * Runs in the page.
 * @param {{everyMs: number, keptMs: number}} clock
 */
function startNoting({ everyMs, keptMs }) {
  const [link, tile] = ["#link-state", ".tile"].map((query) => document.querySelector(query));
  if (!(link instanceof HTMLElement) || !(tile instanceof HTMLElement)) throw new Error("the page shows no tile");
  /** @type {any} */ (window).chappeNoting?.();
  /** @type {Noted} */
  const noted = { turns: 0, awayTurns: { link: 0, media: 0 }, looks: [] };
  /** @returns {Instant} */
  const here = () => ({ ms: performance.now(), turns: noted.turns });
  /** The last look that was answered: what it found had not changed before. */
  let before = here();
  /** @type {Instant | null} since when the link is away */
  let lost = null;
  const counts = { packets: 0, frames: 0 };
  const moved = { packets: before, frames: before };
  const still = () => (moved.packets.ms < moved.frames.ms ? moved.packets : moved.frames);
  const good = { link: "open", tile: "playing" };
  const shown = { link: link.dataset["look"], tile: tile.dataset["face"] };
  const show = (/** @type {"link" | "tile"} */ what, /** @type {string | undefined} */ look, /** @type {Instant} */ since) => {
    if (look === shown[what]) return;
    shown[what] = look;
    const now = here();
    if (look !== good[what]) noted.looks.push({ look: `${what} ${look}`, lastedMs: now.ms - since.ms, lastedTurns: now.turns - since.turns });
  };
  const note = () => {
    lost = link.dataset["phase"] === "open" ? null : (lost ?? before);
    show("link", link.dataset["look"], lost ?? here());
    show("tile", tile.dataset["face"], still());
  };
  const observer = new MutationObserver(note);
  for (const element of [link, tile]) observer.observe(element, { attributes: true });
  let on = true;
  const look = async () => {
    const start = here();
    /** @type {any[] | null} null: a peer connection was closed meanwhile */
    const inbound = await /** @type {any} */ (window).chappeInbound().catch(() => null);
    for (const key of /** @type {const} */ (["packets", "frames"])) {
      const sum = inbound?.reduce((all, entry) => all + entry[key], 0) ?? counts[key];
      // It moved after the look before at the earliest, in a report that may be as old as browsers keep them. Sums fall
      // when a peer connection is closed.
      if (sum > counts[key]) moved[key] = { ms: before.ms - keptMs, turns: before.turns };
      counts[key] = sum;
    }
    if (inbound) before = start;
    noted.turns += 1;
    noted.awayTurns = { link: lost ? noted.turns - lost.turns : 0, media: noted.turns - moved.packets.turns };
    if (on) setTimeout(look, everyMs);
  };
  const end = () => {
    on = false;
    observer.disconnect();
  };
  Object.assign(window, { chappeNoted: noted, chappeNoting: end });
  void look();
}

// Owns the diary of what a page shows: when each picture came, and how wide it was. Never judges it.

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{atMs: number, width: number}} Frame */

/** Runs in the page, before anything else of it. */
export function collect() {
  /** @type {Frame[]} */
  const frames = [];
  /** @type {RTCPeerConnection[]} */
  const connections = [];
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    /** @param {any[]} args */
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  /** @type {WeakSet<HTMLVideoElement>} */
  const known = new WeakSet();
  let watched = 0;
  const look = () => {
    for (const video of document.querySelectorAll("video")) {
      if (known.has(video)) continue;
      known.add(video);
      // Of several only the first is looked at closely.
      if (watched++ > 0) continue;
      const next = () => video.requestVideoFrameCallback((now, { width }) => {
        frames.push({ atMs: performance.timeOrigin + now, width });
        next();
      });
      next();
    }
  };
  setInterval(look, 20);
  const bytes = async () => {
    const reports = await Promise.all(connections.map((pc) => pc.getStats()));
    return reports.map((report) => [...report.values()].filter((e) => e.type === "inbound-rtp").reduce((sum, e) => sum + e.bytesReceived, 0));
  };
  Object.assign(window, { chappeFrames: frames, chappeBytes: bytes });
}

/**
 * @param {Page} page
 * @returns {Promise<Frame[]>}
 */
export function framesOf(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeFrames);
}

/**
 * Bytes that each peer connection of a page received.
 * @param {Page} page
 * @returns {Promise<number[]>}
 */
export function bytesOf(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeBytes());
}

/**
 * Milliseconds for which a picture stood still: what exceeds the usual distance of all gaps of more than 200 ms.
 * @param {readonly Frame[]} frames
 * @param {number} fromMs
 * @param {number} toMs
 */
export function frozenMs(frames, fromMs, toMs) {
  const times = [fromMs, ...frames.map((f) => f.atMs).filter((at) => at > fromMs && at < toMs), toMs];
  let frozen = 0;
  for (let at = 1; at < times.length; at++) {
    const gap = (times[at] ?? 0) - (times[at - 1] ?? 0);
    if (gap > GAP_MS) frozen += gap - USUAL_MS;
  }
  return Math.round(frozen);
}

/**
 * The longest time without a picture.
 * @param {readonly Frame[]} frames
 * @param {number} fromMs
 * @param {number} toMs
 */
export function longestMs(frames, fromMs, toMs) {
  const times = [fromMs, ...frames.map((f) => f.atMs).filter((at) => at > fromMs && at < toMs), toMs];
  return Math.round(Math.max(...times.slice(1).map((time, at) => time - (times[at] ?? time))));
}

/**
 * Until nothing stood still any more.
 * @param {readonly Frame[]} frames
 * @param {number} fromMs
 * @param {number} toMs
 */
export function settledMs(frames, fromMs, toMs) {
  const times = [fromMs, ...frames.map((f) => f.atMs).filter((at) => at > fromMs && at < toMs), toMs];
  const last = times.findLastIndex((at, place) => place > 0 && at - (times[place - 1] ?? 0) > GAP_MS);
  return last < 0 ? 0 : Math.round((times[last] ?? toMs) - fromMs);
}

/**
 * How often the width changed.
 * @param {readonly Frame[]} frames
 * @param {number} fromMs
 * @param {number} toMs
 */
export function switches(frames, fromMs, toMs) {
  const within = frames.filter((f) => f.atMs >= fromMs && f.atMs < toMs);
  return within.filter((f, at) => at > 0 && f.width !== within[at - 1]?.width).length;
}

/**
 * Until the picture has the width that it has at the end, and keeps it; null if there was none.
 * @param {readonly Frame[]} frames
 * @param {number} fromMs
 * @param {number} toMs
 */
export function fittedMs(frames, fromMs, toMs) {
  const within = frames.filter((f) => f.atMs >= fromMs && f.atMs < toMs);
  const width = within.at(-1)?.width;
  const last = within.findLastIndex((f) => f.width !== width);
  const first = within[last + 1];
  return first ? Math.max(0, Math.round(first.atMs - fromMs)) : null;
}

/**
 * Until the picture is as wide as this and stays so; null if it does not become so.
 * @param {readonly Frame[]} frames
 * @param {number} width
 * @param {number} fromMs
 */
export function reachedMs(frames, width, fromMs) {
  const after = frames.filter((f) => f.atMs >= fromMs);
  const last = after.findLastIndex((f) => f.width < width);
  const first = after[last + 1];
  return first ? Math.max(0, Math.round(first.atMs - fromMs)) : null;
}

const GAP_MS = 200;
/** Of 30 frames a second. */
const USUAL_MS = 33;

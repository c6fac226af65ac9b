// Owns what a test may observe of a watching page: frames, movement, sound, gaps. Never asks the server.

/** @typedef {import("playwright-core").Page} Page */

import { until } from "./until.mjs";

/**
 * @typedef {object} Seen
 * @property {number} frames shown by the video element
 * @property {number} picture checksum of what it shows
 * @property {number} width
 * @property {number} energy of the sound that was played, summed over all peer connections of the page
 */

/**
 * Counts from now on, for one tile, or for a bare video element.
 * @param {Page} page
 * @param {string} selector of the video
 * @returns {Promise<Seen>}
 */
export function look(page, selector) {
  return page.evaluate(async (query) => {
    const video = document.querySelector(query);
    if (!(video instanceof HTMLVideoElement)) throw new Error(`no video ${query}`);
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 36;
    const drawing = canvas.getContext("2d", { willReadFrequently: true });
    drawing?.drawImage(video, 0, 0, 64, 36);
    let picture = 0;
    for (const value of drawing?.getImageData(0, 0, 64, 36).data ?? []) picture = (picture * 31 + value) >>> 0;
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    return { frames, picture, width: video.videoWidth, energy: await /** @type {any} */ (window).chappeSoundEnergy() };
  }, selector);
}

/**
 * Lets a page tell of its peer connections; must come before it loads.
 * @param {import("playwright-core").BrowserContext} context
 */
export async function instrument(context) {
  await context.addInitScript(tellMedia);
}

/** Runs in the page: lets it tell of the sound, the pictures and the paths of all its peer connections. */
export function tellMedia() {
  /** @type {RTCPeerConnection[]} */
  const all = [];
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    /** @param {any[]} args */
    constructor(...args) {
      super(...args);
      all.push(this);
    }
  };
  const open = () => all.filter((pc) => pc.connectionState !== "closed");
  const entries = async (/** @type {string} */ type) => {
    const reports = await Promise.all(open().map((pc) => pc.getStats()));
    return reports.flatMap((report) => [...report.values()]).filter((entry) => entry.type === type);
  };
  /** @type {Map<RTCPeerConnection, number>} as each last said, for one that is closed since */
  const lost = new Map();
  const lookForLoss = async () => {
    for (const pc of open()) {
      const entries = [...(await pc.getStats()).values()].filter((entry) => entry.type === "inbound-rtp");
      if (entries.length > 0) lost.set(pc, entries.reduce((sum, entry) => sum + (entry.packetsLost ?? 0), 0));
    }
    return [...lost.values()].reduce((sum, count) => sum + count, 0);
  };
  Object.assign(window, {
    chappeLost: lookForLoss,
    chappeConnections: () => all.length,
    chappeDescriptions: () => all.map((pc) => ({ offer: pc.localDescription?.sdp ?? "", answer: pc.remoteDescription?.sdp ?? "" })),
    chappeVideoLimits: () => open().flatMap((pc) => pc.getSenders()).filter((s) => s.track?.kind === "video").flatMap((s) => s.getParameters().encodings.map((e) => e.maxBitrate)),
    chappeSoundEnergy: async () => (await entries("inbound-rtp")).reduce((sum, e) => sum + (e.totalAudioEnergy ?? 0), 0),
    chappeInbound: async () => (await entries("inbound-rtp")).map((e) => ({ kind: e.kind, frames: e.framesDecoded ?? 0, packets: e.packetsReceived ?? 0, lines: e.frameHeight ?? 0, track: e.trackIdentifier ?? "" })),
    chappeVideoFates: async () => {
      const flows = (await entries("inbound-rtp")).filter((e) => e.kind === "video");
      const sum = (/** @type {string} */ name) => flows.reduce((all, e) => all + (e[name] ?? 0), 0);
      const freezesMs = 1000 * sum("totalFreezesDuration");
      return { packets: sum("packetsReceived"), received: sum("framesReceived"), decoded: sum("framesDecoded"), dropped: sum("framesDropped"), asked: sum("pliCount") + sum("firCount"), freezes: sum("freezeCount"), freezesMs };
    },
    chappeModes: async () => (await entries("outbound-rtp")).filter((e) => e.kind === "video").map((e) => e.scalabilityMode),
    chappeOutbound: async () => (await entries("outbound-rtp")).map((e) => ({ kind: e.kind, rid: e.rid ?? "", frames: e.framesEncoded ?? 0, lines: e.frameHeight ?? 0, limited: e.qualityLimitationReason ?? "" })),
    chappePaths: async () => {
      const pairs = (await entries("candidate-pair")).filter((p) => p.nominated && p.state === "succeeded");
      const locals = await entries("local-candidate");
      return pairs.map((p) => locals.find((l) => l.id === p.localCandidateId)?.protocol ?? "?");
    },
    chappeCiphers: async () =>
      (await entries("transport")).map((t) => ({ srtp: t.srtpCipher ?? "", dtls: t.dtlsCipher ?? "", version: t.tlsVersion ?? "", role: t.dtlsRole ?? "" })),
    chappeCodecs: async () => {
      const codecs = await entries("codec");
      return (await entries("inbound-rtp")).map((e) => codecs.find((c) => c.id === e.codecId)?.mimeType ?? "");
    },
  });
}

/**
 * The claim of every camera-to-screen test: frames are decoded, the picture moves, and sound is heard.
 * @param {Page} page
 * @param {string} selector
 * @param {{sound?: boolean}} [options]
 */
export async function picturesMove(page, selector, { sound = true } = {}) {
  const before = await until(`a first picture in ${selector}`, async () => {
    const seen = await look(page, selector);
    return seen.frames > 0 && seen.width > 0 ? seen : null;
  });
  /** @type {Set<number>} */
  const pictures = new Set([before.picture]);
  return until(`ten more frames, three more pictures and sound in ${selector}`, async () => {
    const seen = await look(page, selector);
    pictures.add(seen.picture);
    const heard = !sound || seen.energy > before.energy;
    return seen.frames >= before.frames + 10 && pictures.size >= 4 && heard ? seen : null;
  });
}

/**
 * Notes in the page when each frame of a video is shown, so that the longest pause can be asked for later: in
 * milliseconds, and in turns of a timer of the page. A machine that stalls takes from the turns what it takes from the
 * pictures, so that what a test holds in turns is held against the stalls of the same seconds.
 * @param {Page} page
 * @param {string} selector
 */
export async function watchForGaps(page, selector) {
  await page.evaluate(({ query, everyMs }) => {
    const video = document.querySelector(query);
    if (!(video instanceof HTMLVideoElement)) throw new Error(`no video ${query}`);
    const gaps = { lastMs: performance.now(), longestMs: 0, turns: 0, longestTurns: 0, frames: 0 };
    const before = /** @type {any} */ (window).chappeGapTimer;
    clearInterval(before);
    const timer = setInterval(() => (gaps.turns += 1), everyMs);
    const onFrame = (/** @type {number} */ nowMs) => {
      gaps.longestMs = Math.max(gaps.longestMs, nowMs - gaps.lastMs);
      gaps.longestTurns = Math.max(gaps.longestTurns, gaps.turns);
      gaps.lastMs = nowMs;
      gaps.turns = 0;
      gaps.frames += 1;
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    Object.assign(window, { chappeGaps: gaps, chappeGapTimer: timer });
  }, { query: selector, everyMs: TURN_MS });
}

/** One turn of the timer that pauses are counted by, on a machine that does nothing else. */
export const TURN_MS = 10;

/** @typedef {{longestMs: number, longestTurns: number, frames: number}} Gaps */

/**
 * @param {Page} page
 * @returns {Promise<Gaps>} with the pause that is going on now
 */
export function gaps(page) {
  return page.evaluate(() => {
    const { lastMs, longestMs, turns, longestTurns, frames } = /** @type {any} */ (window).chappeGaps;
    return { longestMs: Math.max(longestMs, performance.now() - lastMs), longestTurns: Math.max(longestTurns, turns), frames };
  });
}

/**
 * Packets that a page has lost so far over all its peer connections, also those that it closes while it is watched.
 * @param {Page} page
 * @returns {Promise<() => Promise<number>>} lost since then
 */
export async function watchForLoss(page) {
  const before = await page.evaluate((everyMs) => {
    const { chappeLost } = /** @type {any} */ (window);
    setInterval(chappeLost, everyMs);
    return chappeLost();
  }, LOSS_EVERY_MS);
  return async () => (await page.evaluate(() => /** @type {any} */ (window).chappeLost())) - before;
}

/**
 * How many peer connections a page has made so far: a page that keeps its one was not cut off for a moment.
 * @param {Page} page
 * @returns {Promise<number>}
 */
export function connectionsMade(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeConnections());
}

/** Shorter than an old peer connection lives on next to its successor. */
const LOSS_EVERY_MS = 200;

/** @param {string} stream */
export function tile(stream) {
  return `.tile[data-stream="${stream}"]`;
}

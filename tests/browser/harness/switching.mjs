// Owns a viewer whose picture is shown in another size again and again, so that it gets another layer each time, and what
// its decoder makes of it. Never publishes, and never judges.

/** @typedef {import("playwright-core").Page} Page */

/**
 * @typedef {object} Switched
 * @property {number[]} reachedMs of each change of size, until pictures of it are shown
 * @property {number} missed changes whose pictures did not come
 * @property {number[]} gapsMs times without a picture that are longer than GAP_MS, and the longest of all
 * @property {number} silences times for which no packet came, either, for longer than GAP_MS
 * @property {number} longestTurns the same in turns of a timer of the page, see `watchForGaps`
 * @property {number} pictures
 * @property {number} asked key frames that the decoder asked for
 * @property {number} lost pictures that were received and neither decoded nor left out
 * @property {number} freezes by the browser's own count
 * @property {number} freezesMs
 */

/**
 * Shows a stream, by our client library.
 * @param {Page} page of the server, whichever
 * @param {{room: string, stream: string}} what
 */
export async function show(page, what) {
  await page.evaluate(async ({ room, stream }) => {
    const library = `${location.origin}/assets/client/room.js`;
    const { joinRoom } = await import(library);
    const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true });
    document.body.append(video);
    const joined = await joinRoom({ url: location.origin, room });
    joined.on("track", (/** @type {{mediaStream: MediaStream}} */ view) => (video.srcObject = view.mediaStream));
    joined.watch([stream]);
    Object.assign(window, { chappeShow: (/** @type {number} */ lines) => joined.show(stream, { width: (lines * 16) / 9, height: lines, visible: true }) });
  }, what);
}

/**
 * Goes from one size to another, each drawn by a seed, and stays for a moment with each. Without sizes it only looks, until
 * it is told to end.
 * @param {Page} page after `show`
 * @param {{count: number, seed: number, lines: number[]}} how
 * @returns {Promise<Switched>}
 */
export function switchAtRandom(page, how) {
  return page.evaluate(async ({ count, seed, lines, gapMs, turnMs, reachMs }) => {
    const video = document.querySelector("video");
    if (!video) throw new Error("nothing is shown");
    const { chappeShow, chappeVideoFates } = /** @type {any} */ (window);
    let state = seed;
    const random = (/** @type {number} */ below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const sleep = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));
    let [lastMs, height, pictures, turns, longestTurns, longestMs] = [performance.now(), 0, 0, 0, 0, 0];
    /** @type {number[]} */
    const gapsMs = [];
    const timer = setInterval(() => (turns += 1), turnMs);
    let ends = false;
    const onFrame = (/** @type {number} */ nowMs, /** @type {VideoFrameCallbackMetadata} */ frame) => {
      const gap = nowMs - lastMs;
      longestMs = Math.max(longestMs, gap);
      if (gap > gapMs) gapsMs.push(Math.round(gap));
      longestTurns = Math.max(longestTurns, turns);
      [lastMs, height, turns, pictures] = [nowMs, frame.height, 0, pictures + 1];
      if (!ends) video.requestVideoFrameCallback(onFrame);
    };
    await new Promise((done) => video.requestVideoFrameCallback((nowMs, { height: first }) => {
      [lastMs, height] = [nowMs, first];
      video.requestVideoFrameCallback(onFrame);
      done(undefined);
    }));
    const before = await chappeVideoFates();
    let silences = 0;
    const listening = (async () => {
      let [packets, heardMs] = [-1, performance.now()];
      while (!ends) {
        const { packets: now } = await chappeVideoFates();
        if (now !== packets) {
          if (performance.now() - heardMs > gapMs) silences += 1;
          [packets, heardMs] = [now, performance.now()];
        }
        await sleep(40);
      }
    })();
    const reachedMs = [];
    let missed = 0;
    for (let at = 0; at < count; at++) {
      const others = lines.filter((one) => one !== height);
      const target = others[random(others.length)] ?? height;
      const began = performance.now();
      chappeShow(target);
      while (height !== target && performance.now() - began < reachMs) await sleep(10);
      if (height === target) reachedMs.push(Math.round(performance.now() - began));
      else missed += 1;
      await sleep(50 + random(400));
    }
    if (count === 0) while (!(/** @type {any} */ (window).chappeEnds)) await sleep(100);
    ends = true;
    clearInterval(timer);
    await listening;
    const after = await chappeVideoFates();
    const since = (/** @type {string} */ name) => after[name] - before[name];
    return {
      reachedMs,
      missed,
      gapsMs: [...gapsMs, Math.round(longestMs)],
      silences,
      longestTurns,
      pictures,
      asked: since("asked"),
      // One or two are on their way.
      lost: Math.max(0, since("received") - since("decoded") - since("dropped") - 3),
      freezes: since("freezes"),
      freezesMs: Math.round(since("freezesMs")),
    };
  }, { ...how, gapMs: GAP_MS, turnMs: 10, reachMs: REACH_MS });
}

/**
 * Ends a look without changes.
 * @param {Page} page
 */
export async function endLook(page) {
  await page.evaluate(() => void Object.assign(window, { chappeEnds: true }));
}

/** A picture that stands for longer is seen to stand. */
const GAP_MS = 200;
/** Longest that a change is waited for. */
const REACH_MS = 5_000;

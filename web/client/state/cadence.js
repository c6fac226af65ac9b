// Owns the judgements whether pictures come as evenly as they are taken, and whether they stand still. Never asks for
// statistics.

/**
 * @typedef {object} Cadence
 * @property {number} frames decoded when the last window ended
 * @property {number} endedMs when that was
 * @property {number | null} perSecond in that window; null: there was none yet
 * @property {boolean} even
 */

/** Long enough for several pictures of a slow camera. */
const WINDOW_MS = 200;
/** One picture more or less in each of two windows. */
const SPREAD_PER_SECOND = 2000 / WINDOW_MS;
/** No camera is faster: what comes faster is a server's burst of kept pictures, on which a new viewer starts. */
const PER_SECOND_MAX = 75;

/**
 * Even are two windows one after the other with as many pictures each, as fast as a camera takes them. A picture that
 * stands, as of a shared screen, is even once it has come at all.
 * @param {Cadence | null} last
 * @param {{frames: number, nowMs: number}} look `frames`: decoded so far
 * @returns {Cadence}
 */
export function updateCadence(last, { frames, nowMs }) {
  if (!last || last.frames === 0) return { frames, endedMs: nowMs, perSecond: null, even: false };
  const tookMs = nowMs - last.endedMs;
  if (tookMs < WINDOW_MS) return last;
  const perSecond = ((frames - last.frames) * 1000) / tookMs;
  const even = last.perSecond !== null && Math.max(perSecond, last.perSecond) <= PER_SECOND_MAX && Math.abs(perSecond - last.perSecond) <= SPREAD_PER_SECOND;
  return { frames, endedMs: nowMs, perSecond, even };
}

/** @typedef {{frames: number, movedMs: number, stands: boolean}} Standing */

/** Four pictures of a usual camera. */
const STANDS_MS_MIN = 130;

/**
 * Pictures that stand for so long are not worth waiting for, whatever becomes of their path.
 * @param {Standing | null} last
 * @param {{frames: number, nowMs: number}} look `frames`: decoded so far
 * @returns {Standing}
 */
export function updateStanding(last, { frames, nowMs }) {
  if (!last || frames !== last.frames) return { frames, movedMs: nowMs, stands: false };
  return { ...last, stands: nowMs - last.movedMs >= STANDS_MS_MIN };
}

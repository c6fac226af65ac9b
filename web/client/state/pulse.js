// Owns the judgement that a whole path died: not even what a living worker sends all the time arrives. Never asks
// for statistics.

/**
 * @typedef {object} Pulse
 * @property {number} count of packets or bytes that came over the transport, of whatever kind
 * @property {number} movedMs when it last moved
 * @property {number} gapMs usual time between two looks that saw it move
 * @property {number} moves looks that saw it move
 * @property {number} still looks since then that did not
 * @property {boolean} late something should have come by now
 * @property {boolean} silent
 */

/** A viewer's worker, and a publisher's, is given up after this long at least. */
export const VIEWER_SILENT_MS_MIN = 250;
export const PUBLISHER_SILENT_MS_MIN = 500;
const GAPS = 4;
/** One late look must not do: a machine that was asleep has not read yet what came meanwhile. */
const STILL_MIN = 3;
/** A path is late before it is silent: a living worker is heard ten times a second. */
const LATE_MS_MIN = 120;
const LATE_GAPS = 2;
/** Before that nobody has seen what is usual: what the server promised has to do. */
const MOVES_MIN = 3;
/** A worker that is busy with handshakes may have our last message still before it. */
const FIRST_TIMES_AS_LONG = 2;

/**
 * @param {Pulse | null} last
 * @param {{count: number, atMs: number, silentMsMin: number, promisedMs?: number}} look `atMs`: when the count was
 *   taken; `promisedMs`: a living path moves at least this often; 0: nobody said so
 * @returns {Pulse}
 */
export function updatePulse(last, { count, atMs, silentMsMin, promisedMs = 0 }) {
  if (!last || count < last.count) return { count, movedMs: atMs, gapMs: 0, moves: 0, still: 0, late: false, silent: false };
  const sinceMs = atMs - last.movedMs;
  if (count > last.count) {
    const gapMs = last.moves === 0 ? sinceMs : last.gapMs * 0.875 + sinceMs * 0.125;
    return { count, movedMs: atMs, gapMs, moves: last.moves + 1, still: 0, late: false, silent: false };
  }
  const still = last.still + 1;
  const seen = last.moves >= MOVES_MIN;
  const usualMs = seen ? last.gapMs : Math.max(last.gapMs, promisedMs) * (last.moves === 0 ? FIRST_TIMES_AS_LONG : 1);
  const known = seen || promisedMs > 0;
  const late = known && still >= 2 && sinceMs >= Math.max(LATE_MS_MIN, LATE_GAPS * usualMs);
  const silent = known && still >= STILL_MIN && sinceMs >= Math.max(silentMsMin, GAPS * usualMs);
  return { ...last, still, late, silent };
}

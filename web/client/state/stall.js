// Owns the judgement that media stopped arriving. Never asks for statistics.

/**
 * @typedef {object} Arrival
 * @property {number} packets counted when last looked
 * @property {number} changedMs when the count last moved
 * @property {number} gapMs usual time between two looks that saw it move
 * @property {boolean} stalled
 */

/** The server itself marks a track as silent after 2 s; a pause that it knows of is no stall. */
export const STALL_MS_MIN = 2500;
const GAPS = 4;

/**
 * @param {Arrival | null} last
 * @param {{packets: number, nowMs: number, expected: boolean}} look `expected`: the server says that media flows
 * @returns {Arrival}
 */
export function updateArrival(last, { packets, nowMs, expected }) {
  if (!last || !expected || packets < last.packets) return { packets, changedMs: nowMs, gapMs: last?.gapMs ?? 0, stalled: false };
  const silentMs = nowMs - last.changedMs;
  if (packets > last.packets) {
    const gapMs = last.gapMs === 0 ? silentMs : last.gapMs * 0.875 + silentMs * 0.125;
    return { packets, changedMs: nowMs, gapMs, stalled: false };
  }
  return { ...last, stalled: silentMs >= Math.max(STALL_MS_MIN, GAPS * last.gapMs) };
}

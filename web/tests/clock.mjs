// Owns a clock that only the test moves, in the place of setTimeout and performance.now. Never reads the real one.

/** @typedef {{dueMs: number, run: () => void}} Timer */

/** @type {Map<number, Timer>} */
const timers = new Map();
let nowMs = 0;
let nextId = 1;

/** Takes the place of the timers of this process, with none set. */
export function install() {
  timers.clear();
  nowMs = 0;
  const set = (/** @type {() => void} */ run, ms = 0) => {
    timers.set(nextId, { dueMs: nowMs + ms, run });
    return nextId++;
  };
  Object.assign(globalThis, { setTimeout: set, clearTimeout: (/** @type {number} */ id) => timers.delete(id) });
  Object.assign(performance, { now: () => nowMs });
}

/** @param {number} ms */
export function advance(ms) {
  const until = nowMs + ms;
  for (;;) {
    const [next] = [...timers].filter(([, t]) => t.dueMs <= until).sort((a, b) => a[1].dueMs - b[1].dueMs);
    if (!next) break;
    timers.delete(next[0]);
    nowMs = next[1].dueMs;
    next[1].run();
  }
  nowMs = until;
}

/** Lets chains of promises run to their end; they are a few steps long. */
export async function settle() {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

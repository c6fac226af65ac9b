// Owns what is shown of a state that may be over before anybody has read of it. Never reads a clock.

/** What lasts less than this is not shown. */
export const SHOWN_AFTER_MS = 1000;

/**
 * @template T
 * @typedef {{shown: T, next: T, sinceMs: number}} Steady
 */

/**
 * @template T
 * @param {T} value
 * @returns {Steady<T>}
 */
export function steady(value) {
  return { shown: value, next: value, sinceMs: 0 };
}

/**
 * Good news is shown at once, anything else when it has lasted.
 * @template T
 * @param {Steady<T>} state
 * @param {{value: T, good: boolean, nowMs: number}} look
 * @returns {Steady<T>}
 */
export function updateSteady(state, { value, good, nowMs }) {
  if (good || value === state.shown) return { shown: value, next: value, sinceMs: nowMs };
  const sinceMs = state.next === state.shown ? nowMs : state.sinceMs;
  return nowMs - sinceMs >= SHOWN_AFTER_MS ? { shown: value, next: value, sinceMs: nowMs } : { ...state, next: value, sinceMs };
}

/**
 * @param {Steady<any>} state
 * @returns {boolean} it has to be looked at again later
 */
export function unsettled({ shown, next }) {
  return shown !== next;
}

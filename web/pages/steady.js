// Owns the clock beside `state/steady.js`: it looks again when something may have lasted. Never draws.

import { SHOWN_AFTER_MS, steady, unsettled, updateSteady } from "./state/steady.js";

/** @template T */
export class Steadied {
  #state;
  #onShown;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #good = true;

  /**
   * @param {T} value
   * @param {() => void} onShown when something is shown because it has lasted
   */
  constructor(value, onShown) {
    this.#state = steady(value);
    this.#onShown = onShown;
  }

  /**
   * @param {T} value
   * @param {boolean} good
   * @returns {T} what is to be shown
   */
  update(value, good) {
    this.#good = good;
    this.#look(value);
    return this.#state.shown;
  }

  /** @param {T} value */
  #look(value) {
    const nowMs = performance.now();
    this.#state = updateSteady(this.#state, { value, good: this.#good, nowMs });
    clearTimeout(this.#timer);
    if (!unsettled(this.#state)) return;
    const dueMs = this.#state.sinceMs + SHOWN_AFTER_MS - nowMs;
    this.#timer = setTimeout(() => {
      this.#look(this.#state.next);
      this.#onShown();
    }, Math.max(dueMs, 0) + 1);
  }
}

// Owns the streams that left a moment ago: a publisher whose worker died is back before anyone needs to see it go.

/** @import { Stream } from "../protocol.js" */

/** How long a stream that left is still shown with its last picture. */
const LINGER_MS = 1500;

export class Lingering {
  /** @type {Map<string, {source: Stream, timer: ReturnType<typeof setTimeout>}>} */
  #streams = new Map();
  #onGone;

  /** @param {() => void} onGone */
  constructor(onGone) {
    this.#onGone = onGone;
  }

  /** @param {Stream} source */
  add(source) {
    this.forget(source.stream);
    const timer = setTimeout(() => {
      this.#streams.delete(source.stream);
      this.#onGone();
    }, LINGER_MS);
    this.#streams.set(source.stream, { source, timer });
  }

  /** @param {string} name */
  forget(name) {
    clearTimeout(this.#streams.get(name)?.timer);
    this.#streams.delete(name);
  }

  names() {
    return [...this.#streams.keys()];
  }

  /** @param {string} name */
  source(name) {
    return this.#streams.get(name)?.source ?? null;
  }
}

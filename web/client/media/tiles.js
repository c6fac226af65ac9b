// Owns what a page says of its tiles: how large each is, and whether somebody sees it. Tells the server, for each session,
// once that has stayed for a moment. Never measures.

/** @import { Kind } from "../protocol.js" */

/**
 * @typedef {object} Shown
 * @property {number} width in device pixels
 * @property {number} height
 * @property {boolean} visible
 * @property {boolean} [pinned] chosen to be looked at
 */

/** @typedef {Shown & {mid: string}} TileMessage what the server is told of one m-line */

/**
 * A peer connection and what is on its m-lines, by place.
 * @typedef {object} Watching
 * @property {string | null} session
 * @property {readonly {stream: string, kind: Kind}[]} subscriptions
 * @property {readonly {mid: string | null}[]} transceivers
 * @property {ReadonlyMap<string, unknown>} slots what the server knows of, by mid
 */

/** A window that is being dragged changes all the time. */
const STAYED_MS = 150;
const EDGE_MAX = 16_384;

export class Tiles {
  #tell;
  /** @type {Map<string, Shown>} by stream */
  #shown = new Map();
  /** @type {Watching[]} */
  #watching = [];
  /** @type {Map<string, string>} what each session was told last */
  #told = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(session: string, tiles: TileMessage[]) => Promise<unknown>} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * @param {string} stream
   * @param {Shown | null} shown null when it has no tile any more
   */
  show(stream, shown) {
    if (shown) this.#shown.set(stream, shown);
    else this.#shown.delete(stream);
    this.#soon();
  }

  /** @param {string} stream */
  hides(stream) {
    return this.#shown.get(stream)?.visible === false;
  }

  /** @param {(Watching | null)[]} peers those there are, each once or more often */
  follow(peers) {
    this.#watching = [...new Set(peers.filter((peer) => peer !== null))];
    for (const session of this.#told.keys()) if (!this.#watching.some((w) => w.session === session)) this.#told.delete(session);
    if (this.#shown.size > 0) this.#soon();
  }

  end() {
    clearTimeout(this.#timer);
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tellAll(), STAYED_MS);
  }

  #tellAll() {
    for (const { session, subscriptions, transceivers, slots } of this.#watching) {
      if (session === null) continue;
      const tiles = subscriptions.flatMap(({ stream, kind }, place) => {
        const [mid, shown] = [transceivers[place]?.mid, this.#shown.get(stream)];
        return kind === "video" && shown && mid && slots.has(mid) ? [{ mid, ...bounded(shown) }] : [];
      });
      const text = JSON.stringify(tiles);
      if (text === (this.#told.get(session) ?? "[]")) continue;
      this.#told.set(session, text);
      // What did not get there is said again with the next change; a server that does not know of views sends everything.
      this.#tell(session, tiles).catch(() => this.#told.delete(session));
    }
  }
}

/** @param {Shown} shown */
function bounded({ width, height, visible, pinned = false }) {
  const edge = (/** @type {number} */ pixels) => Math.min(EDGE_MAX, Math.max(0, Math.round(pixels)));
  return { width: edge(width), height: edge(height), visible, pinned };
}

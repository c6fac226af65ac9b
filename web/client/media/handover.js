// Owns the change from one peer connection to its successor: the old one goes on until the new one carries media.
// Never decides when to change.

/** @import { OnPeerState } from "./peer.js" */

import { Peer } from "./peer.js";

/**
 * From the moment that the successor is shown until the old one is closed. Closing keeps the page busy for a moment,
 * which must not fall on the first pictures of the successor.
 */
const CLOSE_AFTER_MS = 400;

/** @template {Peer} P */
export class Handover {
  /** @type {P | null} the one that is negotiated */
  newest = null;
  /** @type {P | null} the last that carried media, until `newest` does */
  #retiring = null;
  /** `newest` carries media. */
  #complete = false;
  /** @type {Map<P, ReturnType<typeof setTimeout>>} not shown or seen any more, closed in a moment */
  #leaving = new Map();
  #onEnded;

  /** @param {(session: string) => void} onEnded a session that the server need not keep */
  constructor(onEnded) {
    this.#onEnded = onEnded;
  }

  /** The one whose media is shown or seen. */
  get carrying() {
    return this.#retiring ?? this.newest;
  }

  /** The one that goes on until `newest` carries media. */
  get retiring() {
    return this.#retiring;
  }

  /**
   * One that never carried media is given up; the one that did goes on, however many successors are tried.
   * @param {P} peer
   */
  begin(peer) {
    const before = this.newest;
    this.newest = peer;
    if (before && this.#complete) this.#retiring = before;
    else if (before) this.#end(before);
    this.#complete = false;
  }

  /** To be called when `newest` carries media. */
  complete() {
    this.#complete = true;
    const old = this.#retiring;
    this.#retiring = null;
    if (!old) return;
    old.hush();
    this.#leaving.set(old, setTimeout(() => this.#end(old), CLOSE_AFTER_MS));
  }

  /** @returns {string[]} sessions that the server may hold */
  held() {
    return this.#all().flatMap((peer) => peer.session ?? []);
  }

  /** @returns {string[]} those whose media flows or may flow */
  living() {
    return this.#all().flatMap((peer) => (peer.session && !peer.silent && peer.pc.connectionState !== "failed" ? [peer.session] : []));
  }

  #all() {
    return [this.newest, this.#retiring, ...this.#leaving.keys()].filter((peer) => peer !== null);
  }

  /** All of it ends; the server is told by whoever ends it. */
  close() {
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    for (const peer of this.#all()) peer.close();
    this.#leaving.clear();
    this.#retiring = this.newest = null;
  }

  /** @param {P} peer */
  #end(peer) {
    this.#leaving.delete(peer);
    peer.close();
    if (peer.session) this.#onEnded(peer.session);
  }
}

// Owns the change from one peer connection to its successor: the old one goes on until the new one carries media.
// Never decides when to change.

/** @import { OnPeerState } from "./peer.js" */

import { Peer } from "./peer.js";

/** @template {Peer} P */
export class Handover {
  /** @type {P | null} the one that is negotiated */
  newest = null;
  /** @type {P | null} the last that carried media, until `newest` does */
  #retiring = null;
  /** `newest` carries media. */
  #complete = false;
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
    this.giveUpRetiring();
  }

  giveUpRetiring() {
    const old = this.#retiring;
    this.#retiring = null;
    if (old) this.#end(old);
  }

  /** @returns {string[]} sessions whose media flows or may flow */
  living() {
    return [this.newest, this.#retiring].flatMap((p) => (p?.session && p.pc.connectionState !== "failed" ? [p.session] : []));
  }

  /** All of it ends; the server is told by whoever ends it. */
  close() {
    this.#retiring?.close();
    this.newest?.close();
    this.#retiring = this.newest = null;
  }

  /** @param {P} peer */
  #end(peer) {
    peer.close();
    if (peer.session) this.#onEnded(peer.session);
  }
}

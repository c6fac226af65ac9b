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

  /** The one whose media is shown or seen. */
  get carrying() {
    return this.#retiring ?? this.newest;
  }

  /** @param {P} peer */
  begin(peer) {
    if (this.newest?.carried) {
      this.#retiring?.close();
      this.#retiring = this.newest;
    } else {
      this.newest?.close();
    }
    this.newest = peer;
  }

  /**
   * To be called when `newest` is connected.
   * @returns {string | null} the session that is not needed any more
   */
  complete() {
    const old = this.#retiring;
    this.#retiring = null;
    old?.close();
    return old && old.session !== this.newest?.session ? old.session : null;
  }

  /** @returns {string[]} sessions whose media flows or may flow */
  living() {
    return [this.newest, this.#retiring].flatMap((p) => (p?.session && p.pc.connectionState !== "failed" ? [p.session] : []));
  }

  end() {
    this.#retiring?.close();
    this.newest?.close();
    this.#retiring = this.newest = null;
  }
}

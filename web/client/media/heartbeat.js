// Owns looking at what arrives over one peer connection, several times in the time that decides. Never acts on it.

/** @import { Peer } from "./peer.js" */
/** @import { Pulse } from "../state/pulse.js" */

import { arrivedIn } from "../stats.js";
import { updatePulse } from "../state/pulse.js";

/** Browsers keep a report for 50 ms, so more often would see nothing new. */
const LOOK_MS_MIN = 60;
const LOOK_MS_MAX = 150;
/**
 * A busy machine is not asked all the time. Most of a look is waiting for the browser's other threads; of this one it
 * takes half a millisecond.
 */
const TIMES_AS_LONG = 2;

export class Heartbeat {
  /** @type {Pulse | null} */
  #pulse = null;
  /** @type {Peer | null} */
  #peer = null;
  /** It was found silent: from then on only what is heard of it counts. */
  #givenUp = false;
  #subject;
  #silentMsMin;
  #onLate;
  #onSilent;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {object} options
   * @param {() => Peer | null} options.subject whom to look at, asked anew each time; null: nobody
   * @param {number} options.silentMsMin
   * @param {() => void} options.onLate it may turn out to be silent
   * @param {(peer: Peer) => void} options.onSilent
   */
  constructor({ subject, silentMsMin, onLate, onSilent }) {
    this.#subject = subject;
    this.#silentMsMin = silentMsMin;
    this.#onLate = onLate;
    this.#onSilent = onSilent;
    this.#later(LOOK_MS_MIN);
  }

  /** Something was heard a moment ago, and is not overdue. A peer that was just found silent has to be heard again. */
  get beats() {
    return this.#pulse !== null && this.#pulse.moves > 0 && this.#pulse.still < 2;
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param {number} ms */
  #later(ms) {
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look() {
    const timer = this.#timer;
    const startedMs = performance.now();
    await this.#judge().catch(() => {});
    if (timer !== this.#timer) return;
    const tookMs = performance.now() - startedMs;
    this.#later(Math.min(Math.max(LOOK_MS_MIN, tookMs * TIMES_AS_LONG), LOOK_MS_MAX));
  }

  async #judge() {
    const peer = this.#subject();
    if (peer !== this.#peer) [this.#pulse, this.#givenUp] = [null, false];
    this.#peer = peer;
    if (!peer) return;
    const arrived = await arrivals(peer.pc);
    if (!arrived || peer !== this.#subject()) return;
    const promisedMs = this.#givenUp ? 0 : peer.aliveMs;
    this.#pulse = updatePulse(this.#pulse, { ...arrived, silentMsMin: this.#silentMsMin, promisedMs });
    if (this.#pulse.still > 0) peer.stillSinceMs ??= performance.now();
    else if (this.#pulse.moves > 0) peer.stillSinceMs = null;
    if (this.#pulse.late) this.#onLate();
    if (!this.#pulse.silent) return;
    [this.#pulse, this.#givenUp] = [null, true];
    this.#onSilent(peer);
  }
}

/**
 * The report of one sender or receiver names the transport too, and costs a third of the whole one; it is empty for
 * one that never had media.
 * @param {RTCPeerConnection} pc
 */
async function arrivals(pc) {
  const ends = pc.getTransceivers().filter((t) => t.currentDirection === "sendonly" || t.currentDirection === "recvonly");
  const [first] = ends;
  const end = first?.currentDirection === "sendonly" ? first.sender : first?.receiver;
  const partial = end ? arrivedIn([...(await end.getStats()).values()]) : null;
  return partial ?? arrivedIn([...(await pc.getStats()).values()]);
}

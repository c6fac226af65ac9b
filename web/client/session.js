// Owns the timers and the order of a session's offers. Never touches a peer connection: its owner does, when told.

/** @import { SessionEvent, SessionState } from "./state/session.js" */

import { Emitter } from "./emitter.js";
import { RequestError } from "./protocol.js";
import { pauseMs } from "./state/backoff.js";
import { initialSession, updateSession } from "./state/session.js";

/** `fresh`: a new peer connection; `update`: other m-lines; `restart`: ICE restart. */
/** @typedef {"fresh" | "update" | "restart"} OfferKind */

/**
 * @typedef {object} SessionWork
 * @property {(kind: OfferKind, asked: SessionState, withinMs: number) => Promise<string>} negotiate offers, applies
 *   the answer, which has to come within a time, gives back the session
 * @property {() => Promise<unknown>} [ready] what the first offer of a peer connection waits for; it never fails
 * @property {() => number} [random]
 */

/** A broken media path gets this long to heal by itself. */
const SHAKY_MS_MAX = 2000;
/** From the answer to the first media path. */
const CONNECT_MS_MAX = 10_000;
/** The same when nothing is seen or sent meanwhile: rather another try than a long wait. Grows with each. */
const CONNECT_AGAIN_MS = 2500;
const ANSWER_MS_MAX = 10_000;
const ANSWER_AGAIN_MS = 1500;
/** Media that flowed for so long makes a later loss the first one: it is answered at once, twice a second at most. */
const STEADY_MS = 500;

/** @extends {Emitter<{state: SessionState}>} */
export class Session extends Emitter {
  /** @type {SessionState} */
  state = initialSession;
  #work;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Negotiations of one peer connection must not overlap. */
  #queue = Promise.resolve();

  /** @param {SessionWork} work */
  constructor(work) {
    super();
    this.#work = work;
  }

  /** @param {SessionEvent} event */
  dispatch(event) {
    const before = this.state;
    this.state = updateSession(before, event);
    if (this.state === before) return;
    if (this.state.phase !== before.phase || this.state.turn !== before.turn) this.#enter(this.state);
    this.emit("state", this.state);
  }

  /** @param {SessionState} state */
  #enter(state) {
    clearTimeout(this.#timer);
    switch (state.phase) {
      case "offering":
        return this.#negotiate("fresh", state);
      case "updating":
        return this.#negotiate("update", state);
      case "restarting":
        return this.#negotiate("restart", state);
      case "connecting":
        return this.#after(limit(state, CONNECT_AGAIN_MS, CONNECT_MS_MAX), { type: "impatient" });
      case "live":
        return this.#after(STEADY_MS, { type: "steady" });
      case "shaky":
        return this.#after(SHAKY_MS_MAX, { type: "impatient" });
      case "waiting":
        return this.#after(pauseMs(state.attempts - 1, (this.#work.random ?? Math.random)(), state.askedMs), { type: "due" });
    }
  }

  /**
   * @param {number} ms
   * @param {SessionEvent} event
   */
  #after(ms, event) {
    this.#timer = setTimeout(() => this.dispatch(event), ms);
  }

  /**
   * @param {OfferKind} kind
   * @param {SessionState} asked
   */
  #negotiate(kind, asked) {
    this.#queue = this.#queue.then(async () => {
      if (kind === "fresh") await this.#work.ready?.();
      if (this.state.turn !== asked.turn) return;
      try {
        const session = await this.#work.negotiate(kind, asked, limit(asked, ANSWER_AGAIN_MS, ANSWER_MS_MAX));
        this.dispatch({ type: "answered", turn: asked.turn, session });
      } catch (reason) {
        const error = problemOf(reason);
        this.dispatch({ type: "failed", turn: asked.turn, error, retryAfterMs: error.retryAfterMs });
      }
    });
  }
}

/**
 * @param {SessionState} state
 * @param {number} againMs
 * @param {number} mostMs
 */
function limit({ old, oldFlows, attempts }, againMs, mostMs) {
  return old !== null && !oldFlows ? Math.min(againMs * Math.max(1, attempts), mostMs) : mostMs;
}

/** @param {unknown} reason */
function problemOf(reason) {
  if (reason instanceof RequestError) {
    return { code: reason.code, message: reason.message, retryAfterMs: reason.retryAfterMs };
  }
  return { code: "browser", message: reason instanceof Error ? reason.message : String(reason), retryAfterMs: undefined };
}

// Owns the life of one session (a peer connection as the server knows it) as a value. Never offers, never waits.
//
//  idle ─start─► offering ─answered─► connecting ─connected─► live ◄─► shaky (media path in doubt)
//                   ▲  ▲                  │ impatient           │ changed: updating   │ impatient: restarting
//                   │  └─due── waiting ◄──┴── failed, lost ─────┴─────────────────────┘
//                   └── lost, moved, stalled, or not in the welcome after a reconnect: a fresh peer connection, and
//                       `old` is the session that it takes the place of, until it `carries` media itself
//  refused: another attempt would get the same answer; ended: by us

/** @import { Problem } from "./link.js" */

/**
 * @typedef {"idle" | "offering" | "connecting" | "live" | "shaky" | "updating" | "restarting" | "waiting"
 *   | "refused" | "ended"} SessionPhase
 */

/**
 * @typedef {object} SessionState
 * @property {SessionPhase} phase
 * @property {string | null} session id, once answered
 * @property {RTCPeerConnectionState} peer what the newest peer connection last said
 * @property {string | null} old session whose place a new one is to take
 * @property {boolean} oldFlows as far as is known, its media goes on meanwhile
 * @property {number} attempts fresh offers since media last flowed for a while
 * @property {number} turn counts offers of any kind, so that a late answer to an older one is known as such
 * @property {boolean} stale something changed that the last offer did not say
 * @property {number} askedMs pause the server asked for
 * @property {Problem | null} error
 */

/**
 * @typedef {{type: "start"} | {type: "answered", turn: number, session: string}
 *   | {type: "failed", turn: number, error: Problem, retryAfterMs?: number}
 *   | {type: "peer", peer: RTCPeerConnectionState} | {type: "impatient"} | {type: "stalled"} | {type: "changed"}
 *   | {type: "lost", reason: string} | {type: "moved"} | {type: "carries"} | {type: "old_ended", reason?: string} | {type: "steady"}
 *   | {type: "due"} | {type: "link_up", lives: boolean} | {type: "stop"}} SessionEvent
 */

/** @type {SessionState} */
export const initialSession = {
  phase: "idle",
  session: null,
  old: null,
  oldFlows: false,
  peer: "new",
  attempts: 0,
  turn: 0,
  stale: false,
  askedMs: 0,
  error: null,
};

/** Answers to a first offer that another attempt would get again. */
const FINAL = new Set(["stream_exists", "bad_name", "bad_sdp", "no_codec", "unauthorized", "token_expired", "forbidden", "bad_message"]);
/** Reasons of `session_lost` that say: do not come back by yourself. */
const FINAL_LOSS = new Set(["taken_over", "kicked"]);
/** Code of an offer that was not made because nothing is wanted any more. */
export const NOTHING = "nothing";
/** The question got no answer; the session itself may be well. */
const UNHEARD = new Set(["disconnected", "timeout"]);
/** So many fresh offers follow each other without a pause; a session that keeps dying gets pauses. */
const AT_ONCE_MAX = 2;

/**
 * @param {SessionState} state
 * @param {SessionEvent} event
 * @returns {SessionState}
 */
export function updateSession(state, event) {
  if (state.phase === "ended") return state;
  switch (event.type) {
    case "start":
      return state.phase === "idle" || state.phase === "refused" ? offer({ ...state, attempts: 0 }) : state;
    case "answered":
      return event.turn === state.turn ? answered(state, event.session) : state;
    case "failed":
      return event.turn === state.turn ? failed(state, event.error, event.retryAfterMs ?? 0) : state;
    case "peer":
      return peerSaid({ ...state, peer: event.peer });
    case "impatient":
      return impatient(state);
    case "stalled":
      return stalled(state);
    case "changed":
      return changed(state);
    case "lost":
      return lost(state, event.reason);
    case "moved":
      return holdsSession(state) ? offer(retire(state, true)) : state;
    case "carries":
      return state.old === null ? state : { ...state, old: null, oldFlows: false };
    case "old_ended":
      if (event.reason && FINAL_LOSS.has(event.reason)) return refusedFor(state, event.reason);
      return state.oldFlows ? { ...state, oldFlows: false } : state;
    case "steady":
      return state.phase === "live" && state.attempts > 0 ? { ...state, attempts: 0 } : state;
    case "due":
      return state.phase === "waiting" ? offer(state) : state;
    case "link_up":
      return linkUp(state, event.lives);
    case "stop":
      return { ...state, phase: "ended", stale: false, turn: state.turn + 1 };
  }
}

/**
 * Phases in which the server should know our session.
 * @param {SessionState} state
 */
export function holdsSession(state) {
  return ["connecting", "live", "shaky", "updating", "restarting"].includes(state.phase);
}

/**
 * What the page shows or sends comes from a session that goes on to be the old one; a younger one, which does not
 * carry media yet, is given up.
 * @param {SessionState} state
 * @param {boolean} flows
 * @returns {SessionState}
 */
function retire(state, flows) {
  if (state.old !== null) return state;
  return { ...state, old: state.session, oldFlows: flows && state.session !== null };
}

/**
 * A fresh peer connection with a first offer.
 * @param {SessionState} state
 * @returns {SessionState}
 */
function offer(state) {
  const fresh = { ...state, session: null, peer: /** @type {const} */ ("new"), attempts: state.attempts + 1, stale: false };
  return negotiate(fresh, "offering");
}

/**
 * @param {SessionState} state
 * @param {"offering" | "updating" | "restarting"} phase
 * @returns {SessionState}
 */
function negotiate(state, phase) {
  return { ...state, phase, turn: state.turn + 1, askedMs: 0, error: null };
}

/**
 * @param {SessionState} state
 * @param {string} session
 * @returns {SessionState}
 */
function answered(state, session) {
  if (!["offering", "updating", "restarting"].includes(state.phase)) return state;
  if (state.stale) return negotiate({ ...state, session, stale: false }, "updating");
  return settled({ ...state, session });
}

/**
 * The phase that goes with what the peer connection says.
 * @param {SessionState} state
 * @returns {SessionState}
 */
function settled(state) {
  switch (state.peer) {
    case "connected":
      return { ...state, phase: "live", error: null };
    case "disconnected":
      return { ...state, phase: "shaky" };
    case "failed":
    case "closed":
      return again(state, { code: "peer_failed", message: "The media connection failed." });
    default:
      return { ...state, phase: "connecting" };
  }
}

/**
 * @param {SessionState} state
 * @param {Problem} error
 * @param {number} askedMs
 * @returns {SessionState}
 */
function failed(state, error, askedMs) {
  switch (state.phase) {
    case "offering":
      if (error.code === NOTHING) return { ...initialSession, turn: state.turn };
      return FINAL.has(error.code) ? { ...state, phase: "refused", error } : wait(state, error, askedMs);
    case "updating":
    case "restarting":
      if (error.code === "no_such_session") return offer(retire(state, true));
      if (!UNHEARD.has(error.code)) return wait(retire(state, true), error, askedMs);
      // Media may well flow on: what was not said is said when the link is back.
      return { ...settled(state), stale: state.stale || state.phase === "updating" };
    default:
      return state;
  }
}

/**
 * @param {SessionState} state
 * @returns {SessionState}
 */
function peerSaid(state) {
  const negotiating = ["updating", "restarting"].includes(state.phase);
  const broken = state.peer === "failed" || state.peer === "closed";
  if (negotiating && !broken) return state;
  return holdsSession(state) ? settled(state) : state;
}

/**
 * @param {SessionState} state
 * @returns {SessionState}
 */
function impatient(state) {
  if (state.phase === "shaky") return negotiate(state, "restarting");
  if (state.phase !== "connecting") return state;
  return wait(state, { code: "no_path", message: "No media path to the server was found." }, 0);
}

/**
 * @param {SessionState} state
 * @returns {SessionState}
 */
function changed(state) {
  switch (state.phase) {
    case "live":
    case "shaky":
    case "connecting":
      return negotiate({ ...state, stale: false }, "updating");
    case "offering":
    case "updating":
    case "restarting":
      return state.stale ? state : { ...state, stale: true };
    default:
      return state;
  }
}

/**
 * @param {SessionState} state
 * @param {string} reason
 * @returns {SessionState}
 */
function lost(state, reason) {
  if (!holdsSession(state)) return state;
  if (FINAL_LOSS.has(reason)) return refusedFor(state, reason);
  return again(state, ended(reason));
}

/**
 * Also when its peer connection broke first, and a younger session was asked for.
 * @param {SessionState} state
 * @param {string} reason
 * @returns {SessionState}
 */
function refusedFor(state, reason) {
  return { ...initialSession, phase: "refused", error: ended(reason), turn: state.turn + 1 };
}

/** @param {string} reason */
function ended(reason) {
  return { code: reason, message: "The server ended the session." };
}

/**
 * Nothing comes from the session any more.
 * @param {SessionState} state
 * @returns {SessionState}
 */
function stalled(state) {
  if (!holdsSession(state) || state.phase === "connecting") return state;
  return again(state, { code: "stalled", message: "Nothing arrives from the server any more." });
}

/**
 * The session is dead: a fresh one at once, unless those before it died young.
 * @param {SessionState} state
 * @param {Problem} error
 * @returns {SessionState}
 */
function again(state, error) {
  const dead = retire(state, false);
  return state.phase !== "connecting" && state.attempts < AT_ONCE_MAX ? offer(dead) : wait(dead, error, 0);
}

/**
 * @param {SessionState} state
 * @param {boolean} lives the server still knows the session
 * @returns {SessionState}
 */
function linkUp(state, lives) {
  if (state.phase === "waiting") return offer({ ...state, attempts: 0 });
  if (!holdsSession(state)) return state;
  if (!lives) return offer(retire(state, true));
  if (state.phase === "shaky") return negotiate(state, "restarting");
  return state.stale ? changed({ ...state, stale: false }) : state;
}

/**
 * @param {SessionState} state
 * @param {Problem} error
 * @param {number} askedMs
 * @returns {SessionState}
 */
function wait(state, error, askedMs) {
  return { ...state, phase: "waiting", session: null, error, askedMs, turn: state.turn + 1 };
}

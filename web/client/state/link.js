// Owns the life of the WebSocket as a value. Never opens one.
//
//   connecting ─opened─► greeting ─welcomed─► open
//        ▲                   │ refused           │ broken
//        └──due── waiting ◄──┴───────────────────┘        closed: by us, or refused for good

/** @typedef {"connecting" | "greeting" | "open" | "waiting" | "closed"} LinkPhase */
/** @typedef {{code: string, message: string}} Problem */

/**
 * @typedef {object} LinkState
 * @property {LinkPhase} phase
 * @property {number} attempts failed ones since the link was last open
 * @property {number} askedMs pause the server asked for
 * @property {string | null} resume secret that the next hello carries
 * @property {Problem | null} error why it is waiting or closed
 */

/**
 * @typedef {{type: "opened"} | {type: "welcomed", resume: string} | {type: "broken", error: Problem}
 *   | {type: "refused", error: Problem, retryAfterMs?: number} | {type: "due"} | {type: "close"}} LinkEvent
 */

/** @type {LinkState} */
export const initialLink = { phase: "connecting", attempts: 0, askedMs: 0, resume: null, error: null };

/** Answers to `hello` that another attempt would get again. */
const FINAL = new Set(["unsupported_version", "bad_name", "bad_message", "unauthorized"]);

/**
 * @param {LinkState} state
 * @param {LinkEvent} event
 * @returns {LinkState}
 */
export function updateLink(state, event) {
  if (state.phase === "closed") return state;
  switch (event.type) {
    case "opened":
      return state.phase === "connecting" ? { ...state, phase: "greeting" } : state;
    case "welcomed":
      return { phase: "open", attempts: 0, askedMs: 0, resume: event.resume, error: null };
    case "broken":
      return waiting(state, event.error, 0);
    case "refused":
      if (FINAL.has(event.error.code)) return { ...state, phase: "closed", error: event.error };
      return waiting(state, event.error, event.retryAfterMs ?? 0);
    case "due":
      return state.phase === "waiting" ? { ...state, phase: "connecting" } : state;
    case "close":
      return { ...state, phase: "closed", error: null };
  }
}

/**
 * @param {LinkState} state
 * @param {Problem} error
 * @param {number} askedMs
 * @returns {LinkState}
 */
function waiting(state, error, askedMs) {
  if (state.phase === "waiting") return state;
  return { ...state, phase: "waiting", attempts: state.attempts + 1, askedMs, error };
}

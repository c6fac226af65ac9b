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
 * @property {number} attempts failed ones since the link was last open, each over all servers that were tried
 * @property {number} askedMs pause the server asked for
 * @property {string | null} resume secret that the next hello carries
 * @property {Problem | null} error why it is waiting or closed
 * @property {string | null} server address of the one that let us in, or answered, last
 * @property {boolean} refused it answered, and did not let us in
 */

/**
 * @typedef {{type: "opened"} | {type: "welcomed", resume: string, server: string} | {type: "broken", error: Problem}
 *   | {type: "refused", error: Problem, retryAfterMs: number, server: string | null} | {type: "due"} | {type: "close"}} LinkEvent
 */

/** @type {LinkState} */
export const initialLink = { phase: "connecting", attempts: 0, askedMs: 0, resume: null, error: null, server: null, refused: false };

/** Answers to `hello` that another attempt, and another server, would give again. */
const FINAL = new Set(["unsupported_version", "bad_name", "bad_message", "unauthorized", "token_expired", "forbidden"]);

/** @param {Problem} error */
export function isFinal({ code }) {
  return FINAL.has(code);
}

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
      return { phase: "open", attempts: 0, askedMs: 0, resume: event.resume, error: null, server: event.server, refused: false };
    case "broken":
      return waiting(state, event.error, 0);
    case "refused":
      if (isFinal(event.error)) return { ...state, phase: "closed", error: event.error };
      return waiting(named(state, event.server), event.error, event.retryAfterMs);
    case "due":
      return state.phase === "waiting" ? { ...state, phase: "connecting" } : state;
    case "close":
      return { ...state, phase: "closed", error: null };
  }
}

/**
 * @param {LinkState} state
 * @param {string | null} server
 * @returns {LinkState}
 */
function named(state, server) {
  return server === null ? state : { ...state, server, refused: true };
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

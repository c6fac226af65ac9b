// Owns what "going live" looks like, from the states of the link and the session. Never offers.

/** @import { LinkState, Problem } from "../../client/state/link.js" */
/** @import { SessionState } from "../../client/state/session.js" */

/** @typedef {"idle" | "starting" | "live" | "reconnecting" | "refused"} BroadcastPhase */
/** @typedef {{phase: BroadcastPhase, problem: Problem | null, wasLive: boolean}} BroadcastState */

/** @type {BroadcastState} */
export const initialBroadcast = { phase: "idle", problem: null, wasLive: false };

/**
 * @param {BroadcastState} state
 * @param {{type: "session", session: SessionState} | {type: "link", link: LinkState} | {type: "go"} | {type: "stop"}} event
 * @returns {BroadcastState}
 */
export function updateBroadcast(state, event) {
  switch (event.type) {
    case "go":
      return { phase: "starting", problem: null, wasLive: false };
    case "stop":
      return initialBroadcast;
    case "link":
      if (state.phase === "idle" || event.link.phase !== "closed" || !event.link.error) return state;
      return { ...state, phase: "refused", problem: event.link.error };
    case "session":
      return state.phase === "idle" ? state : session(state, event.session);
  }
}

/**
 * @param {BroadcastState} state
 * @param {SessionState} session
 * @returns {BroadcastState}
 */
function session(state, { phase, error, oldFlows }) {
  // A new session is on its way, and viewers are shown the old one meanwhile.
  if (oldFlows && phase !== "refused" && phase !== "ended") return { phase: "live", problem: null, wasLive: true };
  switch (phase) {
    case "live":
    case "updating":
      return { phase: "live", problem: null, wasLive: true };
    case "refused":
      return { ...state, phase: "refused", problem: error };
    case "ended":
      return initialBroadcast;
    default:
      return { ...state, phase: state.wasLive ? "reconnecting" : "starting", problem: error };
  }
}

// Owns the life of the picture and sound source as a value. Never asks the browser.

/** @typedef {import("../words.js").From} From */
/** @typedef {{phase: "idle" | "asking" | "on" | "failed", from: From, problem: string | null, turn: number}} CaptureState */
/**
 * @typedef {{type: "ask", from: From} | {type: "got", turn: number} | {type: "failed", turn: number, problem: string}
 *   | {type: "ended"} | {type: "stop"}} CaptureEvent
 */

/** @type {CaptureState} */
export const initialCapture = { phase: "idle", from: "camera", problem: null, turn: 0 };

/**
 * `turn` counts questions, so that a late answer to an older one is dropped.
 * @param {CaptureState} state
 * @param {CaptureEvent} event
 * @returns {CaptureState}
 */
export function updateCapture(state, event) {
  switch (event.type) {
    case "ask":
      return { phase: "asking", from: event.from, problem: null, turn: state.turn + 1 };
    case "got":
      return event.turn === state.turn ? { ...state, phase: "on" } : state;
    case "failed":
      return event.turn === state.turn ? { ...state, phase: "failed", problem: event.problem } : state;
    case "ended":
      return state.phase === "on" ? { ...state, phase: "idle" } : state;
    case "stop":
      return { ...state, phase: "idle", turn: state.turn + 1 };
  }
}

// Owns the life of the picture and sound sources as a value. Never asks the browser.
//
//   idle ─ask─► asking ─got─► on ─ask─► changing ─got, failed─► on (the old sources go on until new ones are there)
//                 │ failed              │ lost: a source ended by itself; the others go on
//                 ▼
//               failed

/** @import { Kind } from "../../client/protocol.js" */

/** @typedef {import("../words.js").From} From */
/** @typedef {"camera" | "microphone" | "screen"} Source */

/**
 * @typedef {object} CaptureState
 * @property {"idle" | "asking" | "on" | "changing" | "failed"} phase
 * @property {From} from of what is on; while nothing is, what was asked for last
 * @property {From} asked what the last question was for
 * @property {string | null} problem name of the error of the last question, until the next one
 * @property {readonly Source[]} lost sources that ended by themselves and have no successor yet
 * @property {readonly Source[]} silenced sources that are there, and that the system keeps from being seen or heard
 * @property {number} turn
 */

/**
 * @typedef {{type: "ask", from: From} | {type: "got", turn: number, kinds: readonly Kind[]}
 *   | {type: "failed", turn: number, problem: string} | {type: "lost", source: Source}
 *   | {type: "silenced", sources: readonly Source[]} | {type: "accepted"} | {type: "stop"}} CaptureEvent
 *   `silenced`: all that are, now; `accepted`: the person has read of the last problem, and goes on
 */

/** @type {CaptureState} */
export const initialCapture = { phase: "idle", from: "camera", asked: "camera", problem: null, lost: [], silenced: [], turn: 0 };

/**
 * `turn` counts questions, so that a late answer to an older one is dropped.
 * @param {CaptureState} state
 * @param {CaptureEvent} event
 * @returns {CaptureState}
 */
export function updateCapture(state, event) {
  switch (event.type) {
    case "ask":
      return ask(state, event.from);
    case "got":
      if (event.turn !== state.turn) return state;
      return { ...state, phase: "on", from: state.asked, problem: null, lost: state.lost.filter((s) => !event.kinds.includes(kindOf(s))) };
    case "failed":
      if (event.turn !== state.turn) return state;
      return { ...state, phase: state.phase === "changing" ? "on" : "failed", problem: event.problem };
    case "lost":
      return lost(state, event.source);
    case "silenced":
      return state.silenced.join() === event.sources.join() ? state : { ...state, silenced: event.sources };
    case "accepted":
      return state.phase === "failed" ? state : { ...state, problem: null, lost: [] };
    case "stop":
      return { ...initialCapture, from: state.from, asked: state.from, turn: state.turn + 1 };
  }
}

/**
 * Something is sent, or could be.
 * @param {CaptureState} state
 */
export function isOn({ phase }) {
  return phase === "on" || phase === "changing";
}

/** @param {Source} source */
function kindOf(source) {
  return source === "microphone" ? "audio" : "video";
}

/**
 * What is sent after a screen is no picture of a camera.
 * @param {CaptureState} state
 * @param {Source} source
 * @returns {CaptureState}
 */
function lost(state, source) {
  if (!isOn(state)) return state;
  const from = source === "screen" ? "camera" : state.from;
  return { ...state, from, lost: [...state.lost.filter((s) => s !== source), source] };
}

/**
 * @param {CaptureState} state
 * @param {From} from
 * @returns {CaptureState}
 */
function ask(state, from) {
  const turn = state.turn + 1;
  if (isOn(state)) return { ...state, phase: "changing", asked: from, problem: null, turn };
  return { ...state, phase: "asking", from, asked: from, problem: null, turn };
}

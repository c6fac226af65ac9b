// Owns what the meeting page says of one's own picture and sound, as values. Never publishes.

/** @import { BroadcastState } from "./broadcast.js" */
/** @import { CaptureState } from "./capture.js" */

import { deviceProblem, lostText, ownProblem, silencedText } from "../words.js";

/** @typedef {"own" | "source" | "accept"} Way what a button of a note does: publishes again, asks for sources, or goes on without */
/** @typedef {{title: string, text: string, tone: "warn" | "bad", ways: {label: string, way: Way}[]}} OwnNote */

/**
 * The most pressing thing about one's own picture and sound.
 * @param {{own: BroadcastState, capture: CaptureState, sent: boolean}} state `sent`: somebody could see or hear it
 * @returns {OwnNote | null}
 */
export function ownNote({ own, capture, sent }) {
  if (own.phase === "refused" && own.problem) {
    const { title, text, label } = ownProblem(own.problem);
    return { title, text, tone: "bad", ways: label ? [{ label, way: "own" }] : [] };
  }
  if (capture.lost.length > 0) {
    const { title, text, label } = lostText(capture.lost, sent);
    return { title, text, tone: "bad", ways: [{ label, way: "source" }, { label: "Go on without", way: "accept" }] };
  }
  if (capture.silenced.length > 0) return { ...silencedText(capture.silenced), tone: "warn", ways: [] };
  if (!capture.problem) return null;
  const words = deviceProblem(capture.problem, capture.asked);
  const ways = [{ label: "Try again", way: /** @type {Way} */ ("source") }];
  return { ...words, text: `${words.text} You can watch meanwhile.`, tone: "warn", ways };
}

/**
 * What stands in place of the own picture.
 * @param {CaptureState} capture
 * @param {boolean} audible a microphone is on
 */
export function joinText({ phase, lost }, audible) {
  if (phase === "asking") return "Waiting for your camera…";
  if (lost.includes("camera")) return "Your camera is gone.";
  if (phase === "failed") return "No camera and no microphone.";
  return audible ? "Sound only: no camera is used." : "No camera and no microphone.";
}

// Owns what the meeting page says of one's own picture and sound, as values. Never publishes.

/** @import { Moderated } from "../../client/state/moderated.js" */
/** @import { BroadcastState } from "./broadcast.js" */
/** @import { CaptureState } from "./capture.js" */

import { deviceProblem, lostText, moderatedText, ownProblem, silencedText, troubleText } from "../words.js";

/** @typedef {"own" | "source" | "accept"} Way what a button of a note does: publishes again, asks for sources, or goes on without */
/** @typedef {{title: string, text: string, tone: "warn" | "bad", ways: {label: string, way: Way}[]}} OwnNote */

/**
 * Why the others see and hear nothing although nothing was refused: the server has no room, or it is not reached.
 * @param {BroadcastState} own
 * @returns {"none" | "full" | "away"}
 */
export function ownTrouble({ phase, problem, wasLive }) {
  if (!problem || (phase !== "starting" && phase !== "reconnecting")) return "none";
  if (problem.code === "unavailable") return "full";
  return wasLive || problem.code === "no_path" ? "away" : "none";
}

/**
 * The most pressing thing about one's own picture and sound.
 * @param {{own: BroadcastState, trouble: ReturnType<typeof ownTrouble>, capture: CaptureState, sent: boolean, moderated?: Moderated | undefined}} state
 *   `trouble`: it has lasted; `sent`: somebody could see or hear it
 * @returns {OwnNote | null}
 */
export function ownNote({ own, trouble, capture, sent, moderated }) {
  if (own.phase === "refused" && own.problem) {
    const { title, text, label } = ownProblem(own.problem);
    return { title, text, tone: "bad", ways: label ? [{ label, way: "own" }] : [] };
  }
  if (trouble !== "none") return { ...troubleText(trouble), tone: "warn", ways: [] };
  if (capture.lost.length > 0) {
    const { title, text, label } = lostText(capture.lost, sent);
    return { title, text, tone: "bad", ways: [{ label, way: "source" }, { label: "Go on without", way: "accept" }] };
  }
  if (moderated?.size) return { ...moderatedText(moderated), tone: "warn", ways: [] };
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

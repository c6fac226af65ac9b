// Owns what a change of sources needs: what is kept, what is opened, what ends. Never asks the browser.

/** @import { From } from "../words.js" */

/**
 * Device ids; empty is the browser's choice, `none` is none, `screen` is the sound that came with a shared screen.
 * @typedef {{from: From, camera: string, microphone: string, height: number}} Choice
 */

/** @typedef {"keep" | "resize" | "open" | "none"} Step `resize`: the same camera with another picture */

/**
 * @param {Choice | null} now what is sent, by the ids that the browser has given; null: nothing
 * @param {Choice} wanted
 * @param {{video: boolean, audio: boolean}} live which of the sources of `now` are there
 * @returns {{video: Step, audio: Step}}
 */
export function planSources(now, wanted, live) {
  return { video: picture(now, wanted, live.video), audio: sound(now, wanted, live.audio) };
}

/**
 * @param {Choice | null} now
 * @param {Choice} wanted
 * @param {boolean} live
 * @returns {Step}
 */
function picture(now, wanted, live) {
  if (wanted.from === "screen") return live && now?.from === "screen" ? "keep" : "open";
  if (wanted.camera === "none") return "none";
  if (!live || now?.from !== "camera" || !same(now.camera, wanted.camera)) return "open";
  return now.height === wanted.height ? "keep" : "resize";
}

/**
 * @param {Choice | null} now
 * @param {Choice} wanted
 * @param {boolean} live
 * @returns {Step}
 */
function sound(now, wanted, live) {
  if (wanted.microphone === "none") return "none";
  if (wanted.microphone === "screen") return live && wanted.from === "screen" ? "keep" : "open";
  return live && now && now.microphone !== "screen" && same(now.microphone, wanted.microphone) ? "keep" : "open";
}

/**
 * Whoever left the choice to the browser is content with what he has.
 * @param {string} now
 * @param {string} wanted
 */
function same(now, wanted) {
  return wanted === "" ? now !== "none" : now === wanted;
}

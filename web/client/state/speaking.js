// Owns who speaks in a room as a value: the streams in whose sound somebody is heard. Never hears anything.

/** @import { ServerEvent, Welcome } from "../protocol.js" */

/** @typedef {ReadonlySet<string>} Speaking names of streams */

/** @type {Speaking} */
export const nobodySpeaks = new Set();

/**
 * @param {Speaking} speaking
 * @param {Welcome | ServerEvent} event
 * @returns {Speaking} the same object when nothing changed
 */
export function updateSpeaking(speaking, event) {
  switch (event.type) {
    case "welcome":
      // Who goes on speaking is not told again.
      return speaking.size === 0 ? speaking : nobodySpeaks;
    case "speaking":
      return event.speaking ? withThat(speaking, event.stream) : without(speaking, event.stream);
    case "stream_removed":
      return without(speaking, event.stream);
    default:
      return speaking;
  }
}

/**
 * @param {Speaking} speaking
 * @param {string} stream
 */
function withThat(speaking, stream) {
  return speaking.has(stream) ? speaking : new Set([...speaking, stream]);
}

/**
 * @param {Speaking} speaking
 * @param {string} stream
 */
function without(speaking, stream) {
  return speaking.has(stream) ? new Set([...speaking].filter((other) => other !== stream)) : speaking;
}

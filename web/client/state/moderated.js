// Owns what of one's own stream an operator muted, as a value. Never asks the server.

/** @import { Kind, ServerEvent, Welcome } from "../protocol.js" */

/** @typedef {ReadonlySet<Kind>} Moderated */

/** @type {Moderated} */
export const nothingModerated = new Set();

/**
 * @param {Moderated} moderated
 * @param {string} name of the stream
 * @param {Welcome | ServerEvent} event
 * @returns {Moderated} the same object when nothing changed
 */
export function updateModerated(moderated, name, event) {
  const now = told(name, event);
  if (!now || (now.size === moderated.size && [...now].every((kind) => moderated.has(kind)))) return moderated;
  return now;
}

/**
 * @param {string} name
 * @param {Welcome | ServerEvent} event
 * @returns {Moderated | null} null when it says nothing of the stream. One that went with its worker is as muted as before
 *   when it is back.
 */
function told(name, event) {
  switch (event.type) {
    case "welcome":
      return kindsOf(event.streams.find(({ stream }) => stream === name));
    case "stream_added":
    case "stream_changed":
      return event.stream.stream === name ? kindsOf(event.stream) : null;
    default:
      return null;
  }
}

/** @param {import("../protocol.js").Stream | undefined} stream */
function kindsOf(stream) {
  return stream ? new Set(stream.tracks.filter((track) => track.moderated).map((track) => track.kind)) : null;
}

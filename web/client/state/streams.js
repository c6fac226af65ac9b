// Owns what is live in a room as a value. Never asks the server.

/** @import { ServerEvent, Stream, Welcome } from "../protocol.js" */

/** @typedef {ReadonlyMap<string, Stream>} Streams by name, in the order they went live */

/** @type {Streams} */
export const noStreams = new Map();

/**
 * @param {Streams} streams
 * @param {Welcome | ServerEvent} event
 * @returns {Streams} the same object when nothing changed
 */
export function updateStreams(streams, event) {
  switch (event.type) {
    case "welcome":
      return ordered([...event.streams, ...goingOn(streams, event)]);
    case "stream_added":
    case "stream_changed":
      return ordered([...[...streams.values()].filter((s) => s.stream !== event.stream.stream), event.stream]);
    case "stream_removed":
      if (!streams.has(event.stream)) return streams;
      return ordered([...streams.values()].filter((s) => s.stream !== event.stream));
    case "streams":
      if ([...streams.keys()].every((stream) => event.streams.includes(stream))) return streams;
      return ordered([...streams.values()].filter((s) => event.streams.includes(s.stream)));
    default:
      return streams;
  }
}

/**
 * One that nobody publishes.
 * @param {string} stream
 * @returns {Stream}
 */
export function absent(stream) {
  return { stream, publisher: null, name: null, since_ms: 0, tracks: [] };
}

/**
 * Streams that are shown although a server which has just started, and may have none to ask, does not know of them.
 * @param {Streams} streams
 * @param {Welcome} welcome
 */
function goingOn(streams, { streams: told, incomplete = false }) {
  return incomplete ? [...streams.values()].filter(({ stream }) => !told.some((s) => s.stream === stream)) : [];
}

/**
 * @param {Stream[]} list
 * @returns {Streams}
 */
function ordered(list) {
  const sorted = [...list].sort((a, b) => a.since_ms - b.since_ms || (a.stream < b.stream ? -1 : 1));
  return new Map(sorted.map((s) => [s.stream, s]));
}

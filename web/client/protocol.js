// Owns the shapes of PROTOCOL.md in JSDoc and the reading of a frame. Never touches a socket.

/** @typedef {"audio" | "video"} Kind */

/**
 * @typedef {object} Track
 * @property {string} mid
 * @property {Kind} kind
 * @property {string} codec
 * @property {boolean} active media flows
 * @property {boolean} muted by its publisher, or by an operator
 * @property {boolean} [moderated] by an operator: nobody gets it
 */

/**
 * @typedef {object} Stream
 * @property {string} stream its name in the room
 * @property {string | null} publisher member id; null for WHIP
 * @property {string | null} name shown name of the publisher
 * @property {number} since_ms unix time
 * @property {Track[]} tracks
 */

/** @typedef {{member: string, name?: string | null, metadata?: string}} Person who is in the room, and what its token says of it */

/**
 * One chat message, the same on every node.
 * @typedef {object} Said
 * @property {string} id
 * @property {string} member
 * @property {string | null} [name]
 * @property {string} text
 * @property {number} at_ms unix time
 */

/** @typedef {{before: string | null, lost: number}} Gap so many messages did not get here; null: after the last one */
/** @typedef {{messages: Said[], gaps: Gap[]}} ChatHistory */

/** @typedef {{mid: string, stream: string, track: string}} SlotRequest which m-line shows which track */
/** @typedef {"live" | "waiting" | "unsupported"} SlotState */
/** @typedef {SlotRequest & {state: SlotState, message?: string}} Slot */

/**
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {string} member
 * @property {string} resume
 * @property {boolean} resumed
 * @property {string[]} sessions
 * @property {string} room
 * @property {Stream[]} streams
 * @property {boolean} [incomplete] the server has just started: other streams that are shown go on until `streams` tells all
 * @property {RTCIceServer[]} ice_servers
 * @property {string[]} [servers] origins of the cluster's nodes
 * @property {Person[]} [here]
 * @property {number} [players] how many watch and are not among these
 * @property {ChatHistory} [chat]
 */

/** @typedef {{type: "answer", session: string, sdp: string, slots?: Slot[], alive_ms?: number}} Answer `alive_ms`: its worker is heard at
 *   least this often */
/** @typedef {{type: "error", id?: number, error: string, message: string, retry_after_ms?: number}} ErrorMessage */

/**
 * What the server says without being asked.
 * @typedef {{type: "stream_added", stream: Stream}
 *   | {type: "stream_changed", stream: Stream}
 *   | {type: "stream_removed", stream: string}
 *   | {type: "speaking", stream: string, speaking: boolean}
 *   | {type: "streams", streams: string[]}
 *   | {type: "slot_changed", session: string, slot: Slot}
 *   | {type: "session_lost", session: string, reason: string}
 *   | {type: "move", session: string, reason: string}
 *   | {type: "unwatched", session: string, mid: string, encodings: number[]}
 *   | {type: "joined", person: Person}
 *   | {type: "left", member: string}
 *   | {type: "here", people: Person[]}
 *   | {type: "players", players: number}
 *   | {type: "ice_servers", ice_servers: RTCIceServer[]}
 *   | {type: "typing", member: string, typing: boolean}
 *   | {type: "chat", message: Said}
 *   | ({type: "chat_gap"} & Gap)
 *   | ({type: "chat_history"} & ChatHistory)} ServerEvent
 */

export const PROTOCOL_VERSION = 1;

/** Longest frame either side accepts, in bytes. */
export const FRAME_BYTES_MAX = 64 * 1024;

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

/**
 * The rule of room and stream names.
 * @param {string} text
 */
export function isName(text) {
  return NAME.test(text);
}

/**
 * One frame as an object with a `type`, or null when it is something else.
 * @param {unknown} data
 * @returns {({type: string, id?: number} & Record<string, unknown>) | null}
 */
export function parseFrame(data) {
  if (typeof data !== "string") return null;
  try {
    const value = JSON.parse(data);
    return value !== null && typeof value === "object" && typeof value.type === "string" ? value : null;
  } catch {
    return null;
  }
}

/** A request that got no answer or an `error`. `code` is one of PROTOCOL.md's, or `timeout` or `disconnected`. */
export class RequestError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = "RequestError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

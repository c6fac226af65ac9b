// Owns which m-line of the watching peer connection shows which track, as a value. Never touches a transceiver.

/** @import { Kind, Stream } from "../protocol.js" */

/**
 * One receiving m-line. Its place in the list is its transceiver's place.
 * @typedef {{kind: Kind, stream: string, track: string}} Seat
 */

/** @typedef {"all" | readonly string[]} Wanted every stream of the room, or these names, live or not */

/** m-lines the server takes in one offer. */
export const SEATS_MAX = 32;

/**
 * Seats for what is wanted. A seat that is wanted keeps its m-line; one that is no longer wanted is kept as it
 * is (its stream may return, and then starts without a new offer) until another track of its kind needs a place.
 * @param {readonly Seat[]} current
 * @param {readonly Seat[]} wanted from {@link wantedSeats}
 * @param {number} [max]
 * @returns {{seats: readonly Seat[], over: string[]}} `over`: streams for which there was no place; `seats` is
 *   the same object when nothing changed
 */
export function planSeats(current, wanted, max = SEATS_MAX) {
  const keys = new Set(wanted.map(keyOf));
  const taken = new Set(current.map(keyOf));
  const seats = [...current];
  /** @type {Set<string>} */
  const over = new Set();
  let changed = false;
  for (const seat of wanted) {
    if (taken.has(keyOf(seat))) continue;
    const free = seats.findIndex((s) => s.kind === seat.kind && !keys.has(keyOf(s)));
    if (free >= 0) seats[free] = seat;
    else if (seats.length < max) seats.push(seat);
    else {
      over.add(seat.stream);
      continue;
    }
    taken.add(keyOf(seat));
    changed = true;
  }
  return { seats: changed ? seats : current, over: [...over] };
}

/**
 * The tracks to watch: the first of a kind goes by the name of its kind, so that a publisher who comes back with
 * other m-lines is still the same to us; further ones by their mid.
 * @param {ReadonlyMap<string, Stream>} streams
 * @param {Wanted} wanted
 * @param {(stream: Stream) => boolean} [except] streams not to watch, such as one's own
 * @returns {Seat[]}
 */
export function wantedSeats(streams, wanted, except = () => false) {
  const names = wanted === "all" ? [...streams.keys()] : wanted;
  return names.flatMap((name) => {
    const stream = streams.get(name);
    if (!stream) return [seat("video", name, "video"), seat("audio", name, "audio")];
    return except(stream) ? [] : seatsOf(stream);
  });
}

/**
 * @param {Stream} stream
 * @returns {Seat[]}
 */
function seatsOf(stream) {
  /** @type {Set<Kind>} */
  const seen = new Set();
  return stream.tracks.map(({ kind, mid }) => {
    const name = seen.has(kind) ? mid : kind;
    seen.add(kind);
    return seat(kind, stream.stream, name);
  });
}

/**
 * @param {Kind} kind
 * @param {string} stream
 * @param {string} track
 * @returns {Seat}
 */
function seat(kind, stream, track) {
  return { kind, stream, track };
}

/** @param {Seat} s */
function keyOf(s) {
  return `${s.kind}/${s.stream}/${s.track}`;
}

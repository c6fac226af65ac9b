// Owns which m-line of the watching peer connection shows which track, as a value. Never touches a transceiver.

/** @import { Kind, Stream } from "../protocol.js" */

/**
 * One receiving m-line. Its place in the list is its transceiver's place.
 * @typedef {{kind: Kind, stream: string, track: string}} Subscription
 */

/** @typedef {"all" | readonly string[]} Wanted every stream of the room, or these names, live or not */

/** m-lines the server takes in one offer. */
export const SUBSCRIPTIONS_MAX = 32;

/**
 * Subscriptions for what is wanted. A subscription that is wanted keeps its m-line; one that is no longer wanted is kept as it
 * is (its stream may return, and then starts without a new offer) until another track of its kind needs a place.
 * @param {readonly Subscription[]} current
 * @param {readonly Subscription[]} wanted from {@link wantedSubscriptions}
 * @param {number} [max]
 * @returns {{subscriptions: readonly Subscription[], over: string[]}} `over`: streams for which there was no place; `subscriptions` is
 *   the same object when nothing changed
 */
export function planSubscriptions(current, wanted, max = SUBSCRIPTIONS_MAX) {
  const keys = new Set(wanted.map(keyOf));
  const taken = new Set(current.map(keyOf));
  const subscriptions = [...current];
  /** @type {Set<string>} */
  const over = new Set();
  let changed = false;
  for (const subscription of wanted) {
    if (taken.has(keyOf(subscription))) continue;
    const free = subscriptions.findIndex((s) => s.kind === subscription.kind && !keys.has(keyOf(s)));
    if (free >= 0) subscriptions[free] = subscription;
    else if (subscriptions.length < max) subscriptions.push(subscription);
    else {
      over.add(subscription.stream);
      continue;
    }
    taken.add(keyOf(subscription));
    changed = true;
  }
  return { subscriptions: changed ? subscriptions : current, over: [...over] };
}

/**
 * The tracks to watch: the first of a kind goes by the name of its kind, so that a publisher who comes back with
 * other m-lines is still the same to us; further ones by their mid.
 * @param {ReadonlyMap<string, Stream>} streams
 * @param {Wanted} wanted
 * @param {(stream: Stream) => boolean} [except] streams not to watch, such as one's own
 * @returns {Subscription[]}
 */
export function wantedSubscriptions(streams, wanted, except = () => false) {
  const names = wanted === "all" ? [...streams.keys()] : wanted;
  return names.flatMap((name) => {
    const stream = streams.get(name);
    if (!stream) return [subscription("video", name, "video"), subscription("audio", name, "audio")];
    return except(stream) ? [] : subscriptionsOf(stream);
  });
}

/**
 * @param {Stream} stream
 * @returns {Subscription[]}
 */
function subscriptionsOf(stream) {
  /** @type {Set<Kind>} */
  const seen = new Set();
  return stream.tracks.map(({ kind, mid }) => {
    const name = seen.has(kind) ? mid : kind;
    seen.add(kind);
    return subscription(kind, stream.stream, name);
  });
}

/**
 * @param {Kind} kind
 * @param {string} stream
 * @param {string} track
 * @returns {Subscription}
 */
function subscription(kind, stream, track) {
  return { kind, stream, track };
}

/** @param {Subscription} s */
function keyOf(s) {
  return `${s.kind}/${s.stream}/${s.track}`;
}

// Owns one peer connection with its receiving m-lines, and whose pictures already came over it. Never offers.

/** @import { Kind, Slot } from "../protocol.js" */
/** @import { Cadence, Standing } from "../state/cadence.js" */
/** @import { Subscription } from "../state/slots.js" */
/** @import { Streams } from "../state/streams.js" */

import { updateCadence, updateStanding } from "../state/cadence.js";
import { DESCRIPTOR, offerExtension } from "./extensions.js";
import { Peer } from "./peer.js";

/** `transceivers` go with `subscriptions` by place. */
export class WatchingPeer extends Peer {
  /** @type {readonly Subscription[]} */
  subscriptions = [];
  /** @type {RTCRtpTransceiver[]} */
  transceivers = [];
  /** @type {Map<string, Slot>} by mid */
  slots = new Map();
  /** @type {Set<string>} streams that can be shown from here without a gap */
  ready = new Set();
  /** @type {Map<string, Cadence>} of pictures, by mid */
  #cadences = new Map();
  /** @type {Standing | null} */
  #standing = null;

  /**
   * Gives each subscription an m-line.
   * @param {readonly Subscription[]} subscriptions
   * @param {Streams} streams
   */
  subscribe(subscriptions, streams) {
    this.subscriptions = subscriptions;
    for (const { kind, stream } of subscriptions.slice(this.transceivers.length)) {
      const transceiver = this.pc.addTransceiver(kind, { direction: "recvonly" });
      const codecs = streams.get(stream)?.tracks.filter((track) => track.kind === kind).map((track) => track.codec);
      // Without them the spatial layers of AV1 can't be told apart, and the server sends the lowest alone. Of one that is not
      // live it is not known.
      if (kind === "video" && (codecs === undefined || codecs.includes("av1"))) offerExtension(transceiver, DESCRIPTOR);
      this.transceivers.push(transceiver);
    }
  }

  /**
   * The m-lines that show a stream, as far as the server knows of them.
   * @param {string} stream
   * @returns {{kind: Kind, slot: Slot, track: MediaStreamTrack}[]}
   */
  shows(stream) {
    return this.subscriptions.flatMap((subscription, place) => {
      const transceiver = this.transceivers[place];
      const slot = this.slots.get(transceiver?.mid ?? "");
      if (subscription.stream !== stream || !transceiver || slot?.stream !== stream) return [];
      return [{ kind: subscription.kind, slot, track: transceiver.receiver.track }];
    });
  }

  /**
   * Looks which streams arrived: pictures where there are some, else sound.
   * @param {ReadonlyMap<string, {video: boolean, audio: boolean}>} streams with what is expected of each
   * @param {boolean} evenly only pictures that come evenly count: the first ones, which the server had kept, rush by
   * @returns {Promise<boolean>} whether one more is ready
   */
  async lookForFirst(streams, evenly) {
    const before = this.ready.size;
    const entries = [...(await this.pc.getStats()).values()].filter((e) => e.type === "inbound-rtp");
    const came = (/** @type {string} */ mid) => entries.some((e) => e.mid === mid && this.#came(e, evenly));
    for (const [stream, { video, audio }] of streams) {
      const kind = video ? "video" : audio ? "audio" : null;
      const expected = this.shows(stream).filter((m) => m.kind === kind && m.slot.state !== "unsupported");
      // Each is looked at, also when another one did not come yet.
      if (expected.filter((m) => !came(m.slot.mid)).length === 0) this.ready.add(stream);
    }
    return this.ready.size > before;
  }

  /**
   * @param {{mid: string, kind: Kind, framesDecoded: number, packetsReceived: number}} entry
   * @param {boolean} evenly
   */
  #came({ mid, kind, framesDecoded, packetsReceived }, evenly) {
    if (kind === "audio") return packetsReceived > 0;
    const cadence = updateCadence(this.#cadences.get(mid) ?? null, { frames: framesDecoded, nowMs: performance.now() });
    this.#cadences.set(mid, cadence);
    return evenly ? cadence.even : framesDecoded > 0;
  }

  /** Looks whether the pictures of all streams stand still. */
  async stands() {
    let frames = 0;
    for (const entry of (await this.pc.getStats()).values()) if (entry.type === "inbound-rtp") frames += entry.framesDecoded ?? 0;
    this.#standing = updateStanding(this.#standing, { frames, nowMs: performance.now() });
    return this.#standing.stands;
  }

  /**
   * Packets of media, without repeats and feedback, and decoded frames by mid.
   * @returns {Promise<{packets: number, frames: Map<string, number>}>}
   */
  async counts() {
    let packets = 0;
    /** @type {Map<string, number>} */
    const frames = new Map();
    for (const entry of (await this.pc.getStats()).values()) {
      if (entry.type !== "inbound-rtp") continue;
      packets += entry.packetsReceived;
      if (entry.kind === "video") frames.set(entry.mid, entry.framesDecoded ?? 0);
    }
    return { packets, frames };
  }

  /**
   * Whether media should come now.
   * @param {Streams} streams
   * @param {(stream: string) => boolean} hides its picture is not sent, because the page does not show it
   */
  expectsMedia(streams, hides) {
    return [...this.slots.values()].some((slot) => {
      if (slot.state !== "live") return false;
      const tracks = streams.get(slot.stream)?.tracks ?? [];
      const sent = tracks.filter((t) => t.active && !t.muted && !(t.kind === "video" && hides(slot.stream)));
      return sent.some((t) => t.kind === slot.track || t.mid === slot.track);
    });
  }
}

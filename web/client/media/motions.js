// Owns what is known of the motion of each watched stream. Never asks for statistics.

/** @import { Stream } from "../protocol.js" */
/** @import { Arriving, Motion } from "../state/motion.js" */
/** @import { WatchingPeer } from "./watching.js" */

import { updateMotion } from "../state/motion.js";

export class Motions {
  /** @type {ReadonlyMap<string, Motion>} by stream */
  #motions = new Map();

  /**
   * @param {string} stream
   * @returns {Arriving}
   */
  arriving(stream) {
    return this.#motions.get(stream)?.arriving ?? "flowing";
  }

  /**
   * @param {readonly {name: string, source: Stream | null, peer: WatchingPeer | null}[]} streams with the peer connection
   *   that each is shown from
   * @param {{peer: WatchingPeer | null, frames: ReadonlyMap<string, number>}} counted decoded frames by mid
   * @returns {boolean} something is another way now
   */
  look(streams, counted) {
    const nowMs = performance.now();
    /** @type {Map<string, Motion>} */
    const motions = new Map();
    let changed = false;
    for (const { name, source, peer } of streams) {
      const before = this.#motions.get(name) ?? null;
      const slot = peer?.shows(name).find((m) => m.kind === "video")?.slot;
      // Of a peer connection that is on its way out only the path is looked at.
      const frames = peer === counted.peer && slot?.state === "live" ? counted.frames.get(slot.mid) : undefined;
      const stillSinceMs = peer?.stillSinceMs ?? nowMs;
      const expected = frames === undefined ? "unknown" : picturesOf(source);
      const motion = updateMotion(before, { frames: frames ?? before?.frames ?? 0, nowMs, silentMs: nowMs - stillSinceMs, expected });
      motions.set(name, motion);
      changed ||= motion.arriving !== (before?.arriving ?? "flowing");
    }
    this.#motions = motions;
    return changed;
  }
}

/**
 * @param {Stream | null} source
 * @returns {"some" | "none" | "unknown"}
 */
function picturesOf(source) {
  const video = source?.tracks.find((t) => t.kind === "video");
  if (!video || video.muted) return "unknown";
  return video.active ? "some" : "none";
}

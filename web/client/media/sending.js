// Owns the encoding parameters of a picture's sender: several encodings where the browser can send them. Never negotiates.

/** @import { Encoding, Picture } from "../state/encodings.js" */

import { encodingsMax, layersWithin, planEncodings } from "../state/encodings.js";
import { ALLOCATION, offerExtension } from "./extensions.js";
import { onlyCodec } from "./peer.js";

/** @typedef {{codec?: string | undefined, maxBitrate?: number | undefined, maxFramerate?: number | undefined, scalabilityMode?: string | undefined}} Limits */

/**
 * @param {RTCPeerConnection} pc
 * @param {MediaStreamTrack | null} track
 * @param {Limits} limits
 */
export function addPicture(pc, track, limits) {
  const plan = planEncodings(pictureOf(track, limits), encodingsMax(limits.codec));
  const named = plan.length === 1 ? plan : plan.map((encoding, place) => ({ rid: `r${place}`, ...encoding }));
  const add = (/** @type {Encoding[]} */ sendEncodings) => pc.addTransceiver(track ?? "video", { direction: "sendonly", sendEncodings });
  const transceiver = orWithoutLayers(add, layered(named, track, limits), named);
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs;
  if (limits.codec && codecs) transceiver.setCodecPreferences(onlyCodec(codecs, limits.codec));
  offerExtension(transceiver, ALLOCATION);
}

/**
 * After the answer, which may have left one encoding of several, and whenever the picture or what is watched is another.
 * @param {RTCRtpSender} sender
 * @param {Limits} limits
 * @param {readonly number[]} unwatched places of encodings
 */
export async function fitPicture(sender, limits, unwatched) {
  const count = sender.getParameters().encodings.length;
  if (count === 0) return;
  const plan = planEncodings(pictureOf(sender.track, limits), count, unwatched);
  const set = (/** @type {Encoding[]} */ encodings) => {
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, place) => Object.assign(encoding, encodings[place]));
    // Who chose a picture gets it: on a slow machine or line rather fewer frames than a smaller one.
    if (limits.maxBitrate !== undefined) parameters.degradationPreference = "maintain-resolution";
    return sender.setParameters(parameters);
  };
  await set(layered(plan, sender.track, limits)).catch(() => set(plan));
}

/**
 * One encoding with the layers within it that its codec has.
 * @param {Encoding[]} plan
 * @param {MediaStreamTrack | null} track
 * @param {Limits} limits
 * @returns {Encoding[]}
 */
function layered(plan, track, limits) {
  const scalabilityMode = layersWithin(pictureOf(track, limits), limits.codec, limits.scalabilityMode);
  return plan.map((encoding) => (scalabilityMode === undefined ? encoding : { ...encoding, scalabilityMode }));
}

/**
 * A browser that knows the name and has no encoder for it refuses; one that does not know the name takes no notice.
 * @template T
 * @param {(encodings: Encoding[]) => T} send
 * @param {Encoding[]} encodings
 * @param {Encoding[]} plain
 */
function orWithoutLayers(send, encodings, plain) {
  try {
    return send(encodings);
  } catch {
    return send(plain);
  }
}

/**
 * @param {MediaStreamTrack | null} track
 * @param {Limits} limits
 * @returns {Picture}
 */
function pictureOf(track, { maxBitrate, maxFramerate }) {
  const { width, height } = track?.getSettings() ?? {};
  // Of a camera that is held upright the width is the shorter side.
  const lines = width && height ? Math.min(width, height) : height;
  return { lines, detailed: track !== null && isDetailed(track), maxBitrate, maxFramerate };
}

/**
 * A screen, or what the page says is like one.
 * @param {MediaStreamTrack} track
 */
function isDetailed(track) {
  return track.contentHint === "detail" || track.contentHint === "text" || "displaySurface" in track.getSettings();
}

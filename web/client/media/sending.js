// Owns the encoding parameters of a picture's sender: several encodings where the browser can send them. Never negotiates.

/** @import { Picture } from "../state/encodings.js" */

import { encodingsMax, planEncodings } from "../state/encodings.js";
import { onlyCodec } from "./peer.js";

/** @typedef {{codec?: string | undefined, maxBitrate?: number | undefined, maxFramerate?: number | undefined}} Limits */

/**
 * @param {RTCPeerConnection} pc
 * @param {MediaStreamTrack | null} track
 * @param {Limits} limits
 */
export function addPicture(pc, track, limits) {
  const plan = planEncodings(pictureOf(track, limits), encodingsMax(limits.codec));
  const sendEncodings = plan.length === 1 ? plan : plan.map((encoding, place) => ({ rid: `r${place}`, ...encoding }));
  const transceiver = pc.addTransceiver(track ?? "video", { direction: "sendonly", sendEncodings });
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs;
  if (limits.codec && codecs) transceiver.setCodecPreferences(onlyCodec(codecs, limits.codec));
}

/**
 * After the answer, which may have left one encoding of several, and whenever the picture or what is watched is another.
 * @param {RTCRtpSender} sender
 * @param {Limits} limits
 * @param {readonly number[]} unwatched places of encodings
 */
export async function fitPicture(sender, limits, unwatched) {
  const parameters = sender.getParameters();
  if (parameters.encodings.length === 0) return;
  const plan = planEncodings(pictureOf(sender.track, limits), parameters.encodings.length, unwatched);
  parameters.encodings.forEach((encoding, place) => Object.assign(encoding, plan[place]));
  // Who chose a picture gets it: on a slow machine or line rather fewer frames than a smaller one.
  if (limits.maxBitrate !== undefined) parameters.degradationPreference = "maintain-resolution";
  await sender.setParameters(parameters);
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

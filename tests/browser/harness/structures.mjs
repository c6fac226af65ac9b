// Owns a page that sends its camera by WHIP as an encoder structures it: several encodings, or layers within one. Never
// watches.

import { GROWS_WITHIN_MS } from "./player.mjs";
import { until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * @typedef {object} Structure
 * @property {string} codec
 * @property {string[]} modes of each encoding, the smallest first; empty: as the browser has it
 * @property {boolean} [says] it offers dependency descriptors; as the browser has it where that is not said
 */

/** Of a camera with 540 lines or more; each has pictures of a quarter, half and all of them. @type {Record<string, Structure>} */
export const STRUCTURES = {
  vp8: { codec: "VP8", modes: ["", "", ""] },
  h264: { codec: "H264", modes: ["", "", ""] },
  "vp9-simulcast": { codec: "VP9", modes: ["L1T1", "L1T1", "L1T1"] },
  "vp9-svc": { codec: "VP9", modes: ["L3T3_KEY"], says: true },
  "av1-svc": { codec: "AV1", modes: ["L3T3_KEY"], says: true },
};

/**
 * @param {Page} page
 * @param {string} url of the WHIP endpoint
 * @param {Structure} structure
 * @param {number} [lines]
 * @param {number[]} [rates] of its encodings in kbit/s, the smallest first; as its lines ask for where they are not said
 */
export async function sendCamera(page, url, { codec, modes, says }, lines = 720, rates = []) {
  await page.evaluate(async ({ url, codec, modes, says, descriptor, lines, rates }) => {
    const pc = new RTCPeerConnection();
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: (lines * 16) / 9, height: lines } });
    const maxBitrate = lines * 3_500;
    const scales = modes.map((_, place) => 2 ** (modes.length - 1 - place));
    const sendEncodings = modes.map((mode, place) => {
      const scale = scales[place] ?? 1;
      const named = modes.length > 1 ? { rid: `r${place}`, scaleResolutionDownBy: scale } : {};
      return /** @type {any} */ ({ ...named, ...(mode && { scalabilityMode: mode }), maxBitrate: 1000 * (rates[place] ?? 0) || Math.round(maxBitrate / scale ** 2) });
    });
    const transceiver = /** @type {any} */ (pc.addTransceiver(media.getTracks()[0] ?? "video", { direction: "sendonly", sendEncodings }));
    const usable = (RTCRtpSender.getCapabilities("video")?.codecs ?? []).filter((one) => [`video/${codec}`, "video/rtx"].includes(one.mimeType));
    transceiver.setCodecPreferences(usable);
    if (says !== undefined) {
      const extensions = transceiver.getHeaderExtensionsToNegotiate();
      for (const extension of extensions) if (extension.uri === descriptor) extension.direction = says ? "sendrecv" : "stopped";
      transceiver.setHeaderExtensionsToNegotiate(extensions);
    }
    await pc.setLocalDescription();
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  }, { url, codec, modes, says, descriptor: DESCRIPTOR, lines, rates });
  await until(`${codec} ${modes} is sent`, () => page.evaluate(async (lines) => {
    const flows = await /** @type {any} */ (window).chappeOutbound();
    return flows.some((/** @type {{lines: number, frames: number}} */ flow) => flow.lines === lines && flow.frames > 30);
  }, lines), { withinMs: GROWS_WITHIN_MS });
}

/** Of the dependency descriptor. */
export const DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

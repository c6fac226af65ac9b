// Owns a plain WHEP player in Chromium, and what a page decodes. Never publishes.

import assert from "node:assert/strict";

import { until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{kind: string, frames: number, lines: number}} Decoded */

/**
 * A camera begins with small pictures and grows. An encoder that was short of processor time tries larger ones again after
 * 40 s (libwebrtc's `kStandardRampUpDelayMs`), so that on a busy machine it takes a while.
 */
export const GROWS_WITHIN_MS = 120_000;

/**
 * It waits for the stream: signaling may hear a moment later than the page that publishes it that it is live.
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} target room, stream and query
 */
export async function player(scene, target) {
  const page = await scene.page("/healthz");
  const url = new URL(`/whep/${target}`, scene.server.url);
  url.searchParams.set("wait", "1");
  await page.evaluate(play, { url: url.href });
  return page;
}

/**
 * Runs in a page, whichever it is: a video element for what the endpoint sends.
 * @param {{url: string, kinds?: string[]}} options
 * @returns {Promise<void>} when the answer is there
 */
export async function play({ url, kinds = ["video"] }) {
  const pc = new RTCPeerConnection();
  const media = new MediaStream();
  const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true, srcObject: media });
  document.body.append(video);
  for (const kind of kinds) {
    const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
    // What a test does with frames before they are decoded.
    /** @type {any} */ (window).chappeReceive?.(transceiver, kind);
  }
  pc.addEventListener("track", ({ track }) => media.addTrack(track));
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}

/**
 * Pictures of this size, and they go on.
 * @param {Page} page
 * @param {number} lines
 */
export async function decodes(page, lines) {
  let seen = 0;
  let from = Infinity;
  try {
    await until("", async () => {
      const video = (await inbound(page)).find((flow) => flow.kind === "video" && flow.frames > 0);
      seen = video?.lines ?? 0;
      from = seen === lines ? Math.min(from, video?.frames ?? 0) : Infinity;
      return (video?.frames ?? 0) > from + 30;
    }, { withinMs: GROWS_WITHIN_MS });
  } catch {
    assert.fail(`it should decode ${lines} lines, but decodes ${seen}`);
  }
}

/**
 * @param {Page} page
 * @returns {Promise<Decoded[]>}
 */
function inbound(page) {
  return page.evaluate(() => /** @type {any} */ (window).chappeInbound());
}

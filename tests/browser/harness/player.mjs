// Owns a plain WHEP player in Chromium, and what a page decodes. Never publishes.

import assert from "node:assert/strict";

import { until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{kind: string, frames: number, lines: number}} Decoded */

/** A camera begins with small pictures and grows: on a busy machine that takes a while. */
export const GROWS_WITHIN_MS = 40_000;

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} target room, stream and query
 */
export async function player(scene, target) {
  const page = await scene.page("/healthz");
  await page.evaluate(async (url) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver("video", { direction: "recvonly" });
    const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true });
    pc.addEventListener("track", (event) => (video.srcObject = event.streams[0] ?? null));
    document.body.append(video);
    await pc.setLocalDescription();
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  }, `${scene.server.url}/whep/${target}`);
  return page;
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

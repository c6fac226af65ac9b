// Owns the scenarios of viewers that come: until they see something, and what. Never prints.

import { ROOM, STREAM } from "./emulation.mjs";

/** @typedef {import("./emulation.mjs").Emulation} Emulation */
/** @typedef {import("./emulation.mjs").Row} Row */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{firstMs: number, width: number, rightMs: number, beganMs: number, id: string}} Joined until the first picture, and until one that is as wide as wanted; how wide it was LOOK_AFTER_MS after the offer was begun; when that was, and its session */

/**
 * Beside the server, one after the other.
 * @param {Emulation} emulation
 * @returns {Promise<Row>}
 */
export async function joins(emulation) {
  const all = await joinAgain(await emulation.blank({ near: true }), JOINS, 0);
  const first = all.map((one) => one.firstMs).sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => Math.round(first[Math.floor(share * (first.length - 1))] ?? 0);
  return {
    what: `${JOINS} joins of plain WHEP players beside the server, one after the other`,
    figures: { "from the making of the offer to the first picture": `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms` },
  };
}

/**
 * @param {Emulation} emulation
 * @param {number} kbps
 * @param {number} right width of the largest encoding that such a line carries
 * @returns {Promise<Row>}
 */
export async function firstLayer(emulation, kbps, right) {
  emulation.link.rate(kbps);
  const lines = emulation.lines();
  const all = await joinAgain(await emulation.blank(), FIRST_JOINS, right);
  const looks = await lines.end();
  const chosen = all.map((one) => chosenOf(one, looks));
  const wanted = WIDTHS.indexOf(right) + 1;
  const sorted = (/** @type {(one: Joined) => number} */ of) => all.map((one) => Math.round(of(one))).sort((a, b) => a - b);
  const [first, reached] = [sorted((one) => one.firstMs), sorted((one) => one.rightMs)];
  return {
    what: `${FIRST_JOINS} joins of plain WHEP players behind ${kbps} kbit/s, one after the other`,
    figures: {
      "the right layer is the chosen one 1 s after the making of the offer": `${chosen.filter(({ layer }) => layer === wanted).length} of ${FIRST_JOINS} (${wanted} of ${WIDTHS.length}; chosen, and of what estimate in kbit/s: ${chosen.map(({ layer, kbps }) => `${layer} of ${Math.round(kbps)}`).join(", ")})`,
      "and is shown": `${all.filter((one) => one.width === right).length} of ${FIRST_JOINS} (${right} wide; seen: ${all.map((one) => one.width).join(", ")})`,
      "the right layer after": `p50 ${reached[Math.floor(reached.length / 2)]} ms, longest ${reached.at(-1)} ms`,
      "first picture": `p50 ${first[Math.floor(first.length / 2)]} ms, longest ${first.at(-1)} ms`,
    },
  };
}

/**
 * The layer that the server had chosen LOOK_AFTER_MS after the offer was begun, and the estimate of the line.
 * @param {Joined} one
 * @param {import("./lines.mjs").Look[]} looks
 */
function chosenOf({ id, beganMs }, looks) {
  return looks.findLast((look) => look.id === id && look.atMs <= beganMs + LOOK_AFTER_MS) ?? { layer: 0, kbps: 0 };
}

/**
 * @param {Page} page
 * @param {number} count
 * @param {number} right the width that is wanted
 * @returns {Promise<Joined[]>}
 */
async function joinAgain(page, count, right) {
  const all = [];
  for (let at = 0; at < count; at++) {
    all.push(await page.evaluate(joinOnce, { url: `/whep/${ROOM}/${STREAM}`, right, lookAfterMs: LOOK_AFTER_MS, withinMs: WITHIN_MS }));
    // What the last one left in the queue of the link is gone.
    await page.waitForTimeout(500);
  }
  await page.context().close();
  return all;
}

/**
 * Runs in the page.
 * @param {{url: string, right: number, lookAfterMs: number, withinMs: number}} how
 * @returns {Promise<Joined>}
 */
async function joinOnce({ url, right, lookAfterMs, withinMs }) {
  const began = performance.now();
  const pc = new RTCPeerConnection();
  const media = new MediaStream();
  const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true, srcObject: media });
  document.body.append(video);
  for (const kind of ["video", "audio"]) pc.addTransceiver(kind, { direction: "recvonly" });
  pc.addEventListener("track", ({ track }) => media.addTrack(track));
  const first = new Promise((done) => video.requestVideoFrameCallback(() => done(performance.now() - began)));
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const firstMs = await Promise.race([first, new Promise((done) => setTimeout(() => done(withinMs), withinMs))]);
  await new Promise((done) => setTimeout(done, Math.max(0, began + lookAfterMs - performance.now())));
  const width = video.videoWidth;
  while (video.videoWidth < right && performance.now() - began < withinMs) await new Promise((done) => setTimeout(done, 10));
  const rightMs = performance.now() - began;
  pc.close();
  video.remove();
  const location = answer.headers.get("location") ?? "";
  await fetch(location, { method: "DELETE" });
  return { firstMs, width, rightMs, beganMs: performance.timeOrigin + began, id: location.split("/").at(-1) ?? "" };
}

/** Of the camera with 720 lines, by the rate of the line: its encodings take some 0.15, 0.6 and 2.5 Mbit/s. @type {Record<string, number>} */
export const RIGHT_WIDTHS = { 300: 320, 1000: 640, 3000: 1280 };
/** Of its encodings, the smallest first. */
const WIDTHS = [320, 640, 1280];
const JOINS = 60;
const FIRST_JOINS = 10;
const LOOK_AFTER_MS = 1000;
const WITHIN_MS = 10_000;

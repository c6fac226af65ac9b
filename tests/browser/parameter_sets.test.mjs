// H264 whose parameter sets were sent with the first key frames only: who joins later has pictures none the less.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove } from "./harness/observe.mjs";
import { player } from "./harness/player.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("H264 parameter sets that are sent once", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("a viewer who joins many key frames later decodes pictures", async () => {
    const publisher = await publish(scene, "once");
    const first = await player(scene, "once/cam");
    await picturesMove(first, "video", { sound: false });

    await beginStripping(publisher);
    const complete = await strippedKeyframes(publisher, 5);
    const later = await player(scene, "once/cam");
    await picturesMove(later, "video", { sound: false });
    await picturesMove(first, "video", { sound: false });
    assert.equal(await strippedKeyframes(publisher, 6), complete, "a key frame came with parameter sets");
    for (const page of [publisher, first, later]) await page.context().close();
  });

  test("and such key frames are really not to be decoded without what was sent once", async () => {
    const publisher = await publish(scene, "never", { strips: true });
    const viewer = await player(scene, "never/cam");
    const flow = await until("packets of several key frames", async () => {
      await strippedKeyframes(publisher, 5);
      const video = await inbound(viewer);
      return (video?.packets ?? 0) >= 200 ? video : null;
    });
    assert.equal(flow?.frames, 0);
    assert.equal(await strippedKeyframes(publisher, 5), 0);
    for (const page of [publisher, viewer]) await page.context().close();
  });
});

/**
 * A camera as H264, whose frames pass through a worker.
 * @param {Scene} scene
 * @param {string} room
 * @param {{strips?: boolean}} [options] from the first frame on
 */
async function publish(scene, room, { strips = false } = {}) {
  const page = await scene.page("/healthz");
  await page.evaluate(prepare, `(${strip})()`);
  if (strips) await beginStripping(page);
  await page.evaluate(publishThroughWorker, `/whip/${room}/cam`);
  return page;
}

/** @param {Page} page */
function beginStripping(page) {
  return page.evaluate(() => /** @type {any} */ (window).stripper.postMessage("strip"));
}

/**
 * Until so many key frames were sent without parameter sets.
 * @param {Page} page
 * @param {number} count
 * @returns {Promise<number>} key frames that were sent with them
 */
async function strippedKeyframes(page, count) {
  const counts = await until("key frames without parameter sets", async () => {
    const { stripped, complete } = await page.evaluate(() => /** @type {any} */ (window).askForKeyframe());
    return stripped >= count ? { complete } : null;
  });
  return counts.complete;
}

/**
 * @param {Page} page
 * @returns {Promise<{packets: number, frames: number} | undefined>}
 */
async function inbound(page) {
  const flows = await page.evaluate(() => /** @type {any} */ (window).chappeInbound());
  return flows.find((/** @type {{kind: string}} */ flow) => flow.kind === "video");
}

/**
 * Runs in a page.
 * @param {string} script of the worker
 */
function prepare(script) {
  const stripper = new Worker(URL.createObjectURL(new Blob([script])));
  const counts = { complete: 0, stripped: 0 };
  stripper.onmessage = ({ data }) => Object.assign(counts, data);
  Object.assign(window, { stripper, counts });
}

/**
 * Runs in a page.
 * @param {string} url
 */
async function publishThroughWorker(url) {
  const { stripper, counts } = /** @type {any} */ (window);
  const pc = new RTCPeerConnection();
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
  const [transceiver] = media.getVideoTracks().map((track) => pc.addTransceiver(track, { direction: "sendonly" }));
  if (!transceiver) throw new Error("no camera");
  transceiver.setCodecPreferences((RTCRtpSender.getCapabilities("video")?.codecs ?? []).filter((codec) => /h264|rtx/i.test(codec.mimeType)));
  const sender = /** @type {any} */ (transceiver.sender);
  sender.transform = new RTCRtpScriptTransform(stripper, {});
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const askForKeyframe = async () => {
    const parameters = sender.getParameters();
    await sender.setParameters(parameters, { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) });
    return counts;
  };
  Object.assign(window, { askForKeyframe });
}

/** Runs in a worker: takes the parameter sets out of key frames once it is told to, and counts both kinds. */
function strip() {
  const counts = { complete: 0, stripped: 0 };
  let isStripping = false;
  addEventListener("message", () => (isStripping = true));
  const units = (/** @type {Uint8Array} */ bytes) => {
    /** @type {number[]} */
    const starts = [];
    for (let at = 0; at + 3 <= bytes.length; at++) {
      if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1) starts.push(at + 3);
    }
    return starts.map((start, at) => bytes.subarray(start, (starts[at + 1] ?? bytes.length + 3) - 3));
  };
  const isParameterSet = (/** @type {Uint8Array} */ unit) => [7, 8].includes((unit[0] ?? 0) & 31);
  const transform = (/** @type {any} */ frame, /** @type {TransformStreamDefaultController} */ out) => {
    if (frame.type === "key") {
      const all = units(new Uint8Array(frame.data));
      const kept = isStripping ? all.filter((unit) => !isParameterSet(unit)) : all;
      counts[kept.some(isParameterSet) ? "complete" : "stripped"] += 1;
      frame.data = new Uint8Array(kept.flatMap((unit) => [0, 0, 0, 1, ...unit])).buffer;
      postMessage(counts);
    }
    out.enqueue(frame);
  };
  addEventListener("rtctransform", (event) => {
    const { readable, writable } = /** @type {any} */ (event).transformer;
    readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable);
  });
}

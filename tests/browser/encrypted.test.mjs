// Frames that pages encrypt themselves (insertable streams): the server forwards them as they are.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { play } from "./harness/player.mjs";
import { Scene } from "./harness/scene.mjs";
import { DESCRIPTOR } from "./harness/structures.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Of VP8. */
const HEAD_BYTES = 10;

describe("frames that are encrypted end to end", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("arrive byte for byte and are decoded by who has the key", () => isSealed("head", HEAD_BYTES));

  test("also when nothing of a picture can be read but its dependency descriptor", () => isSealed("whole", 0));

  /**
   * @param {string} room
   * @param {number} head of each picture is not encrypted, in bytes; without any both sides negotiate descriptors
   */
  async function isSealed(room, head) {
    const publisher = await scene.page("/healthz");
    await publisher.addScriptTag({ content: `window.cipher = ${JSON.stringify(`(${cipher})()`)};` });
    await publisher.evaluate(async ({ url, head, descriptor }) => {
      const worker = new Worker(URL.createObjectURL(new Blob([/** @type {any} */ (window).cipher])));
      const pc = new RTCPeerConnection();
      const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
      for (const track of media.getTracks()) {
        const transceiver = pc.addTransceiver(track, { direction: "sendonly" });
        if (track.kind === "video") transceiver.setCodecPreferences((RTCRtpSender.getCapabilities("video")?.codecs ?? []).filter((codec) => /vp8|rtx/i.test(codec.mimeType)));
        if (track.kind === "video" && head === 0) {
          const extensions = /** @type {any} */ (transceiver).getHeaderExtensionsToNegotiate();
          for (const extension of extensions) if (extension.uri === descriptor) extension.direction = "sendrecv";
          /** @type {any} */ (transceiver).setHeaderExtensionsToNegotiate(extensions);
        }
        transceiver.sender.transform = new RTCRtpScriptTransform(worker, { head: track.kind === "video" ? head : 1, kind: track.kind, seals: true });
      }
      await pc.setLocalDescription();
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
      if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
      await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    }, { url: `${scene.server.url}/whip/${room}/cam`, head, descriptor: DESCRIPTOR });

    const holder = await watcher(scene, room, head);
    const seen = await until("who has the key decodes pictures", async () => {
      const counts = await look(holder);
      return counts.decoded >= 60 && counts.video >= 60 && counts.audio >= 100 ? counts : null;
    });
    assert.equal(seen.damaged, 0, "a frame is not as it was sent");
    for (const page of [publisher, holder]) await page.context().close();
  }
});

/**
 * @param {Scene} scene
 * @param {string} room
 * @param {number} head as of what is published
 */
async function watcher(scene, room, head) {
  const page = await scene.page("/healthz");
  await page.addScriptTag({ content: `window.cipher = ${JSON.stringify(`(${cipher})()`)};` });
  await page.evaluate(({ head, descriptor }) => {
    const worker = new Worker(URL.createObjectURL(new Blob([/** @type {any} */ (window).cipher])));
    const counts = { video: 0, audio: 0, damaged: 0 };
    worker.onmessage = ({ data }) => Object.assign(counts, data);
    const chappeReceive = (/** @type {any} */ transceiver, /** @type {string} */ kind) => {
      if (kind === "video" && head === 0) {
        const extensions = transceiver.getHeaderExtensionsToNegotiate();
        for (const extension of extensions) if (extension.uri === descriptor) extension.direction = "sendrecv";
        transceiver.setHeaderExtensionsToNegotiate(extensions);
      }
      transceiver.receiver.transform = new RTCRtpScriptTransform(worker, { head: kind === "video" ? head : 1, kind, seals: false });
    };
    Object.assign(window, { counts, chappeReceive });
  }, { head, descriptor: DESCRIPTOR });
  await page.evaluate(play, { url: `/whep/${room}/cam?wait=1`, kinds: ["video", "audio"] });
  return page;
}

/**
 * @param {Page} page
 * @returns {Promise<{video: number, audio: number, damaged: number, decoded: number}>} frames
 */
function look(page) {
  return page.evaluate(async () => {
    const flows = await /** @type {any} */ (window).chappeInbound();
    const decoded = flows.find((/** @type {any} */ flow) => flow.kind === "video")?.frames ?? 0;
    return { .../** @type {any} */ (window).counts, decoded };
  });
}

/**
 * Runs in a worker: a key stream over all but the head of each frame, by which decoders and servers tell key frames unless
 * descriptors do (ten bytes of VP8, one of Opus), and a sum at its end.
 */
function cipher() {
  const counts = { video: 0, audio: 0, damaged: 0 };
  const sum = (/** @type {Uint8Array} */ bytes) => bytes.reduce((total, byte, at) => (total * 31 + byte + at) >>> 0, 7);
  addEventListener("rtctransform", (event) => {
    const { readable, writable, options } = /** @type {any} */ (event).transformer;
    const { head } = options;
    const mask = (/** @type {Uint8Array} */ bytes) => {
      for (let at = head; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ ((at * 37 + 0x5b) & 0xff);
    };
    const transform = (/** @type {any} */ frame, /** @type {TransformStreamDefaultController} */ out) => {
      const bytes = new Uint8Array(frame.data);
      if (options.seals) {
        mask(bytes);
        const sealed = new Uint8Array(bytes.length + 4);
        sealed.set(bytes);
        new DataView(sealed.buffer).setUint32(bytes.length, sum(bytes));
        frame.data = sealed.buffer;
      } else {
        const body = bytes.slice(0, Math.max(0, bytes.length - 4));
        const said = bytes.length >= 4 ? new DataView(frame.data).getUint32(bytes.length - 4) : -1;
        counts.damaged += said === sum(body) ? 0 : 1;
        counts[/** @type {"video" | "audio"} */ (options.kind)] += 1;
        postMessage(counts);
        mask(body);
        frame.data = body.buffer;
      }
      out.enqueue(frame);
    };
    readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable);
  });
}
